"""The command C{superpeer lab}: lists experiments, runs one, and prints its report."""

import argparse
import gc
import importlib.util
import json
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import attrs

from overlay import __version__
from overlay.errors import SuperpeerError, UsageError
from overlay.lab.experiment import Experiment, Impossible, Measured, Report, optionOf
from overlay.lab.experiments import SHIPPED
from overlay.lab.interruption import Interruption
from overlay.lab.jobs import inProcesses
from overlay.lab.progress import Progress
from overlay.policy import addPluginFolder, nearest

MET, MISSED, WRONG, INTERRUPTED = 0, 1, 2, 130


def lab(words: Sequence[str]) -> int:
    """
    @return: the exit status: 0 done and every target met, 1 a target missed, 2 wrong usage.
    """
    if not words or words[0] in ("-h", "--help"):
        _list()
        return MET
    try:
        kind = _find(words[0])
        args = _parser(words[0], kind).parse_args(list(words[1:]))
        fields = {name: getattr(args, name) for name, _ in kind.options() if getattr(args, name) is not None}
        for folder in args.plugin_dir:
            addPluginFolder(Path(folder).expanduser())
        experiment = kind(**fields)
        experiment.check()
        if args.seeds < 1 or args.jobs < 1:
            raise Impossible("--seeds and --jobs must be at least 1")
        if args.plot:
            from overlay.lab.plot import check

            check(Path(args.plot))
    except SuperpeerError as problem:
        print(f"superpeer lab: {problem}", file=sys.stderr)
        return WRONG
    return _measure(experiment, args)


def _list() -> None:
    print("superpeer lab EXPERIMENT|FILE.py [--help] [--seed K] [--json] [--plot FILE]\n")
    for kind in SHIPPED:
        print(f"{kind.name:12}{kind.help}")


def _find(name: str) -> type[Experiment]:
    """
    @raise UsageError: there is no such experiment.
    """
    if name.endswith(".py"):
        return _load(Path(name).expanduser())
    named = {kind.name: kind for kind in SHIPPED}
    if name not in named:
        raise UsageError(f"there is no experiment {name!r}{nearest(name, named)}; 'superpeer lab' lists them")
    return named[name]


def _load(path: Path) -> type[Experiment]:
    """The one experiment that a user's file defines."""
    if not path.is_file():
        raise UsageError(f"the experiment file {path} is not there")
    spec = importlib.util.spec_from_file_location(f"_lab_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Processes that run further seeds find the class by this name.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as problem:  # whatever a user's file raises
        raise UsageError(f"the experiment file {path} fails: {type(problem).__name__}: {problem}") from problem
    kinds = [
        one for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, Experiment) and one.__module__ == spec.name
    ]
    if len(kinds) != 1:
        raise UsageError(f"the experiment file {path} must define one subclass of Experiment, not {len(kinds)}")
    return kinds[0]


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; L{lab} prints it."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message.removeprefix("argument "))


def _parser(name: str, kind: type[Experiment]) -> argparse.ArgumentParser:
    parser = _Parser(prog=f"superpeer lab {name}", description=kind.help, allow_abbrev=False)
    for field, one in kind.options():
        wanted = type(one.default) if one.default is not None else str
        shown = "" if one.default is None else f" [default: {one.default:g}]" if wanted is float else f" [default: {one.default}]"
        if wanted is bool:
            parser.add_argument(f"--{optionOf(field)}", dest=field, action="store_true", help=one.metadata["help"])
            continue
        parser.add_argument(
            f"--{optionOf(field)}", dest=field, type=wanted, help=one.metadata["help"] + shown,
            metavar=one.metadata["metavar"] or {int: "N", float: "X"}.get(wanted, "NAME"),
        )
    parser.add_argument("--seed", type=int, default=1, metavar="K", help="what chance follows from [default: 1]")
    parser.add_argument(
        "--seeds", type=int, default=kind.seeds, metavar="N",
        help=f"run so many seeds, from --seed on, and report their means [default: {kind.seeds}]",
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="J", help="processes that run seeds [default: 1]")
    parser.add_argument("--json", action="store_true", help="print the report as JSON, and nothing else")
    parser.add_argument(
        "--plugin-dir", action="append", default=[], metavar="DIR", help="a folder with plugins of your own, as for twistd superpeer"
    )
    parser.add_argument("--plot", metavar="FILE", help="draw the series (needs matplotlib: the extra 'plot')")
    return parser


@attrs.frozen
class _Run:
    """What came of one seed."""

    seed: int
    figures: dict[str, float]
    series: dict[str, list[list[float]]]
    cpu: float
    delivered: int
    memory: float
    problem: str = ""
    interrupted: bool = False


def _runSeed(experiment: Experiment, interruption: Interruption, seed: int, shown: bool = False) -> _Run:
    """
    @param shown: whether a terminal is told how far it has come.
    """
    measured = Measured()

    def stop() -> bool:
        """Whether there is a world that can be left between two events; an interruption in the midst of one might be swallowed."""
        for world in measured.worlds:
            world.time.interrupt()
        return bool(measured.worlds)

    before = time.process_time()
    # Ten thousand peers are many millions of objects that live to the end: looking through them for garbage would take most of the time.
    gc.set_threshold(200_000, 50, 1000)
    problem, interrupted = "", False
    progress = Progress(measured, seed, sys.stderr) if shown else nullcontext()
    try:
        try:
            interruption.allow(stop)
            with progress:
                experiment.run(seed, measured)
        finally:
            interruption.refuse()
    except SuperpeerError as failure:
        problem = str(failure)
    except KeyboardInterrupt:
        interrupted = True
    cpu = time.process_time() - before
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return _Run(seed, measured.figures, measured.series, cpu, measured.delivered, memory, problem, interrupted)


def _measure(experiment: Experiment, args: argparse.Namespace) -> int:
    with Interruption() as interruption:
        return _measureUntil(interruption, experiment, args)


def _measureUntil(interruption: Interruption, experiment: Experiment, args: argparse.Namespace) -> int:
    began = time.perf_counter()
    seeds = range(args.seed, args.seed + args.seeds)
    run = partial(_runSeed, experiment, interruption)
    runs: list[_Run] = []
    if args.jobs > 1 and len(seeds) > 1:
        try:
            runs.extend(inProcesses(run, seeds, args.jobs, interruption))
        except SuperpeerError as failure:
            print(f"superpeer lab: {failure}", file=sys.stderr)
            return WRONG
    else:
        for seed in seeds:
            runs.append(run(seed, shown=True))
            if runs[-1].interrupted or runs[-1].problem:
                break
    interrupted = bool(interruption.heard) or any(one.interrupted for one in runs)
    # One that had hardly begun has nothing to say.
    runs = [one for one in runs if one.figures or one.series or one.problem] or runs or [_Run(args.seed, {}, {}, 0.0, 0, 0.0)]
    problem = next((one.problem for one in runs if one.problem), "")
    if problem:
        print(f"superpeer lab: {problem}", file=sys.stderr)
        return WRONG
    cost = {
        "wall_seconds": round(time.perf_counter() - began, 3), "cpu_seconds": round(sum(one.cpu for one in runs), 3),
        "peak_mib": round(max(one.memory for one in runs), 1), "delivered": sum(one.delivered for one in runs),
    }
    report = _joined(experiment, args, runs, cost, interrupted)
    if args.json:
        print(json.dumps(report.asDict(), indent=2))
    else:
        _table(experiment, report)
    if args.plot:
        from overlay.lab.plot import plot

        try:
            plot(experiment, report, Path(args.plot))
        except SuperpeerError as failure:
            print(f"superpeer lab: {failure}", file=sys.stderr)
            return WRONG
    if interrupted:
        print("superpeer lab: interrupted; this is what was measured so far", file=sys.stderr)
        return INTERRUPTED
    return MET if report.met else MISSED


def _joined(
    experiment: Experiment, args: argparse.Namespace, runs: list[_Run], cost: dict[str, float], interrupted: bool = False
) -> Report:
    """One seed as it is; of several, means and standard deviations, and the series of each."""
    parameters: dict[str, Any] = experiment.parameters()
    if args.seeds > 1:
        parameters["seeds"] = args.seeds
    if interrupted:
        parameters["interrupted"] = True
        if args.seeds > 1:
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
    return Report.of(experiment, args.seed, parameters, figures, series, cost)


def _table(experiment: Experiment, report: Report) -> None:
    print(f"{report.experiment}, seed {report.seed}, superpeer {__version__}")
    print("  " + ", ".join(f"{name}={value}" for name, value in report.parameters.items() if value is not None))
    for line in experiment.table(report):
        print(line)
    for target in report.targets:
        missed = "MISSED" if target["figure"] in report.figures else "not measured"
        print(f"  target {target['name']}: {'met' if target['met'] else missed}")
    cost = report.cost
    rate = cost["delivered"] / cost["cpu_seconds"] if cost["cpu_seconds"] else 0.0
    print(
        f"  cost: {cost['wall_seconds']:.1f} s, {cost['cpu_seconds']:.1f} CPU s, {cost['peak_mib']:,.0f} MiB,"
        f" {cost['delivered']:,} messages ({rate:,.0f} per CPU s)"
    )
