"""The command C{superpeer lab}: lists experiments, runs one, and prints its report."""

import argparse
import importlib.util
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import NoReturn

from overlay.errors import SuperpeerError, UsageError
from overlay.lab.campaign import campaign
from overlay.lab.declared import amiss
from overlay.lab.experiment import Experiment, Impossible, optionOf
from overlay.lab.experiments import SHIPPED
from overlay.lab.interruption import Interruption
from overlay.lab.measuring import measure
from overlay.lab.report import INTERRUPTED, MET, MISSED, WRONG, printTable
from overlay.logs import keepNoLog
from overlay.policy import addPluginFolder, nearest

ALL = "all"
"""The word for every experiment with a declared target."""


def lab(words: Sequence[str], interruption: Interruption | None = None) -> int:
    """
    @param interruption: what listens to Ctrl-C while it measures and prints.
    @return: the exit status: 0 done and every target met, 1 a target missed, 2 wrong usage.
    """
    if not words or words[0] in ("-h", "--help"):
        _list()
        return MET
    keepNoLog()
    if words[0] == ALL:
        return campaign(words[1:], interruption=interruption)
    try:
        kind = _find(words[0])
        args = _parser(words[0], kind).parse_args(list(words[1:]))
        fields = {name: getattr(args, name) for name, _ in kind.options() if getattr(args, name) is not None}
        for folder in args.plugin_dir:
            addPluginFolder(Path(folder).expanduser())
        experiment = kind(**fields)
        experiment.check()
        for option in ("seeds", "jobs"):
            if getattr(args, option) < 1:
                raise Impossible(f"--{option} must be at least 1")
        if args.plot:
            from overlay.lab.plot import check

            check(Path(args.plot))
    except SuperpeerError as problem:
        print(f"superpeer lab: {problem}", file=sys.stderr)
        return WRONG
    with interruption or Interruption() as listening:
        return _measure(listening, experiment, args)


def _list() -> None:
    print("superpeer lab EXPERIMENT|FILE.py [--help] [--seed K] [--json] [--plot FILE]\n")
    for kind in SHIPPED:
        print(f"{kind.name:12}{kind.help}")
    print(f"{ALL:12}Every declared target of a network in the lab, the worst of several seeds counting.")


def _find(name: str) -> type[Experiment]:
    """
    @raise UsageError: there is no such experiment.
    """
    if name.endswith(".py"):
        return _load(Path(name).expanduser())
    named = {kind.name: kind for kind in SHIPPED}
    if name not in named:
        raise UsageError(f"there is no experiment {name!r}{nearest(name, [*named, ALL])}; 'superpeer lab' lists them")
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
    wrong = amiss(kinds[0])
    if wrong:
        raise UsageError(f"the experiment file {path}: {kinds[0].__name__} {wrong}")
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


def _measure(interruption: Interruption, experiment: Experiment, args: argparse.Namespace) -> int:
    try:
        # Whatever an experiment prints, the report is all that there is.
        with redirect_stdout(sys.stderr) if args.json else nullcontext():
            report, interrupted = measure(experiment, args.seed, args.seeds, args.jobs, interruption)
    except SuperpeerError as problem:
        print(f"superpeer lab: {problem}", file=sys.stderr)
        return WRONG
    if args.json:
        print(json.dumps(report.asDict(), indent=2))
    else:
        printTable(experiment, report)
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
