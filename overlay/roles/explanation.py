"""What L{overlay.roles.election} tells people who ask why."""

from typing import TYPE_CHECKING, Any

from overlay.identity.ids import shortText
from overlay.questions import Candidate, Criterion
from overlay.roles.observations import FRESH
from overlay.verdict import Reason, Verdict

if TYPE_CHECKING:
    from overlay.roles.election import Election

OWN = (Criterion.REACHABLE, Criterion.DESCRIPTORS, Criterion.MEMORY)
"""What a peer knows of itself, or may not be told by others alone."""


def explainRole(of: "Election") -> dict[str, Any]:
    """Why a peer is or is not a super-peer: each question to the policy, with values and thresholds."""
    election = of.commons.policies.election
    standing = of.standing()
    asked: dict[str, Verdict] = {"may it serve": election.mayServe(standing)}
    if of.membership.serving:
        load = of.load(standing)
        asked["should it call an election"] = election.shouldCall(load)
        asked["should it resign"] = election.shouldResign(load)
        asked["does it admit another leaf"] = election.admits(load)
    else:
        asked["how long it would wait with no super-peer in reach"] = election.patience(standing)
    return {
        "role": of.membership.role,
        "state": of.state,
        "because": of.role.because,
        "plugin": election.pluginName,
        "setting": of.commons.settings.role,
        "barred": round(of.role.barredFor, 1),
        "unreachable": None if of.bootstrap.since is None else round(of.commons.seconds() - of.bootstrap.since, 1),
        "mandate": of.role.describeMandate(),
        "criteria": _criteria(of, asked["may it serve"]),
        "questions": [
            {"question": name, "again": round(of.nextLook, 1), **verdict.asJSON()} for name, verdict in asked.items()
        ],
        "observed": _observed(of),
        "seats": list(of.caller.history),
    }


def _criteria(of: "Election", mayServe: Verdict) -> list[dict[str, Any]]:
    """Everything that is observed of this peer: the value, what the policy holds it against, who saw it, and when it is looked at next."""
    looks = of.reachability
    candidate = _asSeen(of)
    told: Verdict = of.commons.policies.election.fitness(candidate) if candidate is not None else Verdict.no()
    reasons = {one.name: one for one in (*told.reasons, *mayServe.reasons)}
    room = of.reign.nextRoom if of.membership.serving else of.nextLook
    observer = shortText(looks.observer) if looks.observer is not None else None
    rows = []
    for name in Criterion:
        own = name in (Criterion.DESCRIPTORS, Criterion.MEMORY)
        reason = reasons.get(name) or Reason(name, _plain(of, name, candidate))
        rows.append({
            "criterion": str(name), **{key: value for key, value in reason.asJSON().items() if key != "name"},
            "seen by": "itself" if own else observer, "again": round(room if own else looks.nextLook, 1),
        })
    return rows


def _asSeen(of: "Election") -> Candidate | None:
    """This peer as another has seen it; None if nobody has said."""
    seen = of.reachability.impression
    if seen is None:
        return None
    return Candidate(
        of.commons.peerId, seen.linked, seen.known, None if seen.rtt < 0 else seen.rtt, of.reachability.dialable is True, seen.trust,
        of.membership.capacity(of.membership.uptime()), seen.first, seen.earlier, seen.lasted,
        None if seen.throughput < 0 else seen.throughput,
    )


def _plain(of: "Election", name: Criterion, candidate: Candidate | None) -> Any:
    """What was observed, of that which the policy does not ask for."""
    room = of.standing().headRoom
    if name in OWN:
        value: Any = {
            Criterion.REACHABLE: of.reachability.dialable, Criterion.DESCRIPTORS: room.descriptors, Criterion.MEMORY: room.memory,
        }[name]
    elif candidate is None:
        value = None
    else:
        value = {
            Criterion.FIRST_SEEN: candidate.first, Criterion.SESSION: candidate.known, Criterion.EARLIER: candidate.lasted,
            Criterion.RTT: candidate.rtt, Criterion.THROUGHPUT: candidate.throughput, Criterion.REPUTATION: candidate.trust,
        }[name]
    return "unknown" if value is None else value


def _observed(of: "Election") -> list[dict[str, Any]]:
    """Those leaves of this super-peer that have been dialled back, with how fit the policy finds them."""
    rows = []
    for link in of.hosting.leaves():
        last = of.observations.last(link.peerId)
        if last is None or link.advert is None:
            continue
        candidate = of.observations.candidate(link.peerId, link, link.advert.capacity)
        verdict = of.commons.policies.election.fitness(candidate)
        again = round(last.when + FRESH - of.commons.seconds(), 1)
        rows.append({"peer": shortText(link.peerId), "dialled again": again, **verdict.asJSON()})
    return sorted(rows, key=lambda row: -row["score"])[:10]
