"""What the machine and the process have left."""

import resource
from pathlib import Path

import pytest

from overlay import headroom


def test_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each open file is one less; without a limit, or a list of what is open, nothing is known."""
    before = headroom.headRoom().descriptors
    with (tmp_path / "one").open("w"), (tmp_path / "two").open("w"):
        during = headroom.headRoom().descriptors
    assert before is not None and during == before - 2
    monkeypatch.setattr(headroom, "OPEN", (tmp_path / "nowhere",))
    assert headroom.headRoom().descriptors is None
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert headroom.headRoom().descriptors is None


@pytest.mark.parametrize("said", ["MemTotal: 9 kB\nMemAvailable:   2048 kB\n", "MemAvailable: much", ""])
def test_memory(said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system says is available; where it does not say, the free pages."""
    (tmp_path / "meminfo").write_text(said)
    monkeypatch.setattr(headroom, "MEMORY", tmp_path / "meminfo")
    memory = headroom.headRoom().memory
    assert memory == 2 * 1024 * 1024 if "2048" in said else memory is not None and memory > 0
    monkeypatch.setattr(headroom, "MEMORY", tmp_path / "nowhere")
    found = headroom.headRoom().memory
    assert found is not None and found > 0
