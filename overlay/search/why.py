"""Why a search has found nothing: from its receipt."""

from typing import Any

from overlay.index.analysis import words
from overlay.index.dialect import Analysis
from overlay.wire.query import Receipt


def whyNothing(receipt: Receipt, text: str, analysis: Analysis) -> dict[str, Any]:
    """
    @param text: of the query, whose words stand for their terms.
    @return: C{unknown}: words that no record has; of one that may be where nobody was asked nothing is said. C{known}: of the others, how
    many records each has, every home counted. C{unfiltered}: how many records match the words alone, and C{excluded}: of those, how many
    each filter leaves out.
    """
    said: dict[str, str] = {}
    for word in words(text):
        for term in analysis.of([word]):
            said.setdefault(term, word)
    names = {term: said.get(term, term) for term in receipt.frequencies}
    return {
        "unknown": [names[term] for term, count in receipt.frequencies.items() if not count and not receipt.unknown.get(term)],
        "known": {names[term]: count for term, count in receipt.frequencies.items() if count},
        "unfiltered": receipt.unfiltered,
        "excluded": {one: count for one, count in receipt.excluded.items() if count},
    }
