"""
How well a record fits a term: Okapi BM25 (Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond",
equation 3.15) with the never negative weight of Lucene, C{ln(1 + (N - n + 0.5) / (n + 0.5))}. A word of the name or location counts as
L{NAME_WEIGHT} more occurrences in the text, a word of the title as L{TITLE_WEIGHT} more, as in BM25F (Robertson, Zaragoza and Taylor 2004).

Counts above 16 and lengths above 31 are rounded down to steps of at most an eighth and a sixteenth. So records fall into few
classes of one score, which can be ranked class by class, and every store rounds alike.
"""

import math

K1 = 1.2
B = 0.75
NAME_WEIGHT = 3
TITLE_WEIGHT = 2
MOST_LEVEL = 255


def level(occurrences: int) -> int:
    """An occurrence count as it is kept: 1 to L{MOST_LEVEL}."""
    if occurrences <= 16:
        return occurrences
    if occurrences >= MOST_LEVEL:
        return MOST_LEVEL
    step = 1 << (occurrences.bit_length() - 4)
    return occurrences // step * step


def lengthClass(words: int) -> int:
    """A number of words as it is kept: 0 to 255, larger for longer records."""
    if words < 32:
        return words
    bits = words.bit_length()
    return min(255, 16 * (bits - 4) + (words >> (bits - 5)))


def classLength(number: int) -> int:
    """The least number of words of a length class."""
    if number < 32:
        return number
    bits = number // 16 + 3
    return (16 + number % 16) << (bits - 5)


def termWeight(documents: int, frequency: int) -> float:
    """
    How telling a term is.

    @param documents: records in all.
    @param frequency: records that have the term.
    """
    return math.log(1 + (documents - frequency + 0.5) / (frequency + 0.5))


def saturation(occurrences: int, length: int, average: float, k1: float = K1, b: float = B) -> float:
    """
    What so many occurrences are worth in a record of so many words; 0 to C{k1 + 1}.

    @param average: words of a record on average.
    """
    return occurrences * (k1 + 1) / (occurrences + k1 * (1 - b + b * length / average))
