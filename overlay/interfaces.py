"""
Every plugin point.

A plugin is a stateless factory that provides L{IPolicyPlugin}; the object that it builds holds the state of one peer and provides
the interface of its point. A policy never sees a socket and never sends: it is asked and answers. It must answer at
once and must not keep the values that it is given. If it raises, or answers with something else than a verdict, the mechanism
logs that with its name and file and uses the answer of L{SAFE_DEFAULTS}.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from twisted.plugin import IPlugin
from zope.interface import Attribute, Interface

from overlay.identity.ids import PeerId
from overlay.questions import (
    Announcement,
    Candidate,
    Claim,
    Deed,
    Formula,
    Load,
    Progress,
    Route,
    RowView,
    Standing,
    Work,
)
from overlay.verdict import Reason, Verdict


class IPolicyPlugin(IPlugin):
    """
    A factory of policies. Its name is unique within its point; users write it on the command line as C{NAME[:key=value,...]}.
    Being installed does not enable it.
    """

    point = Attribute("election, reputation, rate-limit, router, ranking, store or discovery")
    name = Attribute("as users write it: a-z, 0-9 and dashes")
    help = Attribute("one line")
    argFormat = Attribute("its arguments with their defaults, as in 'trust=0.5'")

    def build(surroundings: Any, arguments: dict[str, str]) -> Any:
        """
        @param surroundings: an L{overlay.policy.PolicySurroundings}: clock, random, own peer id, storage.
        @param arguments: the words after the colon, unconverted.
        @raise overlay.errors.UsageError: an argument is unknown or has a wrong value.
        """


class IElection(Interface):
    """Who serves. One object per peer."""

    def mayServe(standing: Standing) -> Verdict:
        """
        Asked before this peer takes the role of super-peer in any way, of a super-peer that should resign, and for C{explain role}.
        Safe: no.
        """

    def patience(standing: Standing) -> Verdict:
        """
        How long to wait, in seconds (C{score}), before serving when no super-peer can be reached; less for the more capable.
        Safe: 60.
        """

    def admits(load: Load) -> Verdict:
        """Whether a super-peer takes one more registration; C{load} has C{standing}. Safe: yes."""

    def shouldCall(load: Load) -> Verdict:
        """Asked about once a second of a super-peer: call an election for one more? Safe: no."""

    def fitness(candidate: Candidate) -> Verdict:
        """How good (C{score}, larger is better) and whether acceptable at all. Safe: no."""

    def vote(candidate: Candidate) -> Verdict:
        """Asked of an elector after its own dial-back. Safe: no."""

    def shouldResign(load: Load) -> Verdict:
        """
        Asked about once a second of a super-peer, with its C{standing}. It resigns once the answer has been yes for a while: 30 seconds if
        C{mayServe} says no, else up to 30. Safe: no.
        """

    def recognises(claim: Claim) -> Verdict:
        """Whether a peer that says it is a super-peer is treated as one. Safe: only with a mandate."""


class IReputation(Interface):
    """How far each peer is to be trusted."""

    def observed(peer: PeerId, deed: Deed, weight: float) -> None:
        """The mechanism saw C{peer} do something, C{weight} times."""

    def trust(peer: PeerId) -> Verdict:
        """C{score} from 0 to 1, with the evidence as reasons. The decision is not used. Safe: 0.5."""


class IRateLimit(Interface):
    """Asked before work is done for a peer."""

    def ask(peer: PeerId, work: Work, cost: float, trust: float) -> Verdict:
        """C{admit}, or C{refuse} with C{wait} in seconds; C{defer}: the same, but the mechanism may queue it. Safe: admit."""

    def budget(peer: PeerId) -> Sequence[Reason]:
        """What is left, for C{explain peer}; a reason for each kind of work, value = left, threshold = size. Safe: none."""


class IRouter(Interface):
    """
    Which neighbours to ask. A router that has a true attribute C{summaries} gets summaries of what lies behind those below; without it
    every neighbour may match.
    """

    def next(progress: Progress) -> Route:
        """Asked when a query comes, whenever an answer is in, and after C{Route.wait}. Safe: everyone not yet asked."""


class IRanking(Interface):
    """In which order this peer's user sees what a search has found. One object per peer."""

    def formula() -> Formula:
        """
        Asked when a search begins: by what each super-peer chooses the rows that it sends. Safe: BM25 with k1 = 1.2 and b = 0.75.
        """

    def score(row: RowView) -> Verdict:
        """
        Asked of each row that has come, when the search ends: its place (C{score}, larger comes first), with the parts of it as reasons,
        for C{EXPLAIN hit}. The decision is not used. Only rows that the formula has brought can be put first. Safe: C{row.score}.
        """


class IIndexStore(Interface):
    """
    Keeps registrations and answers searches; see L{overlay.index.store} for the values. All calls are synchronous. Failures of the
    disk raise L{overlay.errors.StoreFull} or L{overlay.errors.Damaged}; then nothing of the change was kept.
    There is no safe default: a super-peer whose store raises at a search has not answered it, and says so in C{STATUS}.
    """

    def owners() -> Sequence[PeerId]:
        """All whose registration is held."""

    def registration(owner: PeerId) -> Any:
        """The L{overlay.index.store.Registration}, or None."""

    def apply(change: Any) -> Any:
        """
        Store an L{overlay.index.store.Change} of one owner: all of it or nothing, durable when the call returns.

        @return: the L{overlay.index.store.Registration} as it is now.
        """

    def drop(owner: PeerId) -> None:
        """Forget an owner; no error if unknown."""

    def get(owner: PeerId, recordId: bytes) -> Any:
        """The L{overlay.index.store.StoredRecord}, or None."""

    def recordIds(owner: PeerId) -> Iterable[bytes]:
        """Of one owner, in no order."""

    def search(request: Any) -> Any:
        """Evaluate an L{overlay.index.store.Request}; gives an L{overlay.index.store.Found}."""

    def totals() -> Any:
        """An L{overlay.index.store.Totals}."""

    def close() -> None:
        """Flush and release; no use afterwards."""


class IDiscovery(Interface):
    """
    A way to find peers to begin with. Several are in use at once, and it is enough that one of them finds one living peer.

    This is no policy but its exception: it may use the network, and is built with an L{overlay.discovery.DiscoverySurroundings}.
    All calls come in the thread of the reactor and must not block it. One that raises counts as one that has found nothing, and
    what it raised is told. L{overlay.discovery.Discovery} has all of it but C{find}.
    """

    problem = Attribute("what its user should mend, in a sentence, or empty; read after each answer")

    def start(found: Any) -> None:
        """
        Called once, when this peer listens.

        @param found: may be called in the thread of the reactor at any time, with a sequence of L{overlay.questions.Lead}.
        """

    def find() -> Any:
        """
        Asked at the start; then, while no super-peer is reached, after waits that grow from 2 to 60 seconds; and by a super-peer about once
        a minute, so that islands of one network meet.

        @return: a sequence of L{overlay.questions.Lead}, or a Deferred of one that fires within 20 seconds: all that are known now.
            Those of an earlier answer that are missing are given up.
        """

    def announce(announcement: Announcement) -> None:
        """Called when this peer listens, and when its role or its addresses are others: it may be told to those who look for it."""

    def stop() -> Any:
        """
        Called once, at the end.

        @return: None, or a Deferred that fires when nothing of it is left.
        """


_SAFE = Reason("the plugin failed, so the safe default stands", True)

SAFE_DEFAULTS: dict[type, dict[str, Any]] = {
    IElection: {
        "mayServe": lambda standing: Verdict.no(_SAFE),
        "patience": lambda standing: Verdict.yes(_SAFE, score=60.0),
        "admits": lambda load: Verdict.yes(_SAFE),
        "shouldCall": lambda load: Verdict.no(_SAFE),
        "fitness": lambda candidate: Verdict.no(_SAFE),
        "vote": lambda candidate: Verdict.no(_SAFE),
        "shouldResign": lambda load: Verdict.no(_SAFE),
        "recognises": lambda claim: Verdict("yes" if claim.mandated else "no", (_SAFE,)),
    },
    IReputation: {
        "observed": lambda peer, deed, weight: None,
        "trust": lambda peer: Verdict.yes(_SAFE, score=0.5),
    },
    IRateLimit: {
        "ask": lambda peer, work, cost, trust: Verdict("admit", (_SAFE,)),
        "budget": lambda peer: (),
    },
    IRouter: {
        "next": lambda progress: Route(
            tuple(one.peerId for one in progress.neighbours if one.peerId not in progress.asked), reasons=(_SAFE,)
        ),
    },
    IRanking: {
        "formula": Formula,
        "score": lambda row: Verdict.yes(_SAFE, score=row.score),
    },
}
"""What stands in for a plugin that fails: for each interface and method, a function of the same arguments."""

POINTS: dict[str, type] = {
    "election": IElection,
    "reputation": IReputation,
    "rate-limit": IRateLimit,
    "router": IRouter,
    "ranking": IRanking,
    "store": IIndexStore,
    "discovery": IDiscovery,
}
"""The plugin points by the name that users write."""
