"""Runs an experiment, under one seed or several, and makes one report of it."""

import gc
import resource
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import attrs

from overlay.errors import SuperpeerError, UsageError
from overlay.garbage import collectSeldom
from overlay.lab.experiment import Experiment, Measured, Report, Run
from overlay.lab.interruption import Interruption
from overlay.lab.jobs import inProcesses
from overlay.lab.progress import Progress

if TYPE_CHECKING:
    from overlay.lab.experiments.shaken import Shaken


class Unmeasurable(UsageError):
    """An experiment has met something with which it cannot go on; the message says what."""


def measure(experiment: Experiment, seed: int, seeds: int, jobs: int, interruption: Interruption) -> tuple[Report, bool]:
    """
    @param seed: the first of C{seeds}.
    @param jobs: processes at a time, if there are several seeds.
    @return: the report, and whether it was interrupted.
    @raise SuperpeerError: it cannot be run.
    """
    began = time.perf_counter()
    numbers = range(seed, seed + seeds)
    run = partial(_runSeed, experiment, interruption)
    runs: list[Run] = []
    if jobs > 1 and seeds > 1:
        runs.extend(inProcesses(run, numbers, jobs, interruption))
    else:
        for number in numbers:
            runs.append(run(number, shown=True))
            if runs[-1].interrupted or runs[-1].problem:
                break
    return _reported(experiment, seed, seeds, runs, time.perf_counter() - began, interruption)


def measureTogether(
    experiments: "Sequence[Shaken]", seed: int, seeds: int, jobs: int, interruption: Interruption
) -> Iterator[tuple[Report, bool]]:
    """
    The same for several that have one L{Shaken.beginning}, which is run once for each seed; from there each goes on in a process of its
    own, so that nothing in its report differs from what L{measure} gives, but for the seconds that have passed.

    @return: of each what L{measure} returns, in their order; of those that were not begun because of an interruption nothing.
    """
    began = time.perf_counter()
    runs = list(inProcesses(partial(_runTogether, experiments, interruption), range(seed, seed + seeds), jobs, interruption))
    spent = time.perf_counter() - began
    for at, experiment in enumerate(experiments):
        some = [ofSeed[at] for ofSeed in runs if len(ofSeed) > at]
        if some:
            yield _reported(experiment, seed, seeds, some, spent, interruption)


def _reported(
    experiment: Experiment, seed: int, seeds: int, runs: list[Run], spent: float, interruption: Interruption
) -> tuple[Report, bool]:
    """
    @param spent: seconds that have passed.
    """
    interrupted = bool(interruption.heard) or any(one.interrupted for one in runs)
    # One that had hardly begun has nothing to say.
    runs = [one for one in runs if one.figures or one.series or one.problem] or runs or [Run(seed=seed, figures={})]
    problem = next((one.problem for one in runs if one.problem), "")
    if problem:
        raise Unmeasurable(problem)
    cost = {
        "wall_seconds": round(spent, 3), "cpu_seconds": round(sum(one.cpu for one in runs), 3),
        "peak_mib": round(max(one.memory for one in runs), 1), "delivered": sum(one.delivered for one in runs),
    }
    return joined(experiment, seed, seeds, runs, cost, interrupted), interrupted


def _runSeed(experiment: Experiment, interruption: Interruption, seed: int, shown: bool = False) -> Run:
    """
    @param shown: whether a terminal is told how far it has come.
    """
    return _run(partial(experiment.run, seed), Measured(), interruption, seed, shown)


def _runTogether(experiments: "Sequence[Shaken]", interruption: Interruption, seed: int) -> list[Run]:
    """
    Run the beginning that they share, then each of them.

    @return: one for each, in their order; if the beginning went wrong or was interrupted, that of the first alone.
    """
    measured = Measured()
    begun: list[Any] = []

    def begin(measured: Measured) -> None:
        begun.extend(experiments[0].beginWell(seed, measured))

    beginning = _run(begin, measured, interruption, seed)
    if not begun:
        return [beginning]
    # The less of it is written to, the more of the memory is shared.
    gc.collect()
    gc.freeze()

    def goOn(at: int) -> Run:
        run = _run(lambda measured: experiments[at].goOn(seed, measured, *begun), measured, interruption, seed)
        return attrs.evolve(run, cpu=beginning.cpu + run.cpu)

    return list(inProcesses(goOn, range(len(experiments)), 1, interruption, "experiment"))


def _run(
    run: Callable[[Measured], object], measured: Measured, interruption: Interruption, seed: int, shown: bool = False
) -> Run:
    """
    @param measured: is written to.
    @return: what has come of it, whatever ended it.
    """

    def stop() -> bool:
        """Whether there is a world that can be left between two events; an interruption in the midst of one might be swallowed."""
        for world in measured.worlds:
            world.time.interrupt()
        return bool(measured.worlds)

    before = time.process_time()
    collectSeldom()
    problem, interrupted = "", False
    progress = Progress(measured, seed, sys.stderr) if shown else nullcontext()
    try:
        try:
            interruption.allow(stop)
            with progress:
                run(measured)
        finally:
            interruption.refuse()
    except SuperpeerError as failure:
        problem = str(failure)
    except KeyboardInterrupt:
        interrupted = True
    except Exception as failure:  # whatever a user's own experiment raises
        traceback.print_exc()
        problem = f"the experiment has failed: {type(failure).__name__}: {failure}"
    cpu = time.process_time() - before
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    # Several that are under way at one time may be written down one after the other.
    series = {name: sorted(rows, key=itemgetter(0)) for name, rows in measured.series.items()}
    return Run(
        seed=seed, figures=measured.figures, series=series, cpu=cpu, delivered=measured.delivered, memory=memory,
        problem=problem, interrupted=interrupted,
    )


def joined(
    experiment: Experiment, seed: int, seeds: int, runs: list[Run], cost: dict[str, float], interrupted: bool = False
) -> Report:
    """One seed as it is; of several, means and standard deviations, and the series of each; targets are judged by the worst."""
    parameters: dict[str, Any] = experiment.parameters()
    if seeds > 1:
        parameters["seeds"] = seeds
    if interrupted:
        parameters["interrupted"] = True
        if seeds > 1:
            parameters["seeds_begun"] = len(runs)
    if len(runs) == 1:
        return Report.of(experiment, runs[0].seed, parameters, runs[0].figures, runs[0].series, cost)
    figures: dict[str, float] = {}
    for name in dict.fromkeys(name for one in runs for name in one.figures):
        values = [one.figures[name] for one in runs if name in one.figures]
        missing = sum(name not in one.figures for one in runs if not one.interrupted)
        if missing:
            # A mean over the seeds in which it came about, such as a recovery, would hide those in which it did not.
            figures[f"{name}_missing"] = missing
            continue
        figures[name] = float(f"{statistics.fmean(values):.9g}")
        if len(values) > 1:
            figures[f"{name}_deviation"] = float(f"{statistics.stdev(values):.9g}")
    series = {f"{name} (seed {one.seed})": rows for one in runs for name, rows in one.series.items()}
    return Report.of(experiment, seed, parameters, figures, series, cost, runs)
