"""
The flood at one super-peer: one L{Branch} for each copy of a query that it does not know yet. A branch evaluates, asks on, passes hits up,
and ends with one receipt when every copy it sent is accounted for, or its time is over.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from overlay.commons import Commons
from overlay.identity.ids import PeerId
from overlay.index.registry import Registry
from overlay.questions import Deed, NeighbourView, Progress, Route
from overlay.search.asker import NOBODY
from overlay.search.checking import Checker
from overlay.search.copies import Copies, Copy, IReceiver, isFurther
from overlay.search.deadlines import Deadlines
from overlay.search.distinct import Distinct
from overlay.search.evaluating import evaluate
from overlay.search.receipts import NAME_BYTES, Account, Proof
from overlay.search.seen import Seen
from overlay.search.selection import Selection
from overlay.search.underway import UnderWay
from overlay.search.views import Views
from overlay.search.wanted import Wanted
from overlay.wire import limits
from overlay.wire.query import Done, Hit, Receipt

if TYPE_CHECKING:
    from overlay.membership.known import Known
    from overlay.membership.neighbours import Neighbours
    from overlay.membership.tree import Tree
    from overlay.search.summaries import Summaries

BRANCHES_MOST = 4096
_NOBODY: frozenset[PeerId] = frozenset()
MARGIN = 0.1
"""Seconds, or that part if it is less, by which a child's budget is smaller than its parent's."""


@implementer(IReceiver)
class Branch:
    """
    One copy of a query at this super-peer.

    @ivar deadline: monotonic time at which it ends in any case.
    """

    __slots__ = (
        "_account", "_again", "_announced", "_answered", "_asked", "_asker", "_beyond", "_children", "_distinct", "_early", "_enough",
        "_evaluates", "_flood", "_gone", "_handedOn", "_last", "_more", "_origin", "_over", "_policy", "_proofs", "_pruned", "_router",
        "_selection", "_started", "_ttl", "_wanted", "deadline", "id",
    )

    def __init__(
        self, flood: "Flood", asker: object, id: bytes, wanted: Wanted, ttl: int, budget: float, origin: bytes | None,
        router: str, evaluates: bool,
    ) -> None:
        self._flood = flood
        self._asker = asker
        self.id = id
        self._wanted = wanted
        self._ttl = ttl
        self._origin = PeerId(origin) if origin else None
        self._router = router
        self._policy = flood.commons.policies.routerNamed(router)
        self._evaluates = evaluates
        commons = flood.commons
        self._started = commons.seconds()
        self.deadline = self._started + budget
        self._account = Account()
        self._selection = Selection(wanted.want, self._account, wanted.places)
        self._children = UnderWay(self._account)
        self._asked: dict[PeerId, int] = {}
        self._pruned: set[PeerId] = set()
        self._proofs: dict[PeerId, Proof] = {}
        self._answered: set[PeerId] = set()
        # What a copy that goes further takes the place of: the receipt of the one before, if something lay beyond its ttl.
        self._beyond: dict[PeerId, Receipt] = {}
        self._handedOn = False
        self._early: Sequence[Hit] = ()
        self._distinct: Distinct | None = None
        self._enough = 0
        self._last = self._started
        self._again: IDelayedCall | None = None
        self._announced = False
        self._gone = 0
        self._more = True
        self._over = False

    def begin(self) -> None:
        """Answer, and ask on."""
        if self._evaluates:
            flood = self._flood
            self._early = evaluate(
                flood.registry, self._wanted, self._account, self._selection, flood.commons.peerId, flood.checker
            )
            self._pass(self._early)
        self._route()
        self._early = ()
        self._endIfComplete()

    def _pass(self, hits: Sequence[Hit]) -> None:
        if hits:
            self._asker.hitsFound(hits)  # type: ignore[attr-defined]
            if self._distinct is not None:
                self._distinct.take(hits)

    # --- asking on ---------------------------------------------------------------------------------------------------

    def _look(self, peer: PeerId) -> Proof | str:
        """What the summary of a child has said of this query, or says now."""
        found: Proof | str = self._proofs.get(peer, "")
        if not found and peer not in self._asked:
            found = self._flood.summaries.look(peer, self._wanted)
            if isinstance(found, Proof):
                self._proofs[peer] = found
        return found

    def _route(self) -> None:
        """Ask the router whom to ask now."""
        if self._again is not None and self._again.active():
            self._again.cancel()
        self._again = None
        if self._over or not self._more:
            return
        neighbours, able = self._flood.views.of(self._origin, self._proofs, self._look)
        route = self._choose(neighbours)
        for peer in route.pruned:
            if peer in able and peer not in self._asked and peer not in self._pruned:
                self._pruned.add(peer)
                if able[peer]:
                    self._account.leave([peer[:NAME_BYTES]], 1)
                else:
                    self._account.prune(self._proofs[peer])
        if self._ttl == 1:
            left = [peer[:NAME_BYTES] for peer in route.ask if peer in able]
            self._account.leave(left, len(left))
            self._more = False
            return
        for further, peers in self._groups(route, able).items():
            self._ask(peers, further)
        if route.announce and self._ttl == limits.TTL_ALL and not self._announced:
            self._announced = True
            self._flood.announced(self.id, self._origin)
        self._more = not route.stop
        if self._more and route.wait > 0:
            self._again = self._flood.commons.clock.callLater(route.wait, self._routeAgain)

    def _groups(self, route: Route, able: Mapping[PeerId, bool]) -> dict[int, list[PeerId]]:
        """Whom to ask, by how far each copy goes."""
        furthest = self._ttl - 1 if self._ttl else limits.TTL_ALL
        hops = furthest if isFurther(route.hops, furthest) else route.hops
        above = self._flood.tree.parent if route.upward and hops == furthest else None
        asked, pruned = self._asked, self._pruned
        if above is None and not asked:
            some = [peer for peer in dict.fromkeys(route.ask) if peer in able]
            if pruned:
                some = [peer for peer in some if peer not in pruned]
            return {hops: some} if some else {}
        groups: dict[int, list[PeerId]] = {}
        for peer in dict.fromkeys(route.ask):
            further = self._ttl if peer == above else hops
            if peer in able and peer not in pruned and isFurther(further, asked.get(peer)):
                groups.setdefault(further, []).append(peer)
        return groups

    def _choose(self, neighbours: Sequence[NeighbourView]) -> Route:
        """What the router says, or whoever it leaves the query to."""
        route: Route = self._policy.next(self._progress(neighbours))
        if self._origin is None and route.enough and self._distinct is None:
            self._enough, self._distinct = route.enough, Distinct(self._flood.commons)
            self._distinct.take(self._early)
            route = self._policy.next(self._progress(neighbours))
        if self._origin is None and route.then not in ("", self._router):
            self._router, self._policy = route.then, self._flood.commons.policies.routerNamed(route.then)
            self._handedOn = True
            route = self._policy.next(self._progress(neighbours))
        return route

    def _progress(self, neighbours: Sequence[NeighbourView]) -> Progress:
        flood, asked, children = self._flood, self._asked, self._children
        seconds = flood.commons.seconds()
        done: frozenset[PeerId] = _NOBODY
        if asked or self._pruned:
            furthest = self._ttl - 1 if self._ttl else limits.TTL_ALL
            done = frozenset((*self._pruned, *(peer for peer, hops in asked.items() if not isFurther(furthest, hops))))
        known = unreached = 0
        if self._origin is None:
            view = flood.known()
            known = len(view)
            if len(self._account.answeredBy) > known:
                unreached = self._account.unanswered(one.peerId[:NAME_BYTES] for one in view)
        return Progress(
            self.id, self._wanted.text, self._origin, self._wanted.want, self._ttl, seconds - self._started,
            max(0.0, self.deadline - seconds), neighbours, done, frozenset(self._answered), self._selection.passed, flood.tree.settled,
            MappingProxyType(asked), len(children.waited), seconds - self._last, len(self._account.answeredBy),
            known, 0 if self._distinct is None else len(self._distinct), self._gone + len(children.aside), unreached,
        )

    def _routeAgain(self) -> None:
        self._route()
        self._endIfComplete()

    def graft(self, peer: PeerId) -> None:
        """A neighbour that this query has not reached wants it."""
        if not self._over and self._ttl == limits.TTL_ALL and isFurther(limits.TTL_ALL, self._asked.get(peer)) and peer != self._origin:
            self._ask([peer], limits.TTL_ALL)

    def _ask(self, peers: Sequence[PeerId], hops: int) -> None:
        flood = self._flood
        for peer in peers:
            self._asked[peer] = hops
        self._last = flood.commons.seconds()
        left = self.deadline - self._last
        budget = left - min(MARGIN, 0.1 * left)
        self._account.sent += len(peers)
        copies: list[Copy] = []
        if budget > 0:
            links = flood.commons.links.several(peers)
            copies = flood.copies.sendAll(links, self, self.id, self._wanted, hops, budget, False, self._router)
        self._account.lost += len(peers) - len(copies)
        self._children.sent(copies)

    # --- what comes back ---------------------------------------------------------------------------------------------

    def hitsCame(self, copy: Copy, hits: list[Hit]) -> None:
        if self._over:
            return
        self._last = self._flood.commons.seconds()
        self._pass(self._selection.choose(self._flood.checker.genuine(hits, copy.link.peerId)))
        self._endIfComplete()

    def copyEnded(self, copy: Copy, done: Done | None) -> None:
        if self._over or not self._children.ended(copy, done is not None):
            return
        peer = copy.link.peerId
        self._answered.add(peer)
        self._last = self._flood.commons.seconds()
        if done is not None and done.status in ("answered", "duplicate"):
            before = self._beyond.pop(peer, None)
            if before is not None:
                self._account.goBeyond(before)
        if done is None:
            self._account.lost += 1
            self._gone += 1
        elif done.status == "answered":
            self._account.answered += 1
            if done.receipt is not None:
                self._account.add(done.receipt)
                if done.receipt.notReached:
                    self._beyond[peer] = done.receipt
            self._flood.commons.report(peer, Deed.ANSWERED)
        elif done.status == "duplicate":
            self._account.duplicate += 1
        elif done.status == "refused" and done.code == "not-serving":
            # It has just ceased to be a super-peer, so it holds nothing: that is an answer.
            self._account.answered += 1
        elif done.status == "refused":
            self._account.refused += 1
        else:
            self._account.lost += 1
        if self._more:
            self._route()
        if not self._children.waited or self._enough:
            self._endIfComplete()

    def silenceChanged(self, copy: Copy) -> None:
        if not self._over:
            self._children.silenceChanged(copy)
            self._route()
            self._endIfComplete()

    def _endIfComplete(self) -> None:
        """Whoever is silent is not waited for."""
        if self._over:
            return
        if self._enough and self._distinct is not None and len(self._distinct) >= self._enough:
            self._account.cancelled += len(self._children.waited)
            self._end("enough")
        elif not self._children.waited and (not self._more or self._again is None):
            self._end("answered")

    def timeOver(self) -> None:
        """Whoever has not answered yet is late."""
        for copy in self._children.waited:
            self._flood.commons.report(copy.link.peerId, Deed.LATE)
        self._end("answered")

    def cancel(self) -> None:
        """The asker wants no more."""
        self._end("cancelled")

    def abandon(self) -> None:
        """The asker is gone."""
        self._asker = NOBODY
        self._end("cancelled")

    def _end(self, status: str) -> None:
        if self._over:
            return
        self._over = True
        if self._again is not None and self._again.active():
            self._again.cancel()
        if status != "enough":
            self._account.lost += len(self._children.waited)
        for copy in self._children:
            self._flood.copies.drop(copy)
        self._children.clear()
        self._selection.settle()
        if self._handedOn and self._ttl == limits.TTL_ALL:
            # Who has no name is in the reach of the router that everybody was left to; who has one is to have answered.
            self._account.reachNameless()
        self._flood.ended(self)
        self._asker.branchEnded(status, self._account.receipt())  # type: ignore[attr-defined]


def _ignore(id: bytes, origin: bytes | None) -> None:
    """Nobody is told."""


class Flood:
    """
    All branches at one super-peer.

    @ivar seen: the queries that have come here.
    @ivar registry: what is searched.
    @ivar copies: that were sent on.
    @ivar summaries: of the branches below.
    @ivar checker: of all hits that this peer passes on.
    @ivar known: gives the other super-peers that are known to be alive.
    @ivar views: what routers are told of each neighbour.
    @ivar announced: called with the id of a query that is to reach everybody along the tree, and the neighbour that it came from.
    """

    def __init__(
        self, commons: Commons, neighbours: "Neighbours", tree: "Tree", summaries: "Summaries", registry: Registry, copies: Copies,
        known: Callable[[], "Sequence[Known]"],
    ) -> None:
        self.commons = commons
        self.neighbours = neighbours
        self.tree = tree
        self.summaries = summaries
        self.registry = registry
        self.copies = copies
        self.known = known
        self.checker = Checker(commons)
        self.announced: Callable[[bytes, bytes | None], None] = _ignore
        self.views = Views(neighbours, tree)
        self.seen = Seen(commons.clock)
        self._branches: dict[Branch, None] = {}
        self._deadlines = Deadlines(commons.clock, Branch.timeOver)

    @property
    def full(self) -> bool:
        """Whether no further branch is taken."""
        return len(self._branches) >= BRANCHES_MOST

    def graft(self, id: bytes, peer: PeerId) -> bool:
        """
        Send a query that still runs to a neighbour that it has not reached.

        @return: whether it runs.
        """
        found = [branch for branch in self._branches if branch.id == id]
        for branch in found[:1]:
            branch.graft(peer)
        return bool(found)

    def begin(
        self, asker: object, id: bytes, wanted: Wanted, ttl: int, budget: float, origin: bytes | None, router: str,
        evaluates: bool, started: Callable[[Branch], None] = lambda branch: None,
    ) -> Branch:
        """
        Start a branch.

        @param started: gets the branch before it can have ended.
        """
        branch = Branch(self, asker, id, wanted, ttl, budget, origin, router, evaluates)
        self._branches[branch] = None
        self._deadlines.add(branch.deadline, branch)
        started(branch)
        branch.begin()
        return branch

    def ended(self, branch: Branch) -> None:
        """A branch has ended."""
        self._branches.pop(branch, None)
        self._deadlines.drop(branch)

    def stop(self) -> None:
        """End all branches."""
        for branch in list(self._branches):
            branch.abandon()
        self._deadlines.stop()
