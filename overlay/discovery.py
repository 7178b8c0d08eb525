"""
The ways to find peers to begin with, as plugins: what they are given, a base for them, and a guard between each and the mechanism.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred, DeferredList, TimeoutError, maybeDeferred, succeed
from twisted.internet.interfaces import IHostnameResolver, IReactorTime, IResolutionReceiver
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer
from zope.interface.exceptions import Invalid
from zope.interface.verify import verifyObject

from overlay.errors import NotReached, SuperpeerError
from overlay.identity.network import Network
from overlay.interfaces import IDiscovery
from overlay.policy import ALWAYS, BadPlugin, Catalogue, ListedPlugin, PolicySurroundings, findPlugins, parseSpec
from overlay.questions import Announcement, Lead
from overlay.wire.address import formatAddress, parseAddress

LEADS = 256
"""Leads that are taken from one discovery."""
ADDRESSES = 32
"""Addresses of one name that are tried."""
ANSWER_WITHIN = 20.0
"""Seconds that a discovery may take to answer."""
RESOLVE_WITHIN = 5.0
"""Seconds after which the others are not kept waiting for the addresses of a name."""
FIRST_WAIT = 2.0
LONGEST_WAIT = 60.0
_GIVEN: Mapping[str, Sequence[str]] = MappingProxyType({})


@attrs.frozen(slots=True, kw_only=True)
class DiscoverySurroundings(PolicySurroundings):
    """
    What a discovery may use: a plugin takes it as a first argument named C{surroundings}.

    @ivar network: gives the network as it is now; its key may change.
    @ivar given: addresses by option: C{join} (those of the invitation) and C{peer}.
    @ivar resolver: finds the addresses of names; None where there are no names, as in the lab.
    @ivar reactor: for sockets and threads; None in the lab.
    """

    network: Callable[[], Network]
    given: Mapping[str, Sequence[str]] = _GIVEN
    resolver: IHostnameResolver | None = None
    reactor: Any = None


class Discovery:
    """Base of discoveries: a subclass needs no more than C{find}."""

    __slots__ = ()
    problem = ""

    def start(self, found: Callable[[Sequence[Lead]], None]) -> None:
        """Nothing to be made ready."""

    def announce(self, announcement: Announcement) -> None:
        """Others are not told."""

    def stop(self) -> Deferred[None] | None:
        """Nothing to be ended."""
        return None


# --- names ----------------------------------------------------------------------------------------------------------


@implementer(IResolutionReceiver)
class _Addresses:
    """Collects the addresses of one name."""

    def __init__(self, done: Deferred[list[str]]) -> None:
        self._done = done
        self._hosts: list[str] = []

    def resolutionBegan(self, resolutionInProgress: Any) -> None:
        """Nothing to do: it is not cancelled."""

    def addressResolved(self, address: Any) -> None:
        self._hosts.append(str(address.host))

    def resolutionComplete(self) -> None:
        if not self._done.called:
            self._done.callback(list(dict.fromkeys(self._hosts)))


def addressesOf(resolver: IHostnameResolver, name: str) -> Deferred[list[str]]:
    """
    @return: fires with all addresses of a name, IPv4 and IPv6; an empty list if it has none, or nobody answers.
    """
    try:
        name.encode("idna")
    except UnicodeError:
        # A resolver that is asked for such a thing does not answer at all.
        return succeed([])
    # One that is cancelled is not to be called again when its answer comes after all.
    done: Deferred[list[str]] = Deferred(lambda cancelled: None)
    resolver.resolveHostName(_Addresses(done), name)
    return done


class Addresses(Discovery):
    """
    Base of discoveries that know addresses whose hosts may be names. Where a name has several addresses, each of them is a lead: at one of
    them may be another, or nobody. A name that cannot be resolved stays, so that the attempt to dial it says so.
    """

    __slots__ = ("_clock", "_found", "_resolver")

    def __init__(self, surroundings: DiscoverySurroundings) -> None:
        self._resolver = surroundings.resolver
        self._clock = surroundings.clock
        self._found: Callable[[Sequence[Lead]], None] | None = None

    def start(self, found: Callable[[Sequence[Lead]], None]) -> None:
        if self._resolver is not None:
            self._found = found

    def spread(self, leads: Sequence[Lead]) -> Sequence[Lead] | Deferred[list[Lead]]:
        """All leads, those of names resolved. Whoever has an address already is told at once, and waits for no name server."""
        plain = [one for one in leads if not _isName(one)]
        if self._resolver is None or len(plain) == len(leads):
            return leads
        if plain and self._found is not None:
            self._found(plain)
        whole = DeferredList([self._spreadOne(one) for one in leads[:LEADS]], consumeErrors=True)
        return whole.addCallback(lambda rows: [lead for well, found in rows if well for lead in found])

    def _spreadOne(self, lead: Lead) -> Deferred[list[Lead]]:
        if not _isName(lead):
            return succeed([lead])
        assert self._resolver is not None
        name, port = parseAddress(lead.address)
        asked = addressesOf(self._resolver, name)
        if not asked.called:
            asked.addTimeout(RESOLVE_WITHIN, self._clock)

        def resolved(hosts: list[str]) -> list[Lead]:
            if len(hosts) < 2:
                return [lead]
            return [Lead(formatAddress(one, port), lead.peer, name) for one in hosts[:ADDRESSES]]

        return asked.addCallbacks(resolved, lambda failure: [lead])


def _isName(lead: Lead) -> bool:
    host = parseAddress(lead.address)[0]
    return ":" not in host and not host.replace(".", "").isdigit()


# --- one of them ----------------------------------------------------------------------------------------------------


class Source:
    """
    One discovery as the mechanism sees it: whatever it raises is told and counts as nothing found; what it finds is checked and bounded.

    @ivar title: how the user wrote it.
    @ivar given: whether the user named what it finds; the rest is what this peer remembers.
    @ivar next: clock seconds at which it is to be asked again.
    @ivar answered: clock seconds of its last answer; None before the first.
    @ivar failure: what it raised the last time, or empty.
    @ivar found: how many leads it gave the last time.
    """

    __slots__ = (
        "_answer", "_clock", "_log", "answered", "discovery", "failure", "file", "found", "given", "next", "title", "wait",
    )

    def __init__(self, title: str, file: str, discovery: Any, clock: IReactorTime, log: Logger, given: bool = True) -> None:
        self.title = title
        self.file = file
        self.discovery = discovery
        self.given = given
        self.next = 0.0
        self.wait = FIRST_WAIT
        self.answered: float | None = None
        self.failure = ""
        self.found = 0
        self._answer: Deferred[Any] | None = None
        self._clock = clock
        self._log = log

    @property
    def problem(self) -> str:
        """For people: what it raised, or what it wants to be mended."""
        return self.failure or str(self.discovery.problem)

    @property
    def knows(self) -> bool:
        """Whether it has answered, and without a fault."""
        return self.answered is not None and not self.failure

    @property
    def announces(self) -> bool:
        """Whether it tells others of this peer."""
        return getattr(type(self.discovery), "announce", None) is not Discovery.announce

    def hurry(self) -> None:
        """It may be asked again soon, as at the start."""
        self.wait = FIRST_WAIT
        if self.answered is not None:
            self.next = min(self.next, self.answered + FIRST_WAIT)

    def start(self, found: Callable[["Source", list[Lead]], None]) -> None:
        """
        @param found: called with what the discovery finds on its own account.
        """

        def pushed(leads: Iterable[Lead]) -> None:
            try:
                checked = _checked(leads)
            except Exception as problem:  # whatever a stranger's code hands over, the peer lives
                self._blame(Failure(problem))
                return
            found(self, checked)

        self._call(self.discovery.start, pushed)

    def announce(self, announcement: Announcement) -> None:
        """Pass on what others may be told."""
        self._call(self.discovery.announce, announcement)

    def _call(self, method: Callable[[Any], Any], argument: Any) -> None:
        try:
            method(argument)
        except Exception as problem:  # a stranger's code
            self._blame(Failure(problem))

    def ask(self, took: Callable[["Source", list[Lead]], None]) -> None:
        """
        Ask it, unless it is still at it.

        @param took: called with all that it knows now; not if it fails.
        """
        if self._answer is not None:
            return
        answer = maybeDeferred(self.discovery.find)
        if not answer.called:
            self._answer = answer
            answer.addTimeout(ANSWER_WITHIN, self._clock)

        def done(leads: list[Lead]) -> None:
            self.failure, self.found = "", len(leads)
            self._settled()
            took(self, leads)

        answer.addCallback(_checked).addCallbacks(done, self._failed)
        answer.addErrback(lambda failure: self._log.failure("what {title} found cannot be used", failure=failure, title=self.title))

    def _settled(self) -> None:
        self._answer = None
        self.answered = self._clock.seconds()
        self.next = self.answered + self.wait
        self.wait = min(LONGEST_WAIT, 2 * self.wait)

    def _failed(self, failure: Failure) -> None:
        self._settled()
        self._blame(failure)

    def _blame(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return
        if failure.check(TimeoutError):
            said = f"it has not answered within {ANSWER_WITHIN:g} s"
        elif failure.check(SuperpeerError):
            said = _said(failure.value)
        else:
            said = f"{type(failure.value).__name__}: {failure.getErrorMessage()} ({self.file})"
        if said != self.failure:
            self._log.warn("{title} finds nobody: {problem}", title=self.title, problem=said)
        self.failure = said

    def stop(self) -> Deferred[None]:
        """
        @return: fires when it has ended, and never fails.
        """
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.cancel()
        return maybeDeferred(self.discovery.stop).addTimeout(ANSWER_WITHIN, self._clock).addErrback(
            lambda failure: self._log.warn("{title} has not ended: {problem}", title=self.title, problem=failure.getErrorMessage())
        )


def _said(problem: BaseException | None) -> str:
    # That nothing was reached is clear from where it is said.
    return str(problem.args[0]) if isinstance(problem, NotReached) and problem.args else str(problem)


def _checked(leads: Iterable[Lead]) -> list[Lead]:
    found = list(islice(leads, LEADS))
    for one in found:
        if not isinstance(one, Lead):
            raise TypeError(f"{one!r} is no Lead")
        parseAddress(one.address)
    return found


def buildSources(
    surroundings: DiscoverySurroundings, specs: Sequence[str] = (), catalogue: Catalogue | None = None
) -> list[Source]:
    """
    Those that are always there, unless one of that name is asked for, and those that are asked for.

    @param specs: C{name:key=value,...} each.
    @raise UsageError: a plugin is missing, an argument is wrong, or an object lacks a method.
    """
    catalogue = catalogue or findPlugins()
    named = [parseSpec(spec)[0] for spec in specs]
    # Of join and peer there is only something to be had if the user has given something.
    always = [one for one in ALWAYS if one not in named and (one == "cache" or surroundings.given.get(one))]
    sources = []
    for spec in [*always, *specs]:
        name, arguments = parseSpec(spec)
        listed = catalogue.find("discovery", name)
        discovery = listed.plugin.build(surroundings, arguments)
        _verify(listed, discovery)
        sources.append(Source(spec, listed.file, discovery, surroundings.clock, surroundings.log, name != "cache"))
    return sources


def _verify(listed: ListedPlugin, discovery: Any) -> None:
    try:
        verifyObject(IDiscovery, discovery)
    except Invalid as problem:
        said = " ".join(str(problem).split())
        raise BadPlugin(f"discovery {listed.name} from {listed.file}: {said}") from problem
