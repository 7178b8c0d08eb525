"""The policies of one peer: verified, with a guard between each of them and the mechanism that records their verdicts."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
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
from overlay.questions import Formula, Route
from overlay.verdict import Verdict

Kept = tuple[float, Any, Any, Any]
"""A verdict: clock seconds, whom about (or what, where it is nobody), answer; and the one that is kept beside it, if any."""


class Guarded:
    """
    A policy as the mechanism sees it: if a method raises, or answers with a wrong type, that is logged with the plugin's name and
    file, and the safe default is the answer. The last two verdicts of each question are kept for C{EXPLAIN}; of like answers about
    one subject only the newest.

    Each point has a subclass with the methods of its interface; thousands of peers share it.

    @cvar point: at which it is asked.
    @cvar questions: the methods of its interface.
    """

    __slots__ = ("_clock", "_kept", "_listed", "_log", "failures", "policy")

    point = ""
    questions: tuple[str, ...] = ()

    def __init__(self, listed: ListedPlugin, policy: Any, clock: IReactorTime, log: Logger) -> None:
        self.policy = policy
        self.failures = 0
        # Of each question; made with the first of all.
        self._kept: list[Kept | None] | None = None
        self._listed = listed
        self._clock = clock
        self._log = log

    @property
    def pluginName(self) -> str:
        return self._listed.name

    @property
    def file(self) -> str:
        return self._listed.file

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{self.point} has no method {name}")

    def _failed(self, method: str, problem: Exception) -> None:
        self.failures += 1
        if self.failures <= 10 or self.failures % 1000 == 0:
            self._log.error(
                "{point} plugin {name} ({file}) failed in {method}: {problem!r}; the safe default stands (failure {failures})",
                point=self.point, name=self.pluginName, file=self.file, method=method, problem=problem, failures=self.failures,
            )

    @property
    def verdicts(self) -> list[tuple[str, float, Any, Any]]:
        """The last ones, each with the question in front."""
        found: list[tuple[str, float, Any, Any]] = []
        for name, kept in zip(self.questions, self._kept or (), strict=False):
            while kept is not None:
                when, subject, answer, kept = kept
                found.append((name, when, subject, answer))
        return found


_WANTED: Mapping[str, type] = {"observed": object, "next": Route, "formula": Formula, "budget": Sequence}
"""What a method has to answer with, if it is no verdict."""


def _asker(question: int, method: str, safe: Callable[..., Any]) -> Callable[..., Any]:
    wanted: Any = _WANTED.get(method, Verdict)
    kept, judges = wanted in (Verdict, Route), wanted is Verdict

    def ask(self: Guarded, *args: Any) -> Any:
        try:
            answer = getattr(self.policy, method)(*args)
            if not isinstance(answer, wanted):
                raise TypeError(f"{method} answered {answer!r}")
        except Exception as problem:  # a stranger's code: whatever it raises, the peer lives
            self._failed(method, problem)
            answer = safe(*args)
        if kept:
            # Far more is asked than is ever shown, so this is not left to a method.
            rows = self._kept
            if rows is None:
                rows = self._kept = [None] * len(self.questions)
            about = args[0]
            subject = about if isinstance(about, bytes) or not judges else getattr(about, "peerId", None) or about
            before = rows[question]
            if before is not None:
                # A verdict takes the place of one that said the same of its subject, whose circumstances change from moment to moment.
                alike = judges and before[1] == subject and before[2].decision == answer.decision
                before = before[3] if alike else (before[0], before[1], before[2], None)
            rows[question] = (self._clock.seconds(), subject, answer, before)
        return answer

    return ask


_GUARDS = {
    point: type(
        f"Guarded{interface.__name__[1:]}", (Guarded,),
        {
            "__slots__": (), "point": point, "questions": tuple(SAFE_DEFAULTS[interface]),
            **{method: _asker(number, method, safe) for number, (method, safe) in enumerate(SAFE_DEFAULTS[interface].items())},
        },
    )
    for point, interface in POINTS.items() if interface in SAFE_DEFAULTS
}
"""The class of the guard of each point; the store has none."""


@cache
def _whole(specs: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """One map for all peers that are asked for the same."""
    return MappingProxyType({**DEFAULTS, **dict(specs)})


_parsed = cache(parseSpec)
_VERIFIED: dict[tuple[str, type], None] = {}
"""Points and the classes that were found to have all that is asked of them: the peers of one process share them."""


def _built(surroundings: PolicySurroundings, listed: ListedPlugin, arguments: Mapping[str, str]) -> Any:
    """
    @raise UsageError: an argument is wrong, or the object lacks a method.
    """
    point = listed.point
    policy = listed.plugin.build(surroundings, arguments)
    if (point, type(policy)) not in _VERIFIED:
        try:
            verifyObject(POINTS[point], policy)
        except Invalid as problem:
            said = " ".join(str(problem).split())
            raise BadPlugin(f"{point} {listed.name} from {listed.file}: {said}") from problem
        _VERIFIED[(point, type(policy))] = None
    guard = _GUARDS.get(point)
    return policy if guard is None else guard(listed, policy, surroundings.clock, surroundings.log)


@attrs.define(slots=True, eq=False)
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
    ranking: Any
    store: Any
    specs: Mapping[str, str]
    _surroundings: PolicySurroundings
    _catalogue: Catalogue
    _routers: dict[str, Any] | None = attrs.field(default=None, init=False)

    @classmethod
    def build(
        cls, surroundings: PolicySurroundings, specs: Mapping[str, str] = {}, catalogue: Catalogue | None = None
    ) -> "Policies":
        """
        @param specs: C{name:key=value,...} by point; the rest is L{DEFAULTS}.
        @raise UsageError: a plugin is missing, an argument is wrong, or an object lacks a method.
        """
        catalogue = catalogue or findPlugins()
        whole = _whole(tuple(specs.items()))
        for point in whole:
            if point not in DEFAULTS:
                raise UsageError(f"there is no plugin point {point!r}{nearest(point, DEFAULTS)}")
        built: dict[str, Any] = {}
        for point, spec in whole.items():
            name, arguments = _parsed(spec)
            built[point] = _built(surroundings, catalogue.find(point, name), arguments)
        return cls(
            built["election"], built["reputation"], built["rate-limit"], built["router"], built["ranking"], built["store"],
            whole, surroundings, catalogue,
        )

    def routerNames(self) -> list[str]:
        """Routers that a searcher may ask for: that of this peer, and those that are shipped."""
        shipped = (one.name for one in self._catalogue.plugins if one.point == "router" and one.shipped)
        return sorted({self.router.pluginName, *shipped})

    def routerNamed(self, name: str) -> Any:
        """
        The router that a searcher asks for; the one of this peer if that is not to be had here.

        A plugin of the operator's own is used only where it was named: whoever searches cannot choose it.
        """
        if not name or name == self.router.pluginName:
            return self.router
        if self._routers is None:
            # Few peers are asked for others.
            self._routers = {}
        router = self._routers.get(name)
        if router is None:
            listed = next(
                (one for one in self._catalogue.plugins if (one.point, one.name) == ("router", name) and one.shipped), None
            )
            if listed is None:
                return self.router
            router = self._routers[name] = _built(self._surroundings, listed, {})
        return router

    def last(self, point: str) -> list[tuple[str, float, Any, Any]]:
        """The last questions and answers at one point: (method, clock seconds, whom about, answer), newest first."""
        guarded = {
            "election": self.election, "reputation": self.reputation,
            "rate-limit": self.rateLimit, "router": self.router, "ranking": self.ranking,
        }[point]
        return sorted(guarded.verdicts, key=lambda row: -row[1])

    def close(self) -> None:
        """Let every policy that has a C{close} write down what it holds; the store last."""
        for guarded in (self.election, self.reputation, self.rateLimit, self.router, self.ranking):
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
