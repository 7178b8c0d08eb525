"""Runs seeds in processes of their own, several at a time, and lets an interrupted one tell what it has measured."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import TypeVar

from overlay.errors import SuperpeerError
from overlay.lab.interruption import Interruption

T = TypeVar("T")


class JobLost(SuperpeerError):
    """A process that ran a seed has ended without a result."""


def inProcesses(
    run: Callable[[int], T], seeds: Iterable[int], jobs: int, interruption: Interruption, nested: str | None = None
) -> Iterator[T]:
    """
    @param run: called with a seed in a forked process; what it returns is pickled. There too C{interruption} hears of Ctrl-C, and the run
        that it ends returns what it has.
    @param jobs: processes at a time.
    @param nested: what the numbers are, if they are no seeds, in a process that was started in this way itself.
    @return: the results in the order of the seeds. After Ctrl-C those that were running give what they have, and no others are begun; after
        another, those that have not done so are lost.
    @raise JobLost: one was killed.
    """
    # Forked, so that plugins and a user's own experiment are there as they are here.
    context = multiprocessing.get_context("fork")
    left = list(seeds)
    order = list(left)
    results: dict[int, T] = {}
    running: dict[Connection, tuple[int, ForkProcess]] = {}
    interrupted = False
    try:
        while left or running:
            while left and len(running) < jobs and not interruption.pending:
                here, there = context.Pipe(duplex=False)
                # Not a daemon: it may start processes itself.
                process = context.Process(target=_work, args=(run, left[0], there, nested is None))
                process.start()
                there.close()
                running[here] = (left.pop(0), process)
            try:
                interruption.allow()
                ready = wait(list(running))
                interruption.refuse()
            except KeyboardInterrupt:
                if interrupted:
                    break
                interrupted = True
                left.clear()
                for _, process in running.values():
                    if process.is_alive() and process.pid is not None:
                        os.kill(process.pid, signal.SIGINT)
                continue
            for one in ready:
                assert isinstance(one, Connection)
                seed, process = running.pop(one)
                try:
                    results[seed] = one.recv()
                except EOFError:
                    process.join()
                    raise JobLost(f"the process of {nested or 'seed'} {seed} has died (exit status {process.exitcode})") from None
                process.join()
    finally:
        for _, process in running.values():
            _kill(process)
            process.join()
    yield from (results[seed] for seed in order if seed in results)


def _kill(process: ForkProcess) -> None:
    """With all that it has started."""
    process.kill()
    if process.pid is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _work(run: Callable[[int], T], seed: int, out: Connection, leads: bool) -> None:
    # Ctrl-C at a terminal goes to the whole group of processes; whoever started this one passes it on, once. What this one starts in
    # its turn stays in its group, and ends with it.
    if leads:
        os.setpgid(0, 0)
    out.send(run(seed))
    out.close()
