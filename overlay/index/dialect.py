"""
What a network adds to the analysis of text: stems instead of words, and words that are left out. All its peers must do the same, so the
choice is made once, by its founder, and is a part of the network like its name: C{""} for nothing, C{stem:english},
C{stop:english}, C{stem:english+stop:english}.

Stems are Snowball's (PyStemmer, the extra C{stem}), of words that have been folded. They stand for words in the index alone: a phrase is
compared with the text as it is.
"""

import functools
from collections.abc import Callable, Iterable, Sequence

import attrs

from overlay.errors import UsageError
from overlay.index import analysis
from overlay.wire import limits

STOP_WORDS: dict[str, frozenset[str]] = {
    "english": frozenset({
        "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no", "not", "of", "on",
        "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to", "was", "will", "with",
    }),
}
"""The words that say least, by language."""


class StemmerMissing(UsageError):
    """The network has stems, and no stemmer is installed."""


def _unstemmed(found: list[str]) -> list[str]:
    return found


@attrs.frozen(slots=True, cache_hash=True)
class Analysis:
    """
    Text to terms as one network does it; see L{analysisOf}.

    @ivar dialect: as the network has it.
    @ivar stems: whether a term is not the word itself.
    """

    dialect: str = ""
    stems: bool = attrs.field(default=False, eq=False)
    _stem: Callable[[list[str]], list[str]] = attrs.field(default=_unstemmed, eq=False, repr=False)
    _stop: frozenset[str] = attrs.field(default=frozenset(), eq=False, repr=False)

    def of(self, found: Sequence[str]) -> list[str]:
        """The terms that stand for words; none for those that are left out."""
        kept = [one for one in found if one not in self._stop] if self._stop else list(found)
        if not self.stems:
            return kept
        stems = self._stem(kept)
        return [stem or word for stem, word in zip(stems, kept, strict=True)] if "" in stems else stems

    def each(self, found: Sequence[str]) -> list[str]:
        """The term of each word, in their order; empty for one that is left out."""
        stems = self._stem(list(found)) if self.stems else found
        return ["" if word in self._stop else stem or word for stem, word in zip(stems, found, strict=True)]

    def words(self, text: str) -> list[str]:
        """The terms of a text, in order."""
        return self.of(analysis.words(text))

    def nameWords(self, name: str) -> list[str]:
        """The terms of a name or location, whole and in parts."""
        return self.of(analysis.nameWords(name))

    def countTerms(self, text: str, limit: int, title: str = "") -> tuple[tuple[tuple[str, int], ...], int]:
        """
        The distinct terms of a text with their counts, and the number of all; see L{overlay.index.analysis.counted}.

        @param title: whose words stay before all others.
        """
        return analysis.counted(self.words(text), limit, frozenset(self.words(title)) if title else ())


PLAIN = Analysis()
"""Words as they are."""


def dialectOf(stem: str = "", stop: str = "") -> str:
    """A dialect of its parts."""
    return "+".join(f"{kind}:{language}" for kind, language in (("stem", stem), ("stop", stop)) if language)


def partsOf(dialect: str) -> dict[str, str]:
    """
    Language by C{stem} and C{stop}.

    @raise UsageError: it is no dialect.
    """
    found: dict[str, str] = {}
    for part in dialect.split("+") if dialect else []:
        kind, _, language = part.partition(":")
        if kind not in ("stem", "stop") or kind in found or not language:
            raise UsageError(f"{dialect[: limits.DIALECT]!r} is no way to analyse text that this version knows")
        found[kind] = language
    if dialect != dialectOf(found.get("stem", ""), found.get("stop", "")):
        raise UsageError(f"{dialect[: limits.DIALECT]!r} is no way to analyse text that this version knows")
    return found


@functools.lru_cache(16)
def analysisOf(dialect: str) -> Analysis:
    """
    The analysis of a network.

    @raise UsageError: it is no dialect, or its language is not known.
    @raise StemmerMissing: it has stems, and PyStemmer is not installed.
    """
    if not dialect:
        return PLAIN
    parts = partsOf(dialect)
    stop = parts.get("stop", "")
    if stop and stop not in STOP_WORDS:
        raise UsageError(f"there are no stop words of {stop!r}{_nearest(stop, STOP_WORDS)}")
    language = parts.get("stem", "")
    return Analysis(dialect, bool(language), _stemmerOf(language) if language else _unstemmed, STOP_WORDS.get(stop, frozenset()))


def _nearest(word: str, known: Iterable[str]) -> str:
    # The child process that reads files has no other use for policies.
    from overlay.policy import nearest

    return nearest(word, list(known))


def _stemmerOf(language: str) -> Callable[[list[str]], list[str]]:
    try:
        import Stemmer
    except ImportError as problem:
        raise StemmerMissing(
            f"this network searches by the stems of words ({language}), and PyStemmer is not installed: pip install 'superpeer[stem]'"
        ) from problem
    known = Stemmer.algorithms()
    if language not in known:
        raise UsageError(f"there are no stems of {language!r}{_nearest(language, known)}")
    stemWords: Callable[[list[str]], list[str]] = Stemmer.Stemmer(language).stemWords
    return stemWords
