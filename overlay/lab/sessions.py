"""How long peers stay: lengths of sessions, and what is left of those that are under way when an experiment begins."""

import bisect
import itertools
import math
import random
from collections.abc import Sequence
from pathlib import Path

import attrs
from zope.interface import Attribute, Interface, implementer

from overlay.errors import UsageError
from overlay.lab.experiment import Impossible
from overlay.policy import parseSpec

LONGEST = 1e9
"""Seconds: some thirty years."""
DEFAULT = "weibull:shape=0.5,mean=3600"


class ISessions(Interface):
    """Where the lengths of sessions come from. All times are seconds."""

    mean = Attribute("the mean length; infinite if nobody ever leaves")

    def fresh(rng: random.Random) -> float:
        """The length of a session that begins now."""

    def underWay(rng: random.Random) -> tuple[float, float]:
        """Age and remaining life of a session met at a random moment: long ones are met more often than they begin."""


@implementer(ISessions)
@attrs.frozen
class Weibull:
    """
    Measured in peer-to-peer networks with shapes of 0.34 to 0.59 (Stutzbach and Rejaie 2006): the longer a peer has been here, the
    longer it will stay.

    @ivar shape: 1 is exponential; below, the old stay.
    @ivar mean: seconds.
    """

    shape: float
    mean: float

    @property
    def scale(self) -> float:
        """The mean is scale times Gamma(1 + 1/shape)."""
        return self.mean / math.gamma(1 + 1 / self.shape)

    def fresh(self, rng: random.Random) -> float:
        return rng.weibullvariate(self.scale, self.shape)

    def underWay(self, rng: random.Random) -> tuple[float, float]:
        # The length of a session that is met is weighted by itself: (x/scale)^shape is then Gamma(1 + 1/shape) instead of Gamma(1).
        length = self.scale * rng.gammavariate(1 + 1 / self.shape, 1.0) ** (1 / self.shape)
        age = length * rng.random()
        return age, length - age


@implementer(ISessions)
@attrs.frozen
class Fixed:
    """
    All are of one length.

    @ivar mean: seconds; infinite for peers that stay.
    """

    mean: float

    def fresh(self, rng: random.Random) -> float:
        return self.mean

    def underWay(self, rng: random.Random) -> tuple[float, float]:
        if math.isinf(self.mean):
            # Of one age all would be equal; so nobody is younger than an hour.
            return 3600.0 * (1 + rng.random()), math.inf
        age = self.mean * rng.random()
        return age, self.mean - age


@implementer(ISessions)
class Observed:
    """
    Lengths as they were observed somewhere, drawn with replacement.

    @ivar lengths: seconds, in ascending order.
    """

    def __init__(self, lengths: Sequence[float]) -> None:
        self.lengths = sorted(lengths)
        self.mean = math.fsum(self.lengths) / len(self.lengths)
        self._sums = list(itertools.accumulate(self.lengths))

    def fresh(self, rng: random.Random) -> float:
        return rng.choice(self.lengths)

    def underWay(self, rng: random.Random) -> tuple[float, float]:
        at = bisect.bisect_left(self._sums, rng.random() * self._sums[-1])
        length = self.lengths[min(at, len(self.lengths) - 1)]
        age = length * rng.random()
        return age, length - age


@attrs.frozen
class Trace:
    """
    Peers that came and went at known times; the population is theirs and nobody else's.

    @ivar sessions: (arrival, departure) in virtual seconds, by arrival; arrivals before 0 are there at the beginning.
    """

    sessions: tuple[tuple[float, float], ...]


def sessionsOf(spec: str) -> "Weibull | Fixed | Observed | Trace":
    """
    @param spec: C{weibull:shape=S,mean=SECONDS}, C{fixed:SECONDS}, C{forever}, or C{trace:FILE}: one number a line is the length of a
        session, two are arrival and departure; C{#} begins a comment.
    @raise Impossible: it is none of these, or a number makes no sense; the message names C{--sessions}.
    """
    if spec == "forever":
        return Fixed(math.inf)
    kind, _, rest = spec.partition(":")
    if kind == "trace" and rest:
        return _readTrace(Path(rest).expanduser())
    if kind == "fixed" and rest:
        return Fixed(_positive(spec, "the length", rest))
    if kind == "weibull":
        try:
            arguments = parseSpec(spec)[1]
        except UsageError as problem:
            raise Impossible(f"--sessions {problem}") from problem
        unknown = [one for one in arguments if one not in ("shape", "mean")]
        if unknown:
            raise Impossible(f"--sessions {spec}: weibull has shape and mean, not {unknown[0]!r}")
        shape = _positive(spec, "shape", arguments.get("shape", "0.5"))
        if shape < 0.1:
            raise Impossible(f"--sessions {spec}: shape must be at least 0.1, not {shape:g}")
        return Weibull(shape, _positive(spec, "mean", arguments.get("mean", "3600")))
    raise Impossible(f"--sessions must be weibull:shape=S,mean=SECONDS, fixed:SECONDS, forever or trace:FILE, not {spec!r}")


def _positive(spec: str, what: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= LONGEST:
        raise Impossible(f"--sessions {spec}: {what} must be a number above 0, and at most {LONGEST:g}, not {text!r}")
    return value


def _readTrace(path: Path) -> "Observed | Trace":
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as problem:
        raise Impossible(f"--sessions {path} cannot be read ({problem.strerror})") from problem
    except UnicodeDecodeError as problem:
        raise Impossible(f"--sessions {path} is no text") from problem
    rows: list[tuple[float, ...]] = []
    for at, line in enumerate(lines, 1):
        words = line.partition("#")[0].replace(",", " ").split()
        if not words:
            continue
        try:
            row = tuple(float(word) for word in words)
        except ValueError:
            row = ()
        if not 1 <= len(row) <= 2 or not all(map(math.isfinite, row)) or (rows and len(rows[0]) != len(row)):
            raise Impossible(f"--sessions {path}, line {at}: one number on each line, or two, not {line.strip()[:60]!r}")
        if max(map(abs, row)) > LONGEST:
            raise Impossible(f"--sessions {path}, line {at}: at most {LONGEST:g} seconds, not {line.strip()[:60]!r}")
        if row[-1] <= (row[0] if len(row) == 2 else 0.0):
            raise Impossible(f"--sessions {path}, line {at}: a session must last longer than 0, not {line.strip()[:60]!r}")
        rows.append(row)
    if not rows:
        raise Impossible(f"--sessions {path} has no sessions")
    if len(rows[0]) == 1:
        return Observed([row[0] for row in rows])
    return Trace(tuple(sorted((row[0], row[1]) for row in rows)))
