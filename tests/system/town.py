"""A network of real processes at places of their own, whose cables can be cut: what its users were told, and what they find."""

import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from overlay.console.client import Refused
from overlay.lab.processes import NotReady, PeerProcess, stopAll, waitFor
from overlay.lab.wires import Wires

PLACES = tuple(f"p{number}" for number in range(11))
HIDDEN = "cottage"
"""Behind a router that masquerades."""
OPTIONS = ("--election", "fittest:wanted=4")
"""All times are the defaults. So few leaves make three super-peers or four of a dozen peers."""
WORD = "dawn"
"""In every file."""


class Town:
    """
    @ivar told: by place the content hashes that its console has called registered.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.wires = Wires(folder / "wires", [*PLACES, HIDDEN], [HIDDEN])
        self.peers: dict[str, PeerProcess] = {}
        self.told: dict[str, set[str]] = {}

    def open(self) -> None:
        """
        Start everybody, and wait until all are registered.

        @raise NoWires: this machine does not allow it.
        """
        self.wires.lay()
        self._start("p0", ())
        self.peers["p0"].ready()
        join = ("--join", self.peers["p0"].operate(f"INVITE {self.wires.address('p0')}:7116"))
        for place in [*PLACES[1:], HIDDEN]:
            self._start(place, join)
        for peer in self.peers.values():
            peer.ready()
        self.settle()

    def _start(self, place: str, options: Iterable[str]) -> None:
        self.told[place] = set()
        share = self._folder / place / "papers"
        share.mkdir(parents=True)
        self.peers[place] = PeerProcess(
            place, self._folder / place, [share], [*OPTIONS, *options], listen="tcp:7116",
            console=f"unix:{self._folder / place / 'console'}", wrap=self.wires.enter(place),
        )
        for number in range(3):
            self.write(place, f"{WORD} {place} {number}")
        self.peers[place].start()

    def close(self) -> None:
        """End everybody."""
        stopAll(list(self.peers.values()))
        self.wires.close()

    # --- what is shared ----------------------------------------------------------------------------------------------

    def write(self, place: str, text: str) -> None:
        """One more file in the share at a place."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        (self.peers[place].shares[0] / f"{digest[:8]}.txt").write_text(text)

    def _files(self, place: str) -> set[str]:
        return {hashlib.sha256(path.read_bytes()).hexdigest() for path in self.peers[place].shares[0].iterdir()}

    def _acknowledged(self, place: str, homes: int = 1) -> bool:
        """Whether the console there says that so many homes have all that lies in the share; then that is remembered."""
        files = self._files(place)
        status = self.peers[place].status()
        whole = [home for home in status["homes"] if (home["state"], home["records"]) == ("registered", "all")]
        if status["share"] != "complete" or status["records shared"] != len(files):
            return False
        if status["role"] != "super" and len(whole) < homes:
            return False
        self.told[place] = files
        return True

    def waitAcknowledged(self, place: str, seconds: float = 30.0) -> None:
        """Wait until one home at least has all that lies in the share there."""
        self.waitHomes([place], seconds, homes=1)

    def waitHomes(self, places: Iterable[str], seconds: float, homes: int = 2) -> None:
        """Wait until so many homes have all that lies in the shares at these places; one that serves needs none."""
        open = list(places)

        def look() -> bool:
            open[:] = [place for place in open if not self._acknowledged(place, homes)]
            return not open

        try:
            waitFor(f"{homes} homes for each leaf", look, seconds, 0.2)
        except NotReady as problem:
            said = [f"{place}: {self.peers[place].status()}" for place in open]
            raise AssertionError("\n".join([f"{problem}; super-peers {self.superPeers()}", *said])) from None

    def settle(self, seconds: float = 60.0) -> None:
        """Mend everything, start whoever has ended, and wait until there are three super-peers, and two homes have all of each leaf."""
        self.wires.mend()
        ended = [peer for peer in self.peers.values() if not peer.running]
        for peer in ended:
            peer.start()
        for peer in ended:
            peer.ready()
        waitFor("three super-peers", lambda: len(self.superPeers()) >= 3, seconds, 0.3)
        self.waitHomes(self.peers, seconds)

    def kill(self, places: Collection[str]) -> None:
        """SIGKILL of all of them at once."""
        processes = [peer.process for place in places if (peer := self.peers[place]).process is not None]
        for process in processes:
            process.kill()
        for place in places:
            self.peers[place].kill()

    # --- who is what -------------------------------------------------------------------------------------------------

    @property
    def living(self) -> list[str]:
        """Places whose peer runs."""
        return [place for place, peer in self.peers.items() if peer.running]

    def superPeers(self) -> list[str]:
        """Places whose peer serves."""
        return [place for place in self.living if self.peers[place].status()["role"] == "super"]

    def homesOf(self, place: str) -> set[str]:
        """The places at which it is registered."""
        names = {peer.peerId[:8]: name for name, peer in self.peers.items() if peer.running}
        return {names[home["peer"]] for home in self.peers[place].status()["homes"] if home["peer"] in names}

    # --- what is found -----------------------------------------------------------------------------------------------

    def toldBy(self, places: Iterable[str]) -> set[str]:
        """All that was acknowledged to these."""
        return set().union(*(self.told[place] for place in places))

    def found(self, place: str, seconds: float = 4.0) -> tuple[set[str], int]:
        """What a search for everything finds from there within that time, and the code with which it ends."""
        rows, end = self.peers[place].search(WORD, timeout=seconds)
        return {row["content"] for row in rows}, int(end["code"])

    def finds(self, searchers: Collection[str], owners: Collection[str], seconds: float = 0.0, complete: bool = False) -> None:
        """
        Each finds all that was acknowledged to the owners, C{seconds} from now at the latest.

        @param complete: each receipt says by then that everybody was asked.
        """
        short: dict[str, Any] = dict.fromkeys(searchers, "nothing was tried")

        def look() -> bool:
            for place in [*short]:
                try:
                    found, code = self.found(place)
                except Refused as problem:
                    short[place] = str(problem)
                    continue
                missing = {owner: len(self.told[owner] - found) for owner in owners if self.told[owner] - found}
                short[place] = (missing, code)
                if not missing and (code == 250 or not complete):
                    del short[place]
            return not short

        try:
            waitFor("what was acknowledged is found", look, seconds, 0.3)
        except NotReady as problem:
            raise AssertionError(f"{problem}: by searcher what is missing, and how the search ended: {short}") from None
