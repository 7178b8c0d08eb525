"""One small network that exists twice, in the lab and as processes: the same keys, files and policies, asked by the same protocol."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import attrs

from overlay.identity.identity import loadIdentity
from overlay.identity.ids import idText
from overlay.identity.invitation import Invitation
from overlay.identity.network import Network
from overlay.identity.signing import Ed25519
from overlay.lab.console import LabConsole
from overlay.lab.folders import ReadFolders
from overlay.lab.graphs import Edge, distances, neighboursOf
from overlay.lab.processes import NotReady, waitFor
from overlay.lab.world import LabPeer, World
from overlay.settings import Settings
from tests.system.conftest import Start

SUPER_PEERS, LEAVES = 5, 5
SETTLES_WITHIN = 60.0
"""Seconds, virtual or real; after two minutes those who cannot be elected might begin to resign."""
LEDGER = 700
"""Distinct words of one file that is beyond the limits of a record."""
COUNTED = ("query", "hits", "done", "cancel")
_WORDS = [
    "harbour", "meadow", "lantern", "glacier", "heron", "grey", "velvet", "cedar", "marble", "thunder", "orchard", "willow", "compass",
    "ember", "falcon", "granite", "hollow", "ivory", "jasper", "kestrel", "lichen", "mosaic", "nectar", "opal", "pebble", "quarry",
    "raven", "saffron", "tundra", "umber", "Violet", "WALNUT", "Übermut", "zéphyr", "Straße", "clover", "dune", "estuary",
]
_NAMES = ("notes", "report", "letters", "survey", "index")


class Asked(Protocol):
    """A peer that can be asked."""

    def ask(self, line: str) -> Any:
        """One request: its listing."""

    def search(self, text: str, limit: int = 1000, timeout: float = 20.0) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """All rows, and the last reply."""


@attrs.frozen
class Answer:
    """
    What one search came to.

    @ivar rows: in order.
    @ivar end: the last reply, without the time that it took.
    @ivar explained: as EXPLAIN has it.
    @ivar messages: of searches that all peers together sent and received meanwhile, by C{TYPE.out} and C{TYPE.in}.
    """

    rows: list[dict[str, Any]]
    end: dict[str, Any]
    explained: dict[str, Any]
    messages: dict[str, int]

    @property
    def answered(self) -> list[str]:
        """The super-peers that answered."""
        return sorted(self.explained["super-peers answered"])

    @property
    def statistics(self) -> dict[str, Any]:
        """Of all super-peers together."""
        return {name: self.explained[name] for name in ("documents", "length", "frequencies", "matched")}


@attrs.frozen
class Layout:
    """
    Who serves, and who has to do with whom.

    The operator names to each peer those whom it takes for super-peers: to a super-peer its neighbours, to a leaf its homes. So the
    overlay is just this graph, by no other means than a policy that ships.

    @ivar edges: between super-peers, which are named C{s0}, C{s1}, ...
    @ivar homes: of each leaf.
    """

    edges: Sequence[Edge]
    homes: int

    @property
    def names(self) -> list[str]:
        """Of all peers, each after some that it knows: super-peers, then leaves."""
        return [*(f"s{number}" for number in range(SUPER_PEERS)), *(f"l{number}" for number in range(LEAVES))]

    def known(self, name: str) -> list[str]:
        """Whom it takes for super-peers, others than itself."""
        number = int(name[1:])
        if name.startswith("s"):
            return [f"s{other}" for other in neighboursOf(SUPER_PEERS, self.edges)[number]]
        return sorted(f"s{(number + 2 * step) % SUPER_PEERS}" for step in range(self.homes))

    def first(self, name: str) -> list[str]:
        """Whom it begins with: those that are there before it."""
        return [other for other in self.known(name) if not name.startswith("s") or int(other[1:]) < int(name[1:])]

    def leavesOf(self, name: str) -> list[str]:
        """The leaves that are registered at a super-peer."""
        return [leaf for leaf in self.names if leaf.startswith("l") and name in self.known(leaf)]

    def hops(self, start: str) -> dict[str, int]:
        """Links from a super-peer to each."""
        far = distances(neighboursOf(SUPER_PEERS, self.edges), int(start[1:]))
        return {f"s{number}": hops for number, hops in far.items()}


def write(folder: Path, layout: Layout, seed: int) -> dict[str, Path]:
    """Give each peer a folder of files, some of which others have too."""
    rng = random.Random(f"files {seed}")
    common = [_file(rng, number) for number in range(6)]
    shares = {}
    for name in layout.names:
        # All are named alike, so that a copy has the same location everywhere.
        share = shares[name] = folder / name / "papers"
        (share / "old").mkdir(parents=True)
        for number in range(rng.randrange(4, 8)):
            file, text = _file(rng, number)
            (share / rng.choice(("", "old")) / f"{name}-{file}").write_text(text, "utf-8")
        for file, text in rng.sample(common, 2):
            (share / f"common-{file}").write_text(text, "utf-8")
        if name == "l2":
            (share / "ledger.txt").write_text(_ledger(rng), "utf-8")
    return shares


def _file(rng: random.Random, number: int) -> tuple[str, str]:
    weights = [1 / (place + 4) for place in range(len(_WORDS))]
    words = rng.choices(_WORDS, weights, k=rng.randrange(8, 40))
    if rng.random() < 0.3:
        words[7:7] = ["grey", "heron"]
    title, text = rng.choice(_NAMES), " ".join(words)
    kind = rng.choice(("txt", "md", "html", "py"))
    if kind == "html":
        text = f"<html><head><title>{title}</title><style>p {{ color: grey }}</style></head><body><p>{text}</p></body></html>"
    return f"{title}{number}.{kind}", text


def _ledger(rng: random.Random) -> str:
    """More distinct words than a record has terms, and more text than it has; some are there twice, and so among the more telling ones."""
    entries = [f"entry{number}" for number in range(LEDGER)]
    rng.shuffle(entries)
    return " ".join([*entries, *(f"entry{number}" for number in range(0, LEDGER, 7))])


class Twins:
    """Makes both networks of a layout."""

    def __init__(self, folder: Path, layout: Layout, seed: int) -> None:
        self.layout = layout
        self.shares = write(folder / "shares", layout, seed)
        self._folder = folder
        self._seed = seed
        # A data folder that holds an identity is used by the daemon as it is.
        self.identities = {
            name: loadIdentity(folder / name / "data" / "identity.key", random.Random(f"{seed} {name}"), Ed25519())
            for name in layout.names
        }
        self._network = Network.found("twins", self.identities["s0"].publicKey, random.Random(f"network {seed}"))

    @property
    def names(self) -> dict[str, str]:
        """Names of peers by their ids."""
        return {idText(identity.peerId): name for name, identity in self.identities.items()}

    def _election(self, name: str) -> str:
        named = [*self.layout.known(name), *([name] if name.startswith("s") else [])]
        return "appointed:peers=" + "+".join(idText(self.identities[one].peerId) for one in named)

    def inTheLab(self) -> dict[str, Asked]:
        """Under virtual time, with the codec and the signatures of the wire."""
        world = World(self._seed, scheme=Ed25519(), codec="full", network=self._network)
        settings = Settings(homes=self.layout.homes)
        peers: dict[str, LabPeer] = {}
        asked: dict[str, Asked] = {}
        for name in self.layout.names:
            share = ReadFolders([self.shares[name]], settings)
            peer = peers[name] = world.add(
                name, [peers[one] for one in self.layout.first(name)], share.documents, settings=settings,
                specs={"election": self._election(name), "router": "flood"}, identity=self.identities[name],
            )
            asked[name] = LabConsole(peer, share)
        assert world.until(lambda: self._hasSettled(asked), SETTLES_WITHIN), self._unsettled(asked)
        return asked

    def asProcesses(self, start: Start) -> dict[str, Asked]:
        """Over TLS on this machine."""
        peers: dict[str, Any] = {}
        ports: dict[str, int] = {}
        for name in self.layout.names:
            first = self.layout.first(name)
            addresses = tuple(f"127.0.0.1:{ports[one]}" for one in first)
            invitation = Invitation(self._network, self.identities[first[0] if first else name].peerId, addresses or ("127.0.0.1:1",))
            leaf = name.startswith("l")
            peers[name] = start(
                name, self.shares[name], "--election", self._election(name), "--router", "flood", "--homes", str(self.layout.homes),
                "--join", invitation.render(), ready=not leaf,
            )
            if not leaf:
                ports[name] = peers[name].runtime()["port"]
        for peer in peers.values():
            peer.ready()
        try:
            waitFor("one network", lambda: self._hasSettled(peers), SETTLES_WITHIN, 0.2)
        except NotReady:
            raise AssertionError(self._unsettled(peers)) from None
        return peers

    def _hasSettled(self, peers: dict[str, Asked]) -> bool:
        """Whether everybody has read its share, and has just the neighbours and homes that it should, which hold all that it shares."""
        return not self._unsettled(peers)

    def _unsettled(self, peers: dict[str, Asked]) -> list[object]:
        """Of those who have not: name, how it is, how it should be."""
        states = [(name, self._state(peers[name]), self._wanted(name)) for name in self.layout.names]
        return [one for one in states if one[1] != one[2]]

    def _state(self, peer: Asked) -> tuple[object, ...]:
        status = peer.ask("STATUS")
        homes = [home["peer"] for home in status["homes"] if (home["state"], home["records"]) == ("registered", "all")]
        return status["role"], status["neighbours"], status["records shared"], status["records held"], sorted(homes)

    def _wanted(self, name: str) -> tuple[object, ...]:
        layout = self.layout
        own = self._files(name)
        if name.startswith("l"):
            return "leaf", 0, own, 0, sorted(idText(self.identities[one].peerId)[:8] for one in layout.known(name))
        return "super", len(layout.known(name)), own, own + sum(map(self._files, layout.leavesOf(name))), []

    def _files(self, name: str) -> int:
        return sum(one.is_file() for one in self.shares[name].rglob("*"))


def searchAll(peers: dict[str, Asked], queries: Sequence[str]) -> list[tuple[str, str, Answer]]:
    """Each query from the next peer in turn, and what it came to: the peer's name, the query, the answer."""
    names = list(peers)
    found = []
    for number, query in enumerate(queries):
        name = names[(3 * number) % len(names)]
        found.append((name, query, _searchOne(peers, peers[name], query)))
    return found


def _searchOne(peers: dict[str, Asked], peer: Asked, query: str) -> Answer:
    before = _messages(peers)
    rows, end = peer.search(query)
    after = _messages(peers)
    del end["time"]
    return Answer(
        [{key: value for key, value in row.items() if key != "search"} for row in rows],
        {key: value for key, value in end.items() if key != "text"}, peer.ask("EXPLAIN search"),
        {key: after[key] - before[key] for key in after},
    )


def _messages(peers: dict[str, Asked]) -> dict[str, int]:
    kinds = [f"{kind}.{direction}" for kind in COUNTED for direction in ("out", "in")]
    counts = [peer.ask("STATS")["messages"] for peer in peers.values()]
    return {kind: sum(one.get(kind, 0) for one in counts) for kind in kinds}
