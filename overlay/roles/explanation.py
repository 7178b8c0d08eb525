"""What L{overlay.roles.election} tells people who ask why."""

from typing import TYPE_CHECKING, Any

from overlay.identity.ids import shortText
from overlay.verdict import Verdict

if TYPE_CHECKING:
    from overlay.roles.election import Election


def explainRole(of: "Election") -> dict[str, Any]:
    """Why a peer is or is not a super-peer: each question to the policy, with values and thresholds."""
    election = of.commons.policies.election
    standing = of.standing()
    asked: dict[str, Verdict] = {"may it serve": election.mayServe(standing)}
    if of.membership.serving:
        load = of.load()
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
        "questions": [{"question": name, **verdict.asJSON()} for name, verdict in asked.items()],
        "observed": _observed(of),
        "seats": list(of.caller.history),
    }


def _observed(of: "Election") -> list[dict[str, Any]]:
    """Those leaves of this super-peer that have been dialled back, with how fit the policy finds them."""
    rows = []
    for link in of.hosting.leaves():
        if of.observations.last(link.peerId) is None or link.advert is None:
            continue
        candidate = of.observations.candidate(link.peerId, link, link.advert.capacity)
        verdict = of.commons.policies.election.fitness(candidate)
        rows.append({"peer": shortText(link.peerId), **verdict.asJSON()})
    return sorted(rows, key=lambda row: -row["score"])[:10]
