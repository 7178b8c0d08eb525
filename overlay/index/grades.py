"""
How often rows have a term, of many rows at once. A I{grade} is 0 for a row that has not the term, else 1 and the place of its level
(L{overlay.index.posting.LEVELS}), so that grades are small numbers without gaps.
"""

from array import array
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from pyroaring import BitMap

from overlay.index.bm25 import classLength
from overlay.index.posting import LEVELS, MAPPED, Posting

LEVEL_OF_GRADE = np.array([0, *LEVELS], np.uint8)
_GRADE_OF_CODE = np.array([1 + (code >> 1) for code in range(256)], np.uint8)
EACH = 1024
"""Rows up to which each is looked for among those that are marked, however many these are."""
_LENGTHS = np.array([classLength(number) for number in range(256)], np.float64)


def codesAmong(posting: Posting, rows: "array[int]") -> np.ndarray:
    """
    @param rows: an array of some that are marked, in rising order.
    """
    at = np.frombuffer(posting.marked, np.uint32).searchsorted(np.frombuffer(rows, np.uint32))
    codes: np.ndarray = np.frombuffer(posting.codes, np.uint8)[at]
    return codes


def markedHaving(posting: Posting, table: Sequence[bool]) -> BitMap:
    """
    The marked rows of some codes.

    @param table: of each code, whether it is wanted.
    """
    return BitMap(np.frombuffer(posting.marked, np.uint32)[np.array(table).take(np.frombuffer(posting.codes, np.uint8))])


def gradesOf(posting: Posting, some: BitMap, rows: np.ndarray, every: bool) -> np.ndarray:
    """
    @param some: the rows, and the same as an array in rising order.
    @param every: whether all of them have the term.
    """
    marked = posting.marked
    size, count = len(rows), len(marked)
    usual = 1 + (posting.usual >> 1)
    if not count:
        grades = np.full(size, usual, np.uint8)
    elif size <= EACH or (size <= count < MAPPED):
        sought = np.frombuffer(marked, np.uint32)
        at = sought.searchsorted(rows)
        grades = _GRADE_OF_CODE.take(np.frombuffer(posting.codes, np.uint8).take(at, mode="clip"))
        grades[sought.take(at, mode="clip") != rows] = usual
    else:
        grades = np.full(size, usual, np.uint8)
        these = some & posting.mapped
        if these:
            having = these.to_array()
            grades[rows.searchsorted(np.frombuffer(having, np.uint32))] = _GRADE_OF_CODE.take(codesAmong(posting, having))
    if not every:
        without = some - posting.rows
        if without:
            grades[rows.searchsorted(np.frombuffer(without.to_array(), np.uint32))] = 0
    return grades


@lru_cache(maxsize=16)
def worthOf(average: float, k1: float, b: float) -> np.ndarray:
    """
    What each grade is worth in each length class (L{overlay.index.bm25.saturation}, operation by operation, to the last bit).

    @param average: words of a record on average.
    @return: a line for each grade, of 256 numbers.
    """
    # What is not there is worth nothing, even in a record of no words, of which the formula may say 0 / 0.
    occurrences = LEVEL_OF_GRADE[1:].astype(np.float64)[:, np.newaxis]
    worth = np.zeros((len(LEVEL_OF_GRADE), len(_LENGTHS)))
    worth[1:] = occurrences * (k1 + 1) / (occurrences + k1 * (1 - b + b * _LENGTHS / average))
    return worth
