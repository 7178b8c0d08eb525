"""
What a policy answers with: a decision, and the reasons for it as named values with thresholds.
"""

from typing import Any

import msgspec
import msgspec.structs


class Reason(msgspec.Struct, frozen=True, gc=False):
    """
    One criterion of a decision.

    @ivar name: as in C{uptime}.
    @ivar value: what was measured.
    @ivar threshold: what it was held against; None if the value is only information.
    @ivar holds: whether the criterion is met.
    @ivar unit: of value and threshold, as in C{s}, C{bytes}, C{0 to 1}; empty for plain counts.
    @ivar relation: how value and threshold compare when it is met: C{>=}, C{<=}, C{=}, or empty.
    """

    name: str
    value: Any
    threshold: Any = None
    holds: bool = True
    unit: str = ""
    relation: str = ""

    @classmethod
    def atLeast(cls, name: str, value: float, threshold: float, unit: str = "") -> "Reason":
        return cls(name, value, threshold, value >= threshold, unit, ">=")

    @classmethod
    def atMost(cls, name: str, value: float, threshold: float, unit: str = "") -> "Reason":
        return cls(name, value, threshold, value <= threshold, unit, "<=")

    @classmethod
    def must(cls, name: str, value: bool) -> "Reason":
        """A yes-or-no criterion that has to be yes."""
        return cls(name, value, True, value, "", "=")

    def asJSON(self) -> dict[str, Any]:
        return msgspec.structs.asdict(self)


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """
    @ivar decision: C{yes} or C{no}; for a rate limit C{admit}, C{defer} or C{refuse}.
    @ivar reasons: why.
    @ivar score: for questions of degree (trust, fitness): 0 to 1 unless the question says otherwise.
    @ivar wait: seconds until the answer may be different; 0 if unknown.
    """

    decision: str
    reasons: tuple[Reason, ...] = ()
    score: float = 0.0
    wait: float = 0.0

    @classmethod
    def yes(cls, *reasons: Reason, score: float = 1.0) -> "Verdict":
        return cls("yes", reasons, score)

    @classmethod
    def no(cls, *reasons: Reason, score: float = 0.0, wait: float = 0.0) -> "Verdict":
        return cls("no", reasons, score, wait)

    @classmethod
    def allOf(cls, *reasons: Reason, score: float = 0.0) -> "Verdict":
        """Yes if every reason holds."""
        return cls("yes" if all(one.holds for one in reasons) else "no", reasons, score)

    def __bool__(self) -> bool:
        return self.decision in ("yes", "admit")

    def asJSON(self) -> dict[str, Any]:
        return {
            "decision": self.decision,
            "score": self.score,
            "wait": self.wait,
            "reasons": [one.asJSON() for one in self.reasons],
        }
