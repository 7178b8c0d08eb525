"""Attackers in small worlds: what each does to the others, and what holds against it, or does not yet."""

from collections import Counter
from pathlib import Path
from typing import Any

import attrs
import pytest

from overlay.errors import UsageError
from overlay.identity.ids import shortText
from overlay.index.record import unpackTerms
from overlay.lab.attackers import ATTACKS, attack
from overlay.lab.attackers.answers import INFLATED
from overlay.lab.attackers.elections import BOAST
from overlay.lab.attackers.leaves import DICTIONARY, RATE
from overlay.lab.world import LabPeer, World
from overlay.peer import Peer
from overlay.roles.mandate import BadMandate, checkMandate, electorateOf
from overlay.search.language import parseQuery
from overlay.search.search import HEDGE
from overlay.settings import Settings
from overlay.wire import limits
from overlay.wire.message import Message
from overlay.wire.messages import AdvertIds, Hello, VoteAnswer, VoteWanted
from overlay.wire.query import Done, Query
from overlay.wire.statements import Capacity, Mandate, Nomination, Signed, seal
from tests.intercepting import intercept

HONEST = 12
FIRST = ("forger", "swallower", "mute", "inflator", "dropper", "vote-seller", "abstainer")
"""These matter as super-peers: they are there from the beginning, so they serve."""


def attacked(
    name: str, honest: int = HONEST, codec: str = "full", settings: Settings | None = None, text: str = "dawn villain", role: str = "auto",
    stays: float = 60.0,
) -> tuple[World, LabPeer]:
    """
    A settled network with a dozen peers that share one document each that says C{dawn}, and one attacker.

    @param stays: virtual seconds that one has been there which comes when the others have settled, and does not ask to serve.
    """
    world = World(3, settings, codec=codec, specs={"election": "fittest:wanted=4"})

    def add(who: str, bootstrap: list[LabPeer], words: str, kind: type[Peer] = Peer, role: str = "auto") -> LabPeer:
        document = world.document(f"s/{who}.txt", words)
        return world.add(who, bootstrap, [document], makePeer=kind, settings=attrs.evolve(world.settings, role=role))

    villain = add("villain", [], text, ATTACKS[name].peer) if name in FIRST else None
    first = [villain] if villain is not None else []
    for number in range(honest):
        one = add(f"p{number}", first, f"dawn number{number}")
        first = first or [one]
    assert world.until(lambda: len(world.superPeers()) >= 3 and world.registered(), 200)
    world.run(60)
    if villain is None:
        villain = add("villain", first, text, ATTACKS[name].peer, role)
        assert world.until(villain.peer.homes.links, 60)
        if role == "auto":
            world.run(stays)
    return world, villain


def others(world: World, villain: LabPeer) -> list[LabPeer]:
    """All but the attacker."""
    return [one for one in world.peers.values() if one is not villain and one.running]


def names(one: LabPeer, want: int = 100) -> list[str]:
    """What a peer finds, in order."""
    return [hit.name for hit in one.search("dawn", want=want).hits]


def assertHonestFound(world: World, villain: LabPeer, searchers: list[LabPeer] | None = None) -> None:
    """Everybody finds what the honest share, and knows that this is complete."""
    wanted = {f"{one.name}.txt" for one in others(world, villain)}
    for one in others(world, villain) if searchers is None else searchers:
        outcome = one.search("dawn", want=100)
        assert {hit.name for hit in outcome.hits} - {"villain.txt"} == wanted, one
        assert outcome.status == "complete", one


def leavesOf(world: World, home: LabPeer) -> list[LabPeer]:
    """The leaves that have a peer among their homes."""
    return [one for one in world.leaves() if home.peerId in {link.peerId for link in one.peer.homes.links()}]


def prefers(leaf: LabPeer, home: LabPeer) -> bool:
    """Whether a leaf asks that home first."""
    link = leaf.peer.homes.preferred()
    return link is not None and link.peerId == home.peerId


def counted(peers: list[LabPeer], *key: str) -> int:
    """A counter, over some peers."""
    return sum(one.peer.commons.tally.get(*key) for one in peers)


# --- the table ----------------------------------------------------------------------------------------------------------


def test_theTable() -> None:
    """Each attack has its name, one line of help, and a peer of its own."""
    assert list(ATTACKS) == [one.name for one in ATTACKS.values()]
    assert len({one.peer for one in ATTACKS.values()}) == len(ATTACKS) >= 12
    for one in ATTACKS.values():
        assert one.help and "\n" not in one.help and one.role in ("leaf", "super", "any")
        assert issubclass(one.peer, Peer) and one.peer.__doc__
    assert attack("forger") is ATTACKS["forger"]


def test_theDocument() -> None:
    """docs/lab.md names each attack, and its lines that make one work."""
    text = (Path(__file__).parent.parent.parent / "docs/lab.md").read_text()
    for one in ATTACKS.values():
        assert f"| `{one.name}` | " in text
    section = text.partition("## Attackers")[2].partition("## ")[0]
    assert section.count("\n| `") == len(ATTACKS)
    code = section.partition("```\n")[2].partition("```")[0]
    world = World(1)
    exec(code, {"world": world})
    assert type(world.peers["peer0"].peer) is ATTACKS["forger"].peer


@pytest.mark.parametrize(("wrong", "said"), [("forgr", "'forger'"), ("xyzzy", "swallower, mute")])
def test_anUnknownAttack(wrong: str, said: str) -> None:
    """One line that names what there is."""
    with pytest.raises(UsageError) as raised:
        attack(wrong)
    assert said in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.no_cover
@pytest.mark.parametrize("name", ATTACKS)
def test_theWorldStaysReproducible(name: str) -> None:
    """An attacker draws on the world's own randomness: the same seed is the same story."""

    def story() -> tuple[object, ...]:
        world, villain = attacked(name, honest=8, codec="none", stays=10.0)
        return world.time.calls, dict(world.net.sent), names(others(world, villain)[0])

    assert story() == story()


# --- super-peers that answer wrongly --------------------------------------------------------------------------------------


def test_forger() -> None:
    """
    What it made up is shown to nobody and takes no real hit's place. Who gets it from the forger trusts it less; who gets it at second
    hand does not get it, and blames nobody.
    """
    world, villain = attacked("forger")
    served = [one for one in leavesOf(world, villain) if prefers(one, villain)]
    rest = others(world, villain)
    for one in rest:
        outcome = one.search("dawn", want=HONEST + 1, router="flood")
        assert {hit.name for hit in outcome.hits} == {f"{name}.txt" for name in world.peers} and outcome.status == "complete"
    atFirstHand = [one for one in rest if one.isSuper or one in served]
    assert served and len(atFirstHand) < len(rest)
    for one in rest:
        blamed = one.peer.commons.tally.get("deeds", "forged_hit")
        assert blamed == one.peer.commons.tally.get("drops", "forged-hit")
        assert (blamed > 0) == (one in atFirstHand) == (one.peer.commons.trust(villain.peerId) < 0.3)
        assert all(one.peer.commons.trust(other.peerId) >= 0.5 for other in rest)


def test_swallower() -> None:
    """What a swallower says nothing of is asked for directly, so it hides only what it alone holds."""
    world, villain = attacked("swallower")
    searcher = next(one for one in world.superPeers() if one is not villain)
    neighbours = searcher.peer.neighbours
    for link in neighbours.linked():
        if link.peerId != villain.peerId:
            neighbours._remove(link.peerId)
    direct: list[bytes] = []

    def watch(sender: bytes, receiver: bytes, message: Message) -> None:
        if isinstance(message, Query) and message.direct and sender == searcher.peerId:
            direct.append(receiver)

    world.net.watcher = watch
    outcome = searcher.search("dawn", want=100)
    assert sorted(direct) == sorted(one.peerId for one in world.superPeers() if one not in (villain, searcher))
    assert {hit.name for hit in outcome.hits} == {f"p{number}.txt" for number in range(HONEST)}
    assert (outcome.status, outcome.missing) == ("complete", 0)
    assert villain.peerId[:8] in outcome.receipt.answeredBy


def test_swallowerAsAHome() -> None:
    """Nothing holds yet against a first home that swallows its own leaves' searches: they seem complete, and empty."""
    world, villain = attacked("swallower")
    cheated = [one for one in leavesOf(world, villain) if prefers(one, villain)]
    spared = [one for one in others(world, villain) if one not in cheated]
    assert cheated
    for one in cheated:
        outcome = one.search("dawn", want=100)
        assert (outcome.hits, outcome.status, outcome.answered) == ([], "complete", 1)
    assertHonestFound(world, villain, spared)


def test_mute() -> None:
    """
    Who never answers costs time, not hits: they come at once, or after a second home was asked, and the outcome says that one is
    missing; the super-peers that waited trust it less.
    """
    world, villain = attacked("mute")
    served = [one for one in leavesOf(world, villain) if prefers(one, villain)]
    others_ = [one for one in others(world, villain) if one not in served]
    assert served
    for one in (*served[:2], *others_[:2]):
        began = world.time.seconds()
        came: list[float] = []
        outcome = one.search("dawn", want=100, onHits=lambda rows, came=came: came.append(world.time.seconds()))  # type: ignore[misc]
        assert {hit.name for hit in outcome.hits} == {f"p{number}.txt" for number in range(HONEST)}
        assert came[-1] - began < (HEDGE if one in served else 0.0) + 1.0
        assert (outcome.status, outcome.missing) == ("incomplete", 1) and outcome.receipt.lost > 0
        assert outcome.elapsed <= 10.0
    late = [one for one in others_ if one.peer.commons.tally.get("deeds", "late")]
    assert late and all(one.peer.commons.trust(villain.peerId) < 0.5 for one in late)


def test_inflator() -> None:
    """Nothing holds yet against counts that are lies: they show in every receipt. Hits and their order stay as they are."""
    world, villain = attacked("inflator")
    registries = {one: one.peer.registry.totals().records for one in world.superPeers()}
    honest = sum(count for one, count in registries.items() if one is not villain)
    real = registries[villain]
    for one in others(world, villain)[:4]:
        outcome = one.search("dawn", want=100)
        assert len(outcome.hits) == HONEST + 1 and outcome.status == "complete"
        receipt = outcome.receipt
        assert receipt.matched == honest + INFLATED * real
        counted = sum(one.peer.registry.search(parseQuery("dawn"), 1).documents for one in world.superPeers())
        assert receipt.documents == receipt.frequencies["dawn"] == counted > INFLATED
        assert outcome.held == (INFLATED - 1) * real


@pytest.mark.parametrize("homes", [2, 1])
def test_dropper(homes: int) -> None:
    """What a home has thrown away is found by way of the second one; only who has no second home is not found, without knowing it."""
    world, villain = attacked("dropper", settings=Settings(homes=homes))
    robbed = leavesOf(world, villain)
    assert robbed
    for leaf in robbed:
        (view,) = [one for one in leaf.peer.homes.views() if one.peerId == villain.peerId]
        assert (view.state, view.behind) == ("registered", False)
        assert villain.peer.registry.holding(leaf.peerId) is None
    if homes == 2:
        assertHonestFound(world, villain)
    else:
        lost = {f"{leaf.name}.txt" for leaf in robbed}
        for one in others(world, villain):
            assert {f"p{number}.txt" for number in range(HONEST)} - set(names(one)) == lost


# --- leaves -------------------------------------------------------------------------------------------------------------


def test_stuffer() -> None:
    """
    A record with a dictionary in it matches everything, but is so long that it comes last; where nobody else has the words, it is all
    that is found.
    """
    world, villain = attacked("stuffer", text="nothing special")
    for one in others(world, villain)[:4]:
        found = names(one)
        assert len(found) == HONEST + 1 and found[-1] == "villain.txt"
        assert [hit.name for hit in one.search("people like itemca").hits] == ["villain.txt"]
        assert "villain.txt" not in names(one, want=HONEST)
    home = next(one for one in world.superPeers() if one.peer.registry.holding(villain.peerId) is not None)
    (recordId,) = home.peer.commons.policies.store.recordIds(villain.peerId)
    record = home.peer.commons.policies.store.get(villain.peerId, recordId)
    terms, length = unpackTerms(record.terms)
    assert len(DICTIONARY) < len(terms) <= limits.TERMS and length >= len(terms)


@pytest.mark.no_cover
def test_flooder() -> None:
    """A home does as much for a flooder as its rate limit says, refuses the rest, and serves the others as before."""
    world, villain = attacked("flooder", stays=10.0)
    sent: Counter[bytes] = Counter()
    refused: Counter[bytes] = Counter()

    def watch(sender: bytes, receiver: bytes, message: Message) -> None:
        if isinstance(message, Query) and sender == villain.peerId:
            sent[receiver] += 1
        elif isinstance(message, Done) and receiver == villain.peerId:
            refused[sender] += message.code == "rate"
            assert message.code != "rate" or message.retry > 0

    world.net.watcher = watch
    world.run(20)
    world.net.watcher = None
    homes = [one for one in world.superPeers() if sent[one.peerId]]
    assert len(homes) >= 2 and sent.total() > 1.9 * RATE * 20
    for home in homes:
        # The bucket of a home fills with 50 a second; for who goes on after refusals longer and longer with nothing at all.
        assert refused[home.peerId] > 0 and sent[home.peerId] - refused[home.peerId] < 500 + 50 * 20
        assert home.peer.commons.trust(villain.peerId) < 0.1
    # A ban of a home that it has left may be over.
    budgets = [home.peer.commons.policies.rateLimit.budget(villain.peerId) for home in homes]
    assert any(one.name == "banned for abuse" for budget in budgets for one in budget)
    assert refused.total() > 0.8 * sent.total()
    assert not villain.isSuper
    for one in others(world, villain):
        assert all(one.peer.commons.trust(other.peerId) >= 0.5 for other in others(world, villain))
    assertHonestFound(world, villain)


@pytest.mark.parametrize("codec", ["full", "none"])
def test_litterer(codec: str) -> None:
    """Garbage ends the link at once and costs trust, until nobody would vote for who sends it; the others notice nothing."""
    world, villain = attacked("litterer", codec=codec)
    world.run(400)
    hit = [one for one in others(world, villain) if one.peer.commons.tally.get("deeds", "garbage")]
    assert hit and counted(hit, "drops", "malformed") == counted(hit, "deeds", "garbage") >= 8
    assert counted(hit, "links", "closed") >= counted(hit, "deeds", "garbage")
    least = min(hit, key=lambda one: one.peer.commons.trust(villain.peerId))
    election = least.peer.election
    candidate = election.observations.candidate(villain.peerId, None, Capacity())
    assert candidate.trust < 0.3
    assert not least.peer.commons.policies.election.vote(attrs.evolve(candidate, dialable=True, rtt=0.01))
    assert not villain.isSuper
    assertHonestFound(world, villain)
    for one in others(world, villain):
        assert all(one.peer.commons.trust(other.peerId) >= 0.5 for other in others(world, villain))


def test_gravedigger() -> None:
    """Who hears of a death dials before it believes it, so nobody is taken for dead."""
    world, villain = attacked("gravedigger", settings=Settings(neighbours=1, mostNeighbours=1))
    said: set[bytes] = set()
    probed: set[bytes] = set()

    def watch(sender: bytes, receiver: bytes, message: Message) -> None:
        if isinstance(message, AdvertIds) and sender == villain.peerId:
            said.update(message.dead)
        elif isinstance(message, Hello) and message.purpose == "probe":
            probed.add(receiver)

    world.net.watcher = watch
    world.run(60)
    serving = {one.peerId for one in world.superPeers()}
    assert len(said & serving) >= 2 and said & serving & probed
    assert counted(others(world, villain), "deaths") == 0
    assert all(known.alive for one in others(world, villain) for known in one.peer.membership)
    world.net.watcher = None
    assertHonestFound(world, villain)


# --- elections ----------------------------------------------------------------------------------------------------------


def test_usurper() -> None:
    """While there are mandates enough nobody takes a peer without one for a super-peer: it gets no leaf and no neighbour."""
    world, villain = attacked("usurper")
    world.run(200)
    assert villain.isSuper and villain.peer.election.state == "self-appointed"
    knowing = 0
    for one in others(world, villain):
        known = one.peer.membership.get(villain.peerId)
        if known is not None:
            knowing += 1
            assert known.advert.role == "super" and known.advert.mandate is None and not known.recognised
        assert villain.peerId not in {known.peerId for known in one.peer.membership.superPeers()}
        assert not one.peer.neighbours.isNeighbour(villain.peerId)
    assert knowing and not leavesOf(world, villain)
    assertHonestFound(world, villain)
    assert "villain.txt" not in names(world.leaves()[0])


def test_boaster() -> None:
    """Claims weigh nothing: who is elected follows from what was observed."""
    world, villain = attacked("boaster")
    home = next(one for one in world.superPeers() if one.peerId == villain.peer.homes.links()[0].peerId)
    link = home.peer.links.get(villain.peerId)
    assert link is not None and link.advert is not None and link.advert.capacity == BOAST
    observed = home.peer.election.observations.candidate(villain.peerId, link, link.advert.capacity)
    assert observed.claims == BOAST
    fitness = home.peer.commons.policies.election.fitness
    assert fitness(observed) == fitness(attrs.evolve(observed, claims=Capacity()))
    # Whether it is elected or not, it is for what any other would have been elected for.
    before = len(world.superPeers())
    for number in range(20, 32):
        world.add(f"p{number}", ["p0"], [world.document(f"s/p{number}.txt", f"dawn number{number}")])
    assert world.until(lambda: len(world.superPeers()) > before, 200)
    world.run(60)
    assertHonestFound(world, villain)


def test_deserter() -> None:
    """Who lost their home in it have lost nothing, for they have another one; but nobody keeps it from being elected again."""
    world, villain = attacked("deserter", role="super")
    others_ = others(world, villain)
    assert world.until(lambda: villain.isSuper, 60)
    assert villain.peer.election.state == "mandated" and world.until(lambda: not villain.isSuper, 5)
    assert counted([villain], "elections", "served") == counted([villain], "elections", "resigned") == 1
    seats = [seat for one in others_ for seat in one.peer.election.caller.history if seat["candidate"] == shortText(villain.peerId)]
    assert [seat["outcome"] for seat in seats] == ["filled"]
    assert counted(others_, "deeds", "link_lost") >= 2
    for _ in range(10):
        world.run(3)
        assert {f"{one.name}.txt" for one in others_} <= set(names(world.leaves()[0]))
    assert world.until(lambda: villain.isSuper, 200)
    world.run(60)
    assert world.registered()
    assertHonestFound(world, villain)


def nominate(world: World, caller: LabPeer, candidate: bytes) -> tuple[Signed, dict[bytes, VoteAnswer]]:
    """Let a super-peer propose one who cannot be dialled, as an honest one never would; gives the nomination and the answers."""
    peer = caller.peer
    voters = peer.election.verifier.voters()
    now = int(peer.commons.now())
    electorate = electorateOf(world.network.id, caller.peerId, 1000, now, candidate, voters)
    nomination = seal(
        caller.identity,
        Nomination(world.network.id, caller.peerId, 1000, "filled", candidate, ["10.9.9.9:7116"], list(electorate), now, now + 600),
    )
    answers: dict[bytes, VoteAnswer] = {}

    def answered(link: Any, message: VoteAnswer) -> None:
        answers[link.peerId] = message

    intercept(peer, VoteAnswer, answered)
    for elector in electorate:
        link = peer.links.get(elector)
        assert link is not None
        link.send(VoteWanted(nomination))
    world.run(20)
    return nomination, answers


def test_voteSeller() -> None:
    """One vote that can be had by anybody is no majority: the honest electors dial back, and refuse."""
    world, villain = attacked("vote-seller")
    caller = next(one for one in world.superPeers() if one is not villain)
    candidate = b"nobody at this place"
    nomination, answers = nominate(world, caller, candidate)
    assert answers[villain.peerId].vote is not None
    refusals = {peer: answer.code for peer, answer in answers.items() if peer != villain.peerId}
    assert len(refusals) >= 2 and set(refusals.values()) == {"unfit"}
    votes = [answer.vote for answer in answers.values() if answer.vote is not None]
    with pytest.raises(BadMandate, match="no majority"):
        checkMandate(world.scheme, world.network.id, Mandate(nomination, votes), candidate, caller.peer.commons.now())
    assertHonestFound(world, villain)


@pytest.mark.no_cover
def test_abstainer() -> None:
    """Elections go on without the vote of one elector, as long as the others are a majority."""
    world, villain = attacked("abstainer", honest=18)
    world.add("late", ["p0"], [world.document("s/late.txt", "dawn late")], settings=Settings(role="super"))
    assert world.until(lambda: world.peers["late"].isSuper, 400)
    world.run(30)
    assert villain.peer.election.state == "mandated"
    seats = [seat for one in others(world, villain) for seat in one.peer.election.caller.history]
    asked: list[Any] = [seat for seat in seats if shortText(villain.peerId) in seat["electors"]]  # type: ignore[operator]
    assert any(seat["outcome"] == "filled" for seat in asked)
    assert not any(shortText(villain.peerId) in {*seat["votes"], *seat["against"]} for seat in asked)
    assert counted([villain], "elections", "voted") == 0 < counted(others(world, villain), "elections", "voted")
    assertHonestFound(world, villain)
