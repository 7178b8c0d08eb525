"""Ctrl-C in the lab: what was measured is printed, whoever gets the signal and whenever it comes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from overlay.lab.command import lab
from overlay.lab.interruption import Interruption
from overlay.lab.jobs import JobLost, inProcesses
from overlay.lab.time import VirtualTime
from tests.lab.test_experiments import SHAPE

ENDLESS = '''
from pathlib import Path

import attrs
from overlay.lab.experiment import parameter
from overlay.lab.experiments.churn import Churn


@attrs.define(kw_only=True)
class Endless(Churn):
    name = "endless"
    targets = ()
    folder: str = parameter("", "where it says that it has begun")

    def steps(self, world, seconds, step=60.0):
        for _ in Churn.steps(world, seconds, step):
            (Path(self.folder) / f"began{world.seed}").touch()
            yield
'''


def endless(folder: Path, *words: str) -> subprocess.Popen[str]:
    """A churn of a virtual year."""
    file = folder / "endless.py"
    file.write_text(ENDLESS)
    return subprocess.Popen(
        [sys.executable, "-m", "overlay.cli", "lab", str(file), "--folder", str(folder), "--peers", "20", "--settle", "5", "--minutes",
         "100000", "--json", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )


def begun(running: subprocess.Popen[str], folder: Path, count: int) -> bool:
    """Whether so many seeds have measured something; waited for."""
    limit = time.monotonic() + 60
    while len(list(folder.glob("began*"))) < count:
        if running.poll() is not None or time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


def toItself(running: subprocess.Popen[str]) -> None:
    running.send_signal(signal.SIGINT)


def toAll(running: subprocess.Popen[str]) -> None:
    """As a terminal does."""
    os.killpg(running.pid, signal.SIGINT)


@pytest.mark.parametrize("send", [toItself, toAll])
@pytest.mark.parametrize(("words", "count"), [((), 1), (("--seeds", "5", "--jobs", "2"), 2), (("--seeds", "2"), 1)], ids=str)
def test_whatWasMeasuredIsPrinted(words: tuple[str, ...], count: int, send: Callable[[Any], None], tmp_path: Path) -> None:
    """In one process or in several, whether the process gets the signal or its whole group: a report, one line, and status 130."""
    running = endless(tmp_path, *words)
    try:
        assert begun(running, tmp_path, count), running.communicate()
        send(running)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
    assert err == "superpeer lab: interrupted; this is what was measured so far\n"
    assert running.returncode == 130
    found = json.loads(out)
    assert list(found) == SHAPE
    asked = int(words[1]) if words else 1
    assert found["parameters"]["interrupted"] is True
    assert found["parameters"].get("seeds", 1) == asked and found["parameters"].get("seeds_begun", 1) == count
    assert len([name for name in found["series"] if name.startswith("peers")]) == count
    assert all(rows for rows in found["series"].values())
    # Nobody is left running.
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)


@pytest.mark.parametrize("pause", [0.0002, 0.01])
def test_impatience(pause: float, tmp_path: Path) -> None:
    """Ctrl-C again and again, until it has ended, does not make it worse."""
    running = endless(tmp_path, "--seeds", "4", "--jobs", "2")
    try:
        assert begun(running, tmp_path, 2), running.communicate()
        limit = time.monotonic() + 60
        while running.poll() is None and time.monotonic() < limit:
            toAll(running)
            time.sleep(pause)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 130 and "Traceback" not in err and json.loads(out)["experiment"] == "endless"


SWALLOWING = '''
import os
import signal

import attrs
from twisted.internet.defer import Deferred
from overlay.lab.experiment import Experiment, parameter


@attrs.define(kw_only=True)
class Swallowing(Experiment):
    name = "swallowing"
    again: bool = parameter(False, "Ctrl-C twice")
    without: bool = parameter(False, "no world at all")

    def run(self, seed, measured):
        measured.figure("begun", 1)

        def interrupted(ignored):
            os.kill(os.getpid(), signal.SIGINT)
            measured.figure("went_on", 1)
            if self.again:
                os.kill(os.getpid(), signal.SIGINT)
            measured.figure("went_further", 1)

        if self.without:
            interrupted(None)
        world = measured.world(seed, codec="none")
        fired = Deferred()
        if self.again:
            world.time.callLater(1.0, interrupted, None)
        else:
            fired.addCallback(interrupted)
            world.time.callLater(1.0, fired.callback, None)
        world.time.callLater(2.0, measured.figure, "not_stopped", 1)
        world.run(5.0)
        measured.figure("ended", 1)
'''


@pytest.mark.parametrize(("words", "figures"), [
    ([], {"begun", "went_on", "went_further"}), (["--again"], {"begun", "went_on"}), (["--without"], {"begun"})
])
@pytest.mark.parametrize("jobs", [[], ["--seeds", "2", "--jobs", "2"]])
def test_noDeferredSwallowsIt(
    words: list[str], figures: set[str], jobs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A world is left between two of its events; the second time, and where there is no world, at once."""
    file = tmp_path / "swallowing.py"
    file.write_text(SWALLOWING)
    before = signal.getsignal(signal.SIGINT)
    # A signal of one seed's process is not one of the command: the other seeds are run.
    assert lab([str(file), *words, *jobs, "--json"]) == 130
    said = capsys.readouterr()
    found = {name for name in json.loads(said.out)["figures"] if not name.endswith("_deviation")}
    assert found == figures and len(said.err.splitlines()) == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_betweenTwoEvents() -> None:
    """Virtual time stops before the next call, and goes on when it is told to."""
    clock = VirtualTime()
    seen: list[float] = []
    for at in (1.0, 2.0, 3.0):
        clock.callLater(at, lambda: seen.append(clock.seconds()))
    clock.callLater(1.5, clock.interrupt)
    with pytest.raises(KeyboardInterrupt):
        clock.advance(10.0)
    assert seen == [1.0] and clock.seconds() == 1.5
    clock.advance(10.0)
    assert seen == [1.0, 2.0, 3.0]
    clock.interrupt()
    with pytest.raises(KeyboardInterrupt):
        clock.runUntil(lambda: False, 1.0)


@contextmanager
def heard() -> Iterator[None]:
    """Ctrl-C as Python answers it, also where the suite was started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_whenItIsLetThrough() -> None:
    """Noted while it is refused, raised when it is allowed; asked to wait for a better moment it does, once."""

    def press() -> None:
        # To this thread: one for the process may be taken by another, and be heard here a moment later.
        signal.raise_signal(signal.SIGINT)

    with Interruption() as interruption:
        press()
        assert (interruption.heard, interruption.pending) == (1, True)
        with pytest.raises(KeyboardInterrupt):
            interruption.allow()
        assert not interruption.pending
        press()
        assert interruption.heard == 2 and interruption.pending
    with Interruption() as interruption:
        interruption.allow()
        with pytest.raises(KeyboardInterrupt):
            press()
        press()
        assert interruption.pending
    with Interruption() as interruption:
        asked: list[int] = []
        interruption.allow(lambda: not asked.append(1))
        press()
        assert asked == [1]
        with pytest.raises(KeyboardInterrupt):
            press()
        interruption.refuse()
    # The last thing that a process does leaves no moment in which another is heard; one that was not disturbed can be.
    with heard():
        with Interruption(last=True):
            press()
        press()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    with heard(), pytest.raises(KeyboardInterrupt):
        with Interruption(last=True):
            pass
        press()
    # Afterwards it is as it was before.
    with heard(), pytest.raises(KeyboardInterrupt):
        with Interruption():
            pass
        press()


# --- seeds in processes --------------------------------------------------------------------------------------------


def square(seed: int) -> int:
    """Later seeds are done sooner."""
    time.sleep(0.15 if seed == 1 else 0.0)
    return seed * seed


def test_resultsInOrder() -> None:
    """In the order of the seeds, whichever is done first, and however many processes there are."""
    with Interruption() as interruption:
        for jobs in (1, 2, 9):
            assert list(inProcesses(square, range(1, 6), jobs, interruption)) == [1, 4, 9, 16, 25]
        assert list(inProcesses(square, [], 2, interruption)) == []


def test_aProcessThatDies() -> None:
    """It is told which seed it was; the others end with it."""

    def dying(seed: int) -> int:
        if seed == 7:
            os._exit(9)
        time.sleep(30)
        return seed

    with Interruption() as interruption:
        began = time.monotonic()
        with pytest.raises(JobLost, match=r"seed 7 has died \(exit status 9\)"):
            list(inProcesses(dying, [6, 7], 2, interruption))
        assert time.monotonic() - began < 20


def test_noneIsBegunAfterwards(tmp_path: Path) -> None:
    """After Ctrl-C those that run give what they have, and the others are not run."""

    def waiting(seed: int) -> str:
        (tmp_path / str(seed)).touch()
        if seed == 2:
            while not (tmp_path / "1").exists():
                time.sleep(0.01)
            os.kill(os.getppid(), signal.SIGINT)
        try:
            interruption.allow()
            time.sleep(30)
        except KeyboardInterrupt:
            return f"{seed} so far"
        return "ended"

    with Interruption() as interruption:
        assert list(inProcesses(waiting, range(1, 6), 2, interruption)) == ["1 so far", "2 so far"]
        assert interruption.heard == 1
    assert sorted(one.name for one in tmp_path.iterdir()) == ["1", "2"]
