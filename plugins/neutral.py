"""Trusts everybody: for networks whose members know each other, and as a baseline for measurements."""

from zope.interface import implementer

from overlay.identity.ids import PeerId
from overlay.interfaces import IReputation
from overlay.policy import PolicyPlugin
from overlay.questions import Deed
from overlay.verdict import Reason, Verdict

_TRUSTED = Verdict.yes(Reason("everybody is trusted", True), score=1.0)


@implementer(IReputation)
class Neutral:
    """Keeps no evidence."""

    def observed(self, peer: PeerId, deed: Deed, weight: float) -> None:
        """Nothing is kept."""

    def trust(self, peer: PeerId) -> Verdict:
        return _TRUSTED


neutral = PolicyPlugin("reputation", "neutral", "overlay.plugins.neutral:Neutral", "Trusts everybody.", stateless=True)
