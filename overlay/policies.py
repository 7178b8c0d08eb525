"""The policies of one peer: verified, with a guard between each of them and the mechanism that records their verdicts."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface.exceptions import Invalid
from zope.interface.verify import verifyObject

from overlay.errors import UsageError
from overlay.interfaces import POINTS, SAFE_DEFAULTS
from overlay.policy import (
    DEFAULTS,
    BadPlugin,
    Catalogue,
    ListedPlugin,
    PolicySurroundings,
    findPlugins,
    nearest,
    parseSpec,
)
from overlay.questions import Route
from overlay.verdict import Verdict

KEPT_VERDICTS = 8


class Guarded:
    """
    A policy as the mechanism sees it: if a method raises, or answers with a wrong type, that is logged with the plugin's name and
    file, and the safe default is the answer. The last verdicts are kept for C{EXPLAIN}.
    """

    def __init__(self, point: str, listed: ListedPlugin, policy: Any, clock: IReactorTime, log: Logger) -> None:
        self.point = point
        self.pluginName = listed.name
        self.file = listed.file
        self.policy = policy
        self.failures = 0
        self.verdicts: dict[str, deque[tuple[float, Any, Any]]] = {}
        self._clock = clock
        self._log = log
        for method, safe in SAFE_DEFAULTS[POINTS[point]].items():
            setattr(self, method, self._guard(method, getattr(policy, method), safe))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{self.point} has no method {name}")

    def _guard(self, method: str, call: Callable[..., Any], safe: Callable[..., Any]) -> Callable[..., Any]:
        clock, kept = self._clock, self.verdicts

        def ask(*args: Any) -> Any:
            try:
                answer = call(*args)
                if not _fits(method, answer):
                    raise TypeError(f"{method} answered {answer!r}")
            except Exception as problem:  # a stranger's code: whatever it raises, the peer lives
                self.failures += 1
                if self.failures <= 10 or self.failures % 1000 == 0:
                    self._log.error(
                        "{point} plugin {name} ({file}) failed in {method}: {problem!r}; the safe default stands"
                        " (failure {failures})",
                        point=self.point, name=self.pluginName, file=self.file, method=method,
                        problem=problem, failures=self.failures,
                    )
                answer = safe(*args)
            if isinstance(answer, Verdict | Route):
                history = kept.get(method)
                if history is None:
                    history = kept[method] = deque(maxlen=KEPT_VERDICTS)
                history.append((clock.seconds(), args[0], answer))
            return answer

        return ask


def _fits(method: str, answer: Any) -> bool:
    if method == "observed":
        return True
    if method == "next":
        return isinstance(answer, Route)
    if method == "budget":
        return isinstance(answer, Sequence)
    return isinstance(answer, Verdict)


@attrs.frozen(slots=True, eq=False)
class Policies:
    """
    The policies of one peer.

    @ivar election: guarded L{overlay.interfaces.IElection}, and likewise the others.
    @ivar store: the L{overlay.interfaces.IIndexStore} itself: the registry guards it.
    @ivar specs: what was asked for, by point.
    """

    election: Any
    reputation: Any
    rateLimit: Any
    router: Any
    store: Any
    specs: Mapping[str, str]

    @classmethod
    def build(
        cls, surroundings: PolicySurroundings, specs: Mapping[str, str] = {}, catalogue: Catalogue | None = None
    ) -> "Policies":
        """
        @param specs: C{name:key=value,...} by point; the rest is L{DEFAULTS}.
        @raise UsageError: a plugin is missing, an argument is wrong, or an object lacks a method.
        """
        catalogue = catalogue or findPlugins()
        whole = {**DEFAULTS, **specs}
        for point in whole:
            if point not in POINTS:
                raise UsageError(f"there is no plugin point {point!r}{nearest(point, POINTS)}")
        built: dict[str, Any] = {}
        for point, spec in whole.items():
            name, arguments = parseSpec(spec)
            listed = catalogue.find(point, name)
            policy = listed.plugin.build(surroundings, arguments)
            try:
                verifyObject(POINTS[point], policy)
            except Invalid as problem:
                said = " ".join(str(problem).split())
                raise BadPlugin(f"{point} {name} from {listed.file}: {said}") from problem
            guarded = POINTS[point] in SAFE_DEFAULTS
            built[point] = Guarded(point, listed, policy, surroundings.clock, surroundings.log) if guarded else policy
        return cls(
            built["election"], built["reputation"], built["rate-limit"], built["router"], built["store"], whole
        )

    def last(self, point: str) -> list[tuple[str, float, Any, Any]]:
        """The last questions and answers at one point: (method, clock seconds, what about, answer), newest first."""
        guarded = {
            "election": self.election, "reputation": self.reputation,
            "rate-limit": self.rateLimit, "router": self.router,
        }[point]
        rows = [(method, when, about, answer) for method, kept in guarded.verdicts.items() for when, about, answer in kept]
        return sorted(rows, key=lambda row: -row[1])

    def close(self) -> None:
        """Let every policy that has a C{close} write down what it holds; the store last."""
        for guarded in (self.election, self.reputation, self.rateLimit, self.router):
            close = getattr(guarded.policy, "close", None)
            if callable(close):
                try:
                    close()
                except Exception as problem:  # as for every call of a plugin
                    guarded._log.error(
                        "{point} plugin {name} failed at its close: {problem!r}",
                        point=guarded.point, name=guarded.pluginName, problem=problem,
                    )
        self.store.close()
