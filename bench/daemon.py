"""What one idle daemon costs, how soon it answers, and how fast searches are."""

import statistics
import tempfile
import time
from pathlib import Path

from bench.figure import Figure
from overlay.lab.processes import PeerProcess, stopAll, waitFor


def memory(pid: int) -> float:
    """Resident MiB of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def measureDaemon(records: int) -> list[Figure]:
    """
    Start two peers, and measure.

    @param records: files to share.
    """
    with tempfile.TemporaryDirectory(prefix="superpeer-bench-") as folder:
        share = Path(folder, "share")
        share.mkdir()
        for number in range(records):
            (share / f"file{number}.txt").write_text(f"common text of file number{number} with word{number % 97}\n" * 20)
        first = PeerProcess("first", Path(folder, "first"), [share])
        second = PeerProcess("second", Path(folder, "second"))
        try:
            start = time.monotonic()
            first.start()
            first.ready()
            up = time.monotonic() - start
            waitFor("a first hit", lambda: first.search("common", 1)[0], 60, 0.02)
            hit = time.monotonic() - start
            waitFor("the index", lambda: first.status()["records shared"] == records, 600, 0.1)
            whole = time.monotonic() - start
            assert first.process is not None
            second.options += ["--join", first.operate("INVITE")]
            second.start()
            second.ready()
            waitFor("the join", lambda: second.status()["homes"], 30)
            waitFor("the end of the child", lambda: not first.ask("SHARE")["child running"], 30)
            time.sleep(1.0)
            assert second.process is not None
            figures = [
                Figure("seconds from start to console", up),
                Figure("seconds from start to first hit", hit),
                Figure(f"seconds to index {records} files", whole),
                Figure("MiB of an idle leaf without a share", memory(second.process.pid)),
                Figure(f"MiB of an idle super-peer with {records} records", memory(first.process.pid)),
            ]
            for name, peer in (("at the super-peer", first), ("by way of a home", second)):
                times = []
                for number in range(200):
                    _, end = peer.search(f"word{number % 97} number{number}", 10)
                    times.append(float(end["time"]))
                figures.append(Figure(f"ms of a search {name}, median (console to console)", 1000 * statistics.median(times)))
            return figures
        finally:
            stopAll([first, second])
