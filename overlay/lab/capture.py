"""
What super-peers that work together can get of elections: computed, and tried on the code that judges mandates.

They nominate a friend that no honest elector votes for (it cannot be dialled, or is mistrusted), vote for it themselves, and leave out of
the electorate whom they can. Honest super-peers tolerate two who are nearer to the seat and are not named, so the seat is captured if three
of the nearest seven voters are theirs; and three of an electorate of five that do not vote keep an honest caller from filling a seat.
"""

import math
import random
from collections.abc import Iterator, Sequence

import attrs

from overlay.identity.identity import Identity
from overlay.identity.signing import ISignatureScheme
from overlay.roles.mandate import PERIOD, PLACES, TOLERATED, distance, electorateOf, judge, majorityOf, seatPoint
from overlay.wire import limits
from overlay.wire.statements import Mandate, Nomination, Vote, seal

MAJORITY = limits.ELECTORATE // 2 + 1
NETWORK = b"capture network."
LIFE = 3600
_ADDRESS = "10.0.0.1:7116"


def atLeast(least: int, drawn: int, whole: int, marked: int) -> float:
    """The hypergeometric tail: the chance that of C{drawn} from C{whole}, without putting back, at least so many are C{marked}."""
    drawn = min(drawn, whole)
    ways = sum(
        math.comb(marked, one) * math.comb(whole - marked, drawn - one)
        for one in range(least, min(drawn, marked) + 1) if drawn - one <= whole - marked
    )
    return ways / math.comb(whole, drawn)


def placeCaptured(voters: int, corrupt: int, tolerated: int = TOLERATED) -> float:
    """
    The chance that one place is captured.

    @param voters: super-peers that the verifier takes for voters, the caller among them.
    @param corrupt: of those, the caller among them too: it has no vote itself.
    """
    return atLeast(MAJORITY, limits.ELECTORATE + tolerated, voters - 1, corrupt - 1)


def placeBlocked(voters: int, corrupt: int) -> float:
    """The chance that the corrupt can keep an honest caller from filling a seat at one place."""
    electors = min(limits.ELECTORATE, voters - 1)
    return atLeast(electors - electors // 2, electors, voters - 1, corrupt)


def hourCaptured(voters: int, corrupt: int) -> float:
    """The chance that one place or more of those of all corrupt callers in an hour is captured, if places were independent."""
    return 1.0 - (1.0 - placeCaptured(voters, corrupt)) ** (PLACES * corrupt)


def keysExpected(voters: int) -> float:
    """
    How many keys somebody without any super-peer makes until three of them are nearer to a place than the fifth of the honest, so
    that a mandate may name them and two of those: the part of the ids that is so near is Beta(5, voters - 4) (David and Nagaraja, Order
    Statistics, 2003), and the mean of its inverse is voters / 4.
    """
    near = MAJORITY + TOLERATED
    return MAJORITY * voters / (near - 1)


@attrs.define
class Group:
    """
    Super-peers of which some work together.

    @ivar corrupt: those.
    @ivar view: what a verifier knows: ids of voters, with the times of their mandates.
    """

    scheme: ISignatureScheme
    corrupt: list[Identity]
    honest: list[Identity]
    friend: Identity
    now: int
    view: dict[bytes, int]

    @classmethod
    def draw(cls, rng: random.Random, scheme: ISignatureScheme, count: int, corrupt: int, unknown: int) -> "Group":
        """
        @param unknown: honest ones that the verifier does not know.
        """
        everybody = [Identity.generate(rng, scheme) for _ in range(count + 1)]
        friend, *serving = everybody
        theirs, honest = serving[:corrupt], serving[corrupt:]
        now = PERIOD * rng.randrange(400_000, 500_000) + rng.randrange(PERIOD)
        view: dict[bytes, int] = {one.peerId: now - 1 - rng.randrange(LIFE // 2) for one in [*theirs, *honest[unknown:]]}
        return cls(scheme, theirs, honest, friend, now, view)

    def captures(self, caller: Identity, counter: int) -> bool:
        """Whether a verifier gives the friend a vote by the best mandate that can be had at this place."""
        point = seatPoint(NETWORK, caller.peerId, counter, self.now)
        able = sorted((one for one in self.corrupt if one is not caller), key=lambda one: distance(point, one.peerId))
        return self.mayVote(caller, counter, able[:MAJORITY])

    def mayVote(self, caller: Identity, counter: int, signers: Sequence[Identity]) -> bool:
        """
        Whether a verifier gives the friend a vote by a mandate that these have signed; the other electors are the nearest that the verifier
        knows, so that nobody is passed over without need.
        """
        point = seatPoint(NETWORK, caller.peerId, counter, self.now)
        signing = [one.peerId for one in signers]
        others = sorted(
            (one for one in self.view if one not in signing and one != caller.peerId), key=lambda one: distance(point, one)
        )
        named = sorted([*signing, *others[: limits.ELECTORATE - len(signing)]], key=lambda one: distance(point, one))
        return self._judged(caller, counter, named, signers)

    def _judged(self, caller: Identity, counter: int, named: Sequence[bytes], signers: Sequence[Identity]) -> bool:
        friend, now = self.friend.peerId, self.now
        nomination = Nomination(NETWORK, caller.peerId, counter, "filled", friend, [_ADDRESS], list(named), now, now + LIFE)
        signed = seal(caller, nomination)
        votes = [
            seal(one, Vote(NETWORK, one.peerId, signed.digest, caller.peerId, counter, friend, now, now + LIFE)) for one in signers
        ]
        return judge(self.scheme, NETWORK, Mandate(signed, votes), friend, now, self.view, now).mayVote

    def blocks(self, caller: Identity, counter: int) -> bool:
        """Whether an honest caller's electors of this place, as the verifier sees them, are no majority without the corrupt."""
        electors = electorateOf(NETWORK, caller.peerId, counter, self.now, self.friend.peerId, self.view)
        theirs = {one.peerId for one in self.corrupt}
        return sum(one not in theirs for one in electors) < majorityOf(electors)

    def keysMade(self, rng: random.Random) -> int:
        """Keys that somebody who has no super-peer makes until three of them are electors of a seat, and the friend has a vote."""
        caller = Identity.generate(rng, self.scheme)
        point = seatPoint(NETWORK, caller.peerId, 1, self.now)
        far = sorted(distance(point, one) for one in self.view)[MAJORITY + TOLERATED - 1]
        made: list[Identity] = []
        for count, one in enumerate(self._keys(rng), 1):
            if distance(point, one.peerId) < far:
                made.append(one)
            if len(made) == MAJORITY and self.mayVote(caller, 1, made):
                return count
        raise AssertionError("keys do not end")

    def _keys(self, rng: random.Random) -> Iterator[Identity]:
        while True:
            yield Identity.generate(rng, self.scheme)


def standardError(means: Sequence[float], count: int) -> float:
    """
    Of the mean of several groups' means, each over C{count} seats: the larger of what their spread says and what chance alone makes.
    """
    mean = math.fsum(means) / len(means)
    chance = mean * (1.0 - mean) / (count * len(means))
    if len(means) < 2:
        return math.sqrt(chance)
    spread = math.fsum((one - mean) ** 2 for one in means) / (len(means) - 1) / len(means)
    return math.sqrt(max(chance, spread))
