"""The command C{superpeer lab all}: all declared targets of whole networks, and what has come of them."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import attrs

from overlay import __version__
from overlay.errors import SuperpeerError, UsageError
from overlay.lab.experiment import Impossible, Report
from overlay.lab.experiments.asleep import Asleep
from overlay.lab.experiments.growth import Growth
from overlay.lab.experiments.islands import Islands
from overlay.lab.experiments.outage import Outage
from overlay.lab.experiments.partition import Partition
from overlay.lab.experiments.populated import Populated
from overlay.lab.experiments.rush import Rush
from overlay.lab.experiments.settle import Settle
from overlay.lab.experiments.shaken import Shaken
from overlay.lab.interruption import Interruption
from overlay.lab.measuring import measure, measureTogether
from overlay.lab.report import INTERRUPTED, MET, MISSED, WRONG, printTable

PEERS, SEEDS, SMALLEST = 10_000, 5, 10


@attrs.frozen
class Trial:
    """
    @ivar title: of this trial, in the report.
    @ivar kind: what is run.
    @ivar fields: parameters that are not the default ones.
    @ivar sized: whether it has as many peers as the campaign; the others have a size of their own.
    """

    title: str
    kind: type[Populated]
    fields: dict[str, Any] = attrs.field(factory=dict)
    sized: bool = True

    def experiment(self, peers: int, further: dict[str, Any]) -> Populated:
        """
        @param further: parameters that all trials are to have.
        """
        return self.kind(**{**self.fields, **further, **({"peers": peers} if self.sized else {})})


TRIALS = (
    Trial("settling", Settle),
    Trial("half of the super-peers die", Outage, {"kill": 0.5}),
    Trial("half of the super-peers vanish", Outage, {"kill": 0.5, "silent": True}),
    Trial("all super-peers die", Outage, {"kill": 1.0}),
    Trial("all super-peers vanish", Outage, {"kill": 1.0, "silent": True}),
    Trial("two halves, healed", Partition),
    Trial("off for longer than a mandate", Asleep),
    Trial("two networks of one name", Islands),
    Trial("a rush of leaves", Rush, sized=False),
    Trial("growth", Growth),
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message.removeprefix("argument "))


def campaign(words: Sequence[str], trials: Sequence[Trial] = TRIALS, interruption: Interruption | None = None) -> int:
    """
    Run all, print the table of each as it is done, and write the file anew: what was measured is kept, whatever becomes of the rest.

    @param interruption: what listens to Ctrl-C while it measures and prints.
    @return: the exit status: 0 every target met, 1 a target missed, 2 wrong usage, 130 interrupted.
    """
    try:
        args = _parser().parse_args(list(words))
        further = {"registrations": args.registrations} if args.registrations is not None else {}
        for option, least in (("peers", SMALLEST), ("seeds", 1), ("jobs", 1)):
            if getattr(args, option) < least:
                raise Impossible(f"--{option} must be at least {least}")
        experiments = [(one, one.experiment(args.peers, further)) for one in trials]
        for _, experiment in experiments:
            experiment.check()
    except SuperpeerError as problem:
        print(f"superpeer lab: {problem}", file=sys.stderr)
        return WRONG
    done: list[tuple[Trial, Report]] = []
    interrupted = False
    with interruption or Interruption() as listening:
        for some in grouped(experiments):
            before = len(done)
            try:
                for (trial, experiment), (report, interrupted) in zip(some, _measured(some, args, listening), strict=False):
                    done.append((trial, report))
                    print(f"{trial.title}:")
                    printTable(experiment, report)
                    print(flush=True)
                    if args.out:
                        _write(Path(args.out), done, len(experiments), interrupted)
            except SuperpeerError as problem:
                print(f"superpeer lab: {some[len(done) - before][0].title}: {problem}", file=sys.stderr)
                return WRONG
            if interrupted or listening.heard:
                interrupted = True
                break
    for line in summary(done):
        print(line)
    if interrupted:
        print("superpeer lab: interrupted; this is what was measured so far", file=sys.stderr)
        return INTERRUPTED
    return MET if all(report.met for _, report in done) else MISSED


def grouped(experiments: "Sequence[tuple[Trial, Populated]]") -> "list[list[tuple[Trial, Populated]]]":
    """Those with one beginning together, where the first of them was."""
    groups: dict[object, list[tuple[Trial, Populated]]] = {}
    for trial, experiment in experiments:
        key: object = experiment.beginning() if isinstance(experiment, Shaken) else trial.title
        groups.setdefault(key, []).append((trial, experiment))
    return list(groups.values())


def _measured(
    some: "Sequence[tuple[Trial, Populated]]", args: argparse.Namespace, interruption: Interruption
) -> Iterator[tuple[Report, bool]]:
    together = [experiment for _, experiment in some if isinstance(experiment, Shaken)]
    if len(together) > 1:
        yield from measureTogether(together, args.seed, args.seeds, args.jobs, interruption)
    else:
        yield measure(some[0][1], args.seed, args.seeds, args.jobs, interruption)


def _parser() -> argparse.ArgumentParser:
    description = "Every declared target of a network, the worst of several seeds counting."
    parser = _Parser(prog="superpeer lab all", description=description, allow_abbrev=False)
    parser.add_argument("--peers", type=int, default=PEERS, metavar="N", help=f"peers of each network [default: {PEERS}]")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help=f"seeds of each experiment [default: {SEEDS}]")
    parser.add_argument("--seed", type=int, default=1, metavar="K", help="the first of them [default: 1]")
    parser.add_argument("--jobs", type=int, default=1, metavar="J", help="processes that run seeds [default: 1]")
    parser.add_argument("--registrations", type=int, metavar="N", help="that a super-peer aims at, for small networks of many super-peers")
    parser.add_argument("--out", metavar="FILE", help="write all reports there, as JSON")
    return parser


def summary(done: "Sequence[tuple[Trial, Report]]") -> Iterator[str]:
    """Each target in a line: which trial, what it is, what came of it in the worst seed, and whether it is met."""
    rows = [
        (trial.title, target["name"], "-" if target["value"] is None else f"{target['value']:.6g}", "met" if target["met"] else "MISSED")
        for trial, report in done for target in report.targets
    ]
    widths = [max((len(row[at]) for row in rows), default=0) for at in range(3)]
    for row in rows:
        yield f"{row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}"
    missed = sum(row[3] != "met" for row in rows)
    yield f"{len(rows) - missed} of {len(rows)} targets met"


def _write(path: Path, done: "Sequence[tuple[Trial, Report]]", trials: int, interrupted: bool) -> None:
    """The file is whole at any moment."""
    whole = {
        "version": __version__, "trials": trials, "interrupted": interrupted, "met": all(report.met for _, report in done),
        "reports": [{"trial": trial.title, **report.asDict()} for trial, report in done],
    }
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    os.replace(fresh, path)
