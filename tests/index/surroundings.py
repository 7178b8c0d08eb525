"""A peer's commons without a peer: real storage, clock and signatures, and a reputation that only listens."""

import random
from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock

from overlay.commons import Commons, Surroundings
from overlay.identity.identity import Identity
from overlay.index.own import OwnRegistration
from overlay.index.registry import Registry
from overlay.questions import Deed
from overlay.settings import Settings
from overlay.storage import IStorage, MemoryStorage
from overlay.verdict import Verdict
from overlay.wire.codec import decode, encode
from overlay.wire.registration import Register, Registered
from tests.index.material import NETWORK, NOW, SCHEME


class Reputation:
    """Trusts everybody as far as it is told, and remembers what was reported."""

    def __init__(self, trusted: float) -> None:
        self.trusted = trusted
        self.deeds: list[tuple[bytes, Deed]] = []

    def trust(self, peer: bytes) -> Verdict:
        return Verdict.yes(score=self.trusted)

    def observed(self, peer: bytes, deed: Deed, weight: float) -> None:
        self.deeds.append((peer, deed))


def commonsOf(
    identity: Identity, storage: IStorage | None = None, trusted: float = 0.0, clock: Clock | None = None, **settings: Any
) -> Commons:
    """
    @param trusted: how far others are trusted; 0 has every signature checked.
    """
    clock = clock or Clock()
    surroundings = Surroundings(clock, lambda: NOW + clock.seconds(), random.Random(5), None, SCHEME)  # type: ignore[arg-type]
    policies: Any = SimpleNamespace(reputation=Reputation(trusted))
    return Commons(identity, NETWORK, Settings(**settings), storage or MemoryStorage(), surroundings, policies, 1)


def deedsOf(commons: Commons) -> list[Deed]:
    """What was reported, in order."""
    return [deed for _, deed in commons.policies.reputation.deeds]


def deliver(own: OwnRegistration, registry: Registry, identity: Identity, base: int) -> list[Registered]:
    """All batches from an owner to a home, over the wire, until one is not taken."""
    answers = []
    for batch in own.batches(base):
        message, _ = decode(encode(batch))
        assert isinstance(message, Register)
        answers.append(registry.apply(identity.peerId, identity.publicKey, message))
        if answers[-1].code:
            break
    return answers
