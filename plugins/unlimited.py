"""Admits all work: for the lab, and for networks whose members know each other."""

from collections.abc import Sequence

from zope.interface import implementer

from overlay.identity.ids import PeerId
from overlay.interfaces import IRateLimit
from overlay.policy import PolicyPlugin
from overlay.questions import Work
from overlay.verdict import Reason, Verdict


@implementer(IRateLimit)
class Unlimited:
    """Counts nothing."""

    def ask(self, peer: PeerId, work: Work, cost: float, trust: float) -> Verdict:
        return Verdict("admit", (Reason("no limit", True),))

    def budget(self, peer: PeerId) -> Sequence[Reason]:
        return [Reason(str(work), "unlimited") for work in Work]


unlimited = PolicyPlugin("rate-limit", "unlimited", "overlay.plugins.unlimited:Unlimited", "Admits all work.", stateless=True)
