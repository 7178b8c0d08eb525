"""Shows reports to people, and says by an exit status what came of them."""

from typing import Any

from overlay import __version__
from overlay.lab.experiment import Experiment, Report

MET, MISSED, WRONG, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses: every target is met, one is missed, wrong usage, Ctrl-C."""


def printTable(experiment: Experiment, report: Report) -> None:
    """For people."""
    print(f"{report.experiment}, seed {report.seed}, superpeer {__version__}")
    print("  " + ", ".join(f"{name}={value}" for name, value in report.parameters.items() if value is not None))
    for line in experiment.table(report):
        print(line)
    for target in report.targets:
        missed = "MISSED" if target["value"] is not None else "not measured"
        print(f"  target {target['name']}: {'met' if target['met'] else missed}{_worst(report, target)}")
    cost = report.cost
    rate = cost["delivered"] / cost["cpu_seconds"] if cost["cpu_seconds"] else 0.0
    print(
        f"  cost: {cost['wall_seconds']:.1f} s, {cost['cpu_seconds']:.1f} CPU s, {cost['peak_mib']:,.0f} MiB,"
        f" {cost['delivered']:,} messages ({rate:,.0f} per CPU s)"
    )


def _worst(report: Report, target: dict[str, Any]) -> str:
    """Of several seeds, by which one a target was judged."""
    if "seeds" not in report.parameters:
        return ""
    value = "none" if target["value"] is None else f"{target['value']:.6g}"
    return f" (worst: {value}, seed {target['seed']})"
