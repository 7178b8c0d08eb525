"""What is computed of super-peers that work together is what happens."""

import itertools
import json
import random
from typing import Any

import pytest

from overlay.lab.attackers import ATTACKS
from overlay.lab.capture import Group, atLeast, hourCaptured, keysExpected, placeBlocked, placeCaptured, standardError
from overlay.lab.command import lab
from overlay.lab.experiment import tidy
from overlay.lab.scheme import StandInScheme
from overlay.lab.world import World
from overlay.roles.mandate import distance, seatPoint
from overlay.settings import Settings
from overlay.wire.messages import VoteAnswer, VoteWanted
from overlay.wire.statements import Advert, Capacity, Mandate, Nomination, seal
from tests.intercepting import intercept


@pytest.mark.parametrize(("least", "drawn", "whole", "marked"), [(3, 5, 9, 4), (1, 3, 8, 2), (0, 4, 6, 3), (4, 5, 6, 3), (2, 9, 6, 3)])
def test_theTail(least: int, drawn: int, whole: int, marked: int) -> None:
    """As if all ways to draw were counted."""
    ways = list(itertools.combinations(range(whole), min(drawn, whole)))
    found = sum(sum(one < marked for one in way) >= least for way in ways)
    assert atLeast(least, drawn, whole, marked) == pytest.approx(found / len(ways))


def test_whatItComesTo() -> None:
    """Fewer than four that work together capture nothing, for the caller has no vote; two can block nobody; more get more."""
    assert placeCaptured(200, 3) == 0 < placeCaptured(200, 4) < placeCaptured(200, 20) < placeCaptured(200, 60) < 1
    assert placeCaptured(200, 20, 0) < placeCaptured(200, 20, 1) < placeCaptured(200, 20)
    assert placeCaptured(8, 4) == 1
    assert placeBlocked(200, 2) == 0 < placeBlocked(200, 3)
    # Of two electors each is needed.
    assert placeBlocked(3, 1) == 1
    assert hourCaptured(200, 20) > 3 * placeCaptured(200, 20)
    assert keysExpected(200) == 150


def test_standardErrors() -> None:
    """That of chance where groups agree, that of their spread where they do not."""
    assert standardError([0.5, 0.5], 50) == pytest.approx(0.05)
    assert standardError([0.0, 1.0], 50) == pytest.approx(0.5)
    assert standardError([0.5], 25) == pytest.approx(0.1)


def report(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert lab(["capture", *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_tried(capsys: pytest.CaptureFixture[str]) -> None:
    """What the judges of mandates let through is what was computed, within sampling error, and not what other rules would give."""
    found = report(capsys, "--super-peers", "40", "--corrupt", "0.1,0.3", "--hours", "14")
    figures = found["figures"]
    assert 0 < figures["errors_max"] <= 4 and found["targets"][0]["met"]
    error = (figures["0.3.place_captured"] * (1 - figures["0.3.place_captured"]) / (14 * 3 * 12)) ** 0.5
    assert abs(figures["0.3.place_captured_tried"] - figures["0.3.place_captured_untolerated"]) > 5 * error
    assert abs(figures["0.3.place_captured_tried"] - figures["0.3.seat_blocked"]) > 5 * error
    assert figures["0.1.keys_without_any_tried"] == pytest.approx(30, rel=0.5)
    assert len(found["series"]["0.3.captured"]) == 14


def test_triedByAVerifierThatKnowsFewer(capsys: pytest.CaptureFixture[str]) -> None:
    """Whom a verifier does not know it cannot miss."""
    whole = report(capsys, "--super-peers", "40", "--corrupt", "0.2", "--hours", "10")["figures"]
    part = report(capsys, "--super-peers", "40", "--corrupt", "0.2", "--hours", "10", "--unknown", "0.5", "--codec", "full")["figures"]
    assert part["errors_max"] <= 4 and part["0.2.place_captured"] == tidy(placeCaptured(24, 8))
    assert part["0.2.place_captured_tried"] > whole["0.2.place_captured_tried"]


def test_allVotesOfAPlaceAreAlike() -> None:
    """Another number of the same remainder is the same place: whoever does not get it with the first three does not get it at all."""
    rng = random.Random(5)
    group = Group.draw(rng, StandInScheme(), 60, 18, 0)
    for caller in group.corrupt[:6]:
        got = [group.captures(caller, counter) for counter in range(1, 13)]
        assert got == got[:3] * 4


@pytest.mark.parametrize("parts", ["", "0.1,x", "1.0", "0.001", "-0.1"])
def test_impossibleParts(parts: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that names the parameter."""
    assert lab(["capture", f"--corrupt={parts}"]) == 2
    assert "--corrupt" in capsys.readouterr().err


@pytest.mark.no_cover
def test_wholeSuperPeers() -> None:
    """
    In a network of real super-peers, of which some sell their votes: by a seat of one of them a friend that cannot be dialled gets a vote
    with all honest ones if three of the nearest seven are theirs, and with none if not.
    """
    world = World(2, Settings(role="super", mandate=200.0), codec="none")
    first = world.add("p0")
    sellers = [world.add(f"seller{number}", [first], makePeer=ATTACKS["vote-seller"].peer) for number in range(5)]
    honest = [first, *[world.add(f"p{number}", [first]) for number in range(1, 9)]]
    # The first were elected by few; when all have renewed their mandates everybody takes everybody for a voter.
    assert world.until(lambda: all(len(one.peer.election.verifier.voters()) == 14 for one in [*sellers, *honest]), 600)
    friend = world.add("friend", start=False)
    outcomes = set()
    for sequence, (caller, counter) in enumerate(itertools.product(sellers, (1000, 1001, 1002)), 1):
        now = int(caller.peer.commons.now())
        point = seatPoint(world.network.id, caller.peerId, counter, now)
        near = sorted((one for one in world.superPeers() if one is not caller), key=lambda one: distance(point, one.peerId))
        signers = [one for one in near if one in sellers][:3]
        named = sorted([*signers, *[one for one in near if one not in signers][:2]], key=near.index)
        ids = [one.peerId for one in named]
        signed = seal(
            caller.identity,
            Nomination(world.network.id, caller.peerId, counter, "filled", friend.peerId, ["10.9.9.9:1"], ids, now, now + 3600),
        )
        votes: list[Any] = []
        intercept(caller.peer, VoteAnswer, lambda link, message: votes.append(message.vote))  # noqa: B023
        for one in signers:
            caller.peer.links.dial(one.address, one.peerId).addCallback(lambda link: link.send(VoteWanted(signed)))  # noqa: B023
        world.run(3)
        assert len(votes) == 3 and None not in votes
        advert = Advert(
            world.network.id, friend.peerId, sequence, now, now + 7000, "super", [], Capacity(), 0, "a", Mandate(signed, votes)
        )
        captured = sum(one in sellers for one in near[:7]) >= 3
        for one in honest:
            known = one.peer.membership.take(seal(friend.identity, advert))
            assert known is not None and known.mandated
            assert (friend.peerId in one.peer.election.verifier.voters()) is captured
        outcomes.add(captured)
    assert outcomes == {True, False}
