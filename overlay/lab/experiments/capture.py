"""What super-peers that work together can get of elections."""

import random
from collections.abc import Callable
from typing import ClassVar

import attrs

from overlay.identity.identity import Identity
from overlay.identity.signing import Ed25519
from overlay.lab.capture import Group, hourCaptured, keysExpected, placeBlocked, placeCaptured, standardError
from overlay.lab.experiment import Experiment, Impossible, Measured, Target, parameter
from overlay.lab.scheme import StandInScheme
from overlay.roles.mandate import PLACES

KEYS_TRIED = 10
"""Times that somebody without a super-peer makes keys."""


@attrs.define(kw_only=True)
class Capture(Experiment):
    """
    Each hour is tried out with a group of its own: every corrupt caller tries all its places with the best mandate that it can make, and
    honest callers try theirs; real nominations and votes are judged by what super-peers judge them by. What is computed has to agree.
    """

    name: ClassVar[str] = "capture"
    help: ClassVar[str] = "Super-peers that work together: how often they seat an unfit friend, or block others; computed, and tried."
    targets: ClassVar[tuple[Target, ...]] = (Target("errors_max", high=4.0),)

    superPeers: int = parameter(200, "super-peers", low=10, high=100_000)
    corrupt: str = parameter("0.1,0.3", "parts of them that work together, with commas between", metavar="PARTS")
    unknown: float = parameter(0.0, "part of the honest that a verifier does not know, or knows to be dead", low=0.0, high=0.9)
    hours: int = parameter(30, "hours that are tried, each with other super-peers", low=2, high=100_000)

    def check(self) -> None:
        self._parts()

    def _parts(self) -> list[tuple[str, int]]:
        """Each part as it was written, and how many super-peers it is."""
        parts = []
        for text in self.corrupt.split(","):
            try:
                part = float(text)
            except ValueError:
                part = -1.0
            if not 0.0 <= part < 1.0 or round(part * self.superPeers) < 1:
                raise Impossible(f"--corrupt must name parts from one super-peer to less than 1, with commas between, not {self.corrupt!r}")
            parts.append((text.strip(), round(part * self.superPeers)))
        return parts

    def run(self, seed: int, measured: Measured) -> None:
        measured.figure("errors_max", 0.0)
        for name, corrupt in self._parts():
            self._try(seed, measured, name, corrupt)

    def _try(self, seed: int, measured: Measured, name: str, corrupt: int) -> None:
        rng = random.Random(f"{seed} {name}")
        scheme = Ed25519() if self.codec == "full" else StandInScheme()
        honest = self.superPeers - corrupt
        unknown = round(self.unknown * honest)
        known = self.superPeers - unknown
        captured: list[float] = []
        blocked: list[float] = []
        keys: list[float] = []
        for hour in range(self.hours):
            group = Group.draw(rng, scheme, self.superPeers, corrupt, unknown)
            captured.append(_part(group.captures, group.corrupt))
            # Honest callers that the verifier knows; as many as there are corrupt ones.
            callers = group.honest[unknown : unknown + corrupt]
            blocked.append(_part(group.blocks, callers))
            if hour < KEYS_TRIED:
                keys.append(group.keysMade(rng))
            measured.sample(f"{name}.captured", 3600 * hour, captured[-1])
        measured.figure(f"{name}.corrupt", corrupt)
        self._compare(measured, f"{name}.place_captured", captured, placeCaptured(known, corrupt), PLACES * corrupt)
        measured.figure(f"{name}.place_captured_untolerated", placeCaptured(known, corrupt, 0))
        measured.figure(f"{name}.hour_captured", hourCaptured(known, corrupt))
        measured.figure(f"{name}.hour_captured_tried", sum(one > 0 for one in captured) / len(captured))
        self._compare(measured, f"{name}.seat_blocked", blocked, placeBlocked(known, corrupt), PLACES * min(corrupt, honest - unknown))
        measured.figure(f"{name}.caller_blocked_for_an_hour", placeBlocked(known, corrupt) ** PLACES)
        measured.figure(f"{name}.keys_without_any", keysExpected(known))
        measured.mean(f"{name}.keys_without_any_tried", keys)

    @staticmethod
    def _compare(measured: Measured, name: str, tried: list[float], computed: float, count: int) -> None:
        measured.figure(name, computed)
        measured.mean(f"{name}_tried", tried)
        error = standardError(tried, count)
        apart = abs(sum(tried) / len(tried) - computed)
        # Where nothing happened there is no spread: what happens in one of all seats is then as good as never.
        errors = apart / error if error else apart * count * len(tried)
        measured.figure("errors_max", max(errors, measured.figures["errors_max"]))


def _part(happens: Callable[[Identity, int], bool], callers: list[Identity]) -> float:
    """The part of all places of these callers in one hour at which something happens."""
    return sum(happens(caller, 1 + place) for caller in callers for place in range(PLACES)) / (PLACES * len(callers))
