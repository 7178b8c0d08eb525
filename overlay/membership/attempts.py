"""What a peer tried to reach its network, for people: in a sentence, and in full."""

from typing import TYPE_CHECKING, Any

from overlay.discovery import Source
from overlay.identity.ids import shortText
from overlay.membership.targets import KNOWN, Target

if TYPE_CHECKING:
    from overlay.membership.bootstrap import Bootstrap

NAMED = 4
"""Addresses that a sentence names; the rest are counted."""
SHOWN = 32
"""Addresses of one source that are told in full."""


def answerOf(problem: BaseException | None, address: str) -> str:
    """What an address answered, without what whoever reads it knows anyway."""
    said = " ".join(str(problem.args[0]).split()) if problem is not None and problem.args else ""
    return said.removeprefix(address).removeprefix(":").strip() or type(problem).__name__


def summaryOf(of: "Bootstrap") -> str:
    """What was tried and what each has answered, in a sentence."""
    parts = [f"{one.title} finds nobody ({one.problem})" for one in of.sources if one.problem]
    tried = sorted((one for one in of.targets if one.tries or one.dialling), key=lambda one: (not one.given, -one.tries))
    parts += [f"{_place(one)}: {one.answer or 'no answer yet'}" for one in tried[:NAMED]]
    if len(tried) > NAMED:
        parts.append(f"{len(tried) - NAMED} further addresses were tried in vain")
    if not tried:
        parts.append("no address to try was found" if not of.targets.others else "nothing has been tried yet")
    waits = [one.next - of.commons.seconds() for one in of.targets if not one.itself and not one.dialling]
    again = f"; the next attempt is in {max(0.0, min(waits)):.0f} s" if waits and tried else ""
    return "; ".join(parts) + again + " (superpeer explain join tells all)"


def describeAttempts(of: "Bootstrap") -> dict[str, Any]:
    """
    Of each source: what it found, and of each address what it answered and when it is tried again.
    """
    now = of.commons.seconds()
    calm = of.since is None
    rows = [_describeSource(of, one, now, calm) for one in of.sources]
    gossiped = [one for one in of.targets if KNOWN in one.sources]
    if gossiped:
        rows.append({"source": KNOWN, "problem": "", "found": len(gossiped), "addresses": _describe(gossiped, now, calm)})
    return {
        "joined": of.joined,
        "because": _because(of),
        "unreached": None if of.since is None else round(now - of.since, 1),
        "sources": rows,
    }


def _because(of: "Bootstrap") -> str:
    if of.serving:
        return "this peer is a super-peer itself"
    if of.joined:
        return "a super-peer is reached"
    return summaryOf(of)


def _describeSource(of: "Bootstrap", source: Source, now: float, calm: bool) -> dict[str, Any]:
    targets = [one for one in of.targets if source.title in one.sources]
    return {
        "source": source.title,
        "problem": source.problem,
        "found": len(targets),
        "asked again in": None if calm or source.answered is None else round(max(0.0, source.next - now), 1),
        "addresses": _describe(targets, now, calm),
    }


def _describe(targets: list[Target], now: float, calm: bool) -> list[dict[str, Any]]:
    return [
        {
            "address": one.address,
            "name": one.name,
            "expected": shortText(one.peer) if one.peer is not None else "anybody",
            "tries": one.tries,
            "answer": one.answer or ("being dialled" if one.dialling else "not tried"),
            "ago": round(now - one.answered, 1) if one.tries else None,
            "again in": None if calm or one.itself or one.dialling else round(max(0.0, one.next - now), 1),
        }
        for one in sorted(targets, key=lambda one: -one.tries)[:SHOWN]
    ]


def _place(target: Target) -> str:
    return f"{target.address} ({target.name})" if target.name else target.address
