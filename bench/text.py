"""How fast text is made into terms, beside the bare parts in the same run."""

import random
import re
import time
import unicodedata
from collections.abc import Callable, Sequence

from bench.figure import Figure
from overlay.index.analysis import words
from overlay.index.dialect import analysisOf
from overlay.index.snippet import snippetOf
from overlay.index.spans import spans

DOCUMENTS = 10_000
WORDS = 12
_ASCII = re.compile(r"[a-z0-9]+")
_WORDS = re.compile(r"[^\W_]+")


def _rate(work: Callable[[str], object], documents: Sequence[str], rounds: int) -> float:
    """Documents per CPU-second, of the best round."""
    best = 0.0
    for _ in range(rounds):
        start = time.process_time()
        for document in documents:
            work(document)
        best = max(best, len(documents) / (time.process_time() - start))
    return best


def _documents(rng: random.Random, letters: str, changed: Callable[[str], str] = str) -> list[str]:
    vocabulary = [changed("".join(rng.choices(letters, k=rng.randint(3, 10)))) for _ in range(5000)]
    return [
        " ".join(word.capitalize() if rng.random() < 0.2 else word for word in rng.choices(vocabulary, k=WORDS)) for _ in range(DOCUMENTS)
    ]


def _bareAscii(text: str) -> list[str]:
    return _ASCII.findall(text.lower())


def _bare(text: str) -> list[str]:
    return _WORDS.findall(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()))


def measureText(rounds: int) -> list[Figure]:
    """Short documents of a dozen words in several scripts; stems only if there is a stemmer."""
    rng = random.Random(1)
    latin = _documents(rng, "abcdefghijklmnopqrstuvwxyz")
    accented = [one.replace("e", "\u00e9").replace("u", "\u00fc") for one in latin]
    cyrillic = _documents(rng, "".join(map(chr, range(0x430, 0x450))))
    han = ["".join(chr(rng.randint(0x4E00, 0x5E00)) for _ in range(2 * WORDS)) for _ in range(DOCUMENTS)]
    figures = []
    for name, documents, bare in (("ASCII", latin, _bareAscii), ("accented", accented, _bare), ("Cyrillic", cyrillic, _bare)):
        rate = _rate(words, documents, rounds)
        figures.append(Figure(f"short documents per CPU-second, {name}", rate))
        figures.append(Figure(f"against {'lower' if bare is _bareAscii else 'NFKC, casefold, NFKC'} and a pattern, {name}",
                              rate / _rate(bare, documents, rounds)))
    figures.append(Figure("short documents per CPU-second, Han in pairs", _rate(words, han, rounds)))
    try:
        english = analysisOf("stem:english")
    except Exception:  # no stemmer is installed
        english = None
    if english is not None:
        rate = _rate(english.words, latin, rounds)
        figures.append(Figure("short documents per CPU-second, ASCII, English stems", rate))
        figures.append(Figure("stems against words, ASCII", rate / _rate(words, latin, rounds)))
    whole = [" ".join(latin[at : at + 40]) for at in range(0, 4000, 40)]
    mixed = [" ".join(accented[at : at + 40]) for at in range(0, 4000, 40)]
    for name, texts in (("ASCII", whole), ("accented", mixed)):
        asked = {one: words(one)[200:202] for one in texts}
        rate = _rate(lambda text, asked=asked: snippetOf(text, asked[text]), texts, rounds)  # type: ignore[misc]
        figures.append(Figure(f"us for the passage of a text of {sum(map(len, texts)) // len(texts)} characters, {name}", 1e6 / rate))
    figures.append(Figure("us for the places of all words of a passage", 1e6 / _rate(lambda text: list(spans(text)), accented, rounds)))
    return figures
