"""Networks of namespaces on one machine; what is done in them is tested with real peers, in tests/system."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from overlay.lab import wires as module
from overlay.lab.wires import NoWires, Wires

PLACES = ("a", "b", "hut")


@pytest.fixture(params=module.WAYS, ids=["as root", "in a user namespace"])
def wires(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wires]:
    """Three places, one of them hidden, made in each way."""
    monkeypatch.setattr(module, "WAYS", (request.param,))
    made = Wires(tmp_path / "wires", PLACES, ["hut"])
    try:
        made.lay()
    except NoWires as problem:
        pytest.skip(str(problem))
    yield made
    made.close()


def reaches(wires: Wires, place: str, address: str) -> bool:
    """Whether a connection from a place to a port at which nobody listens is refused at once, so that there is a way there and back."""
    script = "import socket, sys; socket.create_connection((sys.argv[1], 9), 0.5)"
    done = subprocess.run([*wires.enter(place), "python3", "-c", script, address], capture_output=True, text=True, check=False, timeout=30)
    return "ConnectionRefusedError" in done.stderr


def test_cables(wires: Wires) -> None:
    """Each place reaches the others until its cable is cut, or they are parted; who is hidden reaches others, and is not reached."""
    assert reaches(wires, "a", wires.address("b")) and reaches(wires, "hut", wires.address("a"))
    assert not reaches(wires, "a", "192.168.3.2")
    wires.cut("b")
    assert not reaches(wires, "a", wires.address("b")) and reaches(wires, "hut", wires.address("a"))
    wires.part(["a", "b"])
    assert reaches(wires, "a", wires.address("b")) and not reaches(wires, "hut", wires.address("a"))
    wires.lose(99)
    assert not reaches(wires, "a", wires.address("b"))
    wires.mend()
    assert reaches(wires, "a", wires.address("b"))


def test_whatIsMissingIsSaid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that lacks a command, or the right, is told so in a sentence, and nothing is left."""
    monkeypatch.setattr(module, "NEEDED", ("sh", "nosuchcommand"))
    with pytest.raises(NoWires, match="has no nosuchcommand"):
        Wires(tmp_path / "one", PLACES).lay()
    monkeypatch.setattr(module, "NEEDED", ("sh",))
    monkeypatch.setattr(module, "WAYS", (("--nosuchoption",),))
    made = Wires(tmp_path / "two", PLACES)
    with pytest.raises(NoWires, match="nobody may make them"):
        made.lay()
    made.close()
