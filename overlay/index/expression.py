"""
A query as a tree, after the language has been parsed and its words analysed. Index stores evaluate it.

C{field} is C{""} for any field, or C{name} for the words of name and location.
"""

from collections.abc import Iterator

import attrs


@attrs.frozen(slots=True)
class Word:
    """Records that have this analysed term."""

    term: str
    field: str = ""


@attrs.frozen(slots=True)
class Prefix:
    """Records that have a term that begins so (at least 2 characters)."""

    start: str
    field: str = ""


@attrs.frozen(slots=True)
class Phrase:
    """
    Records whose name or text has these words one after the other: exactly these, though case, width and accents do not matter.

    @ivar stems: the terms by which they are indexed, where a network has others than the words; without those that are left out.
    """

    terms: tuple[str, ...]
    field: str = ""
    stems: tuple[str, ...] | None = None

    @property
    def indexed(self) -> tuple[str, ...]:
        """What the index has of them."""
        return self.terms if self.stems is None else self.stems


@attrs.frozen(slots=True)
class MediaType:
    """Records whose media type contains this, in lower case: C{pdf} fits C{application/pdf}, C{text/} fits all text."""

    part: str


@attrs.frozen(slots=True)
class Extension:
    """Records whose name ends in a dot and this, in lower case."""

    extension: str


@attrs.frozen(slots=True)
class Size:
    """Records of C{low} <= bytes <= C{high}; None leaves an end open."""

    low: int | None = None
    high: int | None = None


@attrs.frozen(slots=True)
class Modified:
    """Records of C{since} <= seconds since the epoch < C{until}; None leaves an end open."""

    since: int | None = None
    until: int | None = None


@attrs.frozen(slots=True)
class Owner:
    """Records of owners whose id begins so."""

    prefix: str


@attrs.frozen(slots=True)
class And:
    parts: tuple["Expression", ...]


@attrs.frozen(slots=True)
class Or:
    parts: tuple["Expression", ...]


@attrs.frozen(slots=True)
class Not:
    part: "Expression"


Expression = Word | Prefix | Phrase | MediaType | Extension | Size | Modified | Owner | And | Or | Not


def isFilter(expression: Expression) -> bool:
    """Whether it asks for no word: beside words it only leaves out some of the records that have them."""
    if isinstance(expression, And | Or):
        return all(map(isFilter, expression.parts))
    return not isinstance(expression, Word | Prefix | Phrase)


def positive(expression: Expression) -> Iterator[Expression]:
    """The parts of an expression that are no C{And} nor C{Or}, in their order; what a C{Not} is of is left within it."""
    if isinstance(expression, And | Or):
        for part in expression.parts:
            yield from positive(part)
    else:
        yield expression
