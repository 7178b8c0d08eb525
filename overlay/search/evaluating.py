"""A super-peer's own answer to a query."""

from collections.abc import Sequence
from typing import Any

from overlay.identity.ids import PeerId
from overlay.index.census import MODULUS
from overlay.index.packed import PackedRow, PackedRows
from overlay.index.registry import Registry
from overlay.index.scoring import Statistics
from overlay.index.store import Found
from overlay.search.checking import Checker
from overlay.search.language import render
from overlay.search.receipts import KEY_BYTES, NAME_BYTES, Account
from overlay.search.selection import Selection
from overlay.search.wanted import Wanted
from overlay.wire import limits
from overlay.wire.query import Hit, Receipt


def evaluate(
    registry: Registry, wanted: Wanted, account: Account, selection: Selection, own: PeerId, checker: Checker
) -> Sequence[Hit]:
    """This super-peer's own answer, accounted for; one whose store fails is not named among those that answered."""
    found = registry.search(wanted.expression, wanted.want, formula=wanted.formula)
    if found.failed:
        return ()
    names = list(found.frequencies)
    ranked = found.ranked and len(names) <= limits.QUERY_TERMS
    hits = checker.genuine(hitsOf(found, ranked), own) if found.rows else []
    if ranked and wanted.formula.order != "newest":
        selection.numbers = Statistics(found.documents, found.length, tuple(found.frequencies.values()), wanted.times)
        selection.formula = wanted.formula
    chosen: Sequence[Hit] = selection.choose(hits) if hits else []
    account.answeredBy[own[:NAME_BYTES]] = None
    account.matched += found.matched
    account.count(found.documents, found.length, {name: found.frequencies[name] for name in names[: limits.QUERY_TERMS]}, 1)
    if found.unfiltered:
        account.leaveOut(found.unfiltered, {render(one): count for one, count in found.excluded})
    if ranked:
        account.ranked += 1
        if found.front:
            account.fronts.append((own[:NAME_BYTES], found.front))
    account.balance = (account.balance + registry.census().balance) % MODULUS
    if found.matched:
        selection.holdBack((recordId[:KEY_BYTES] for recordId in found.held), found.bound)
        account.heldMore += max(0, found.matched - len(found.rows) - len(found.held))
    return chosen


def receiptOf(found: Found, own: PeerId, balance: int) -> Receipt | None:
    """
    The receipt of a super-peer that was asked for what it holds itself, and passes on all rows of C{found}: what L{evaluate} accounts
    for, made at once.

    @return: None if there is more to account for than is most often.
    """
    held, front, frequencies = found.held, found.front, found.frequencies
    if (
        found.failed or not found.ranked or found.unfiltered or len(frequencies) > limits.QUERY_TERMS
        or len(held) > limits.HELD_KEYS or len(front) > limits.FRONTS_BYTES
    ):
        return None
    name, matched = own[:NAME_BYTES], found.matched
    more = matched - len(found.rows)
    return Receipt(
        answeredBy=name, matched=matched, held=b"".join([one[:KEY_BYTES] for one in held]) if held else b"",
        heldMore=more - len(held), bound=found.bound if more else 0.0, documents=found.documents, length=found.length,
        frequencies=dict(frequencies), ranked=1, balance=balance, fronts=[(name, front)] if front else [],
    )


def hitsOf(found: Found, ranked: bool) -> Sequence[Hit]:
    """Rows as they travel."""
    rows: Sequence[Any] = found.rows
    if ranked and type(rows) is PackedRows:
        return rows  # type: ignore[return-value]
    hits: list[Any] = []
    for row in rows:
        if isinstance(row, PackedRow):
            if not ranked:
                row.parts = b""
            hits.append(row)
        else:
            hits.append(Hit(row.head, row.signature, row.key, row.snippet[:400], row.score, row.parts if ranked else b""))
    return hits
