"""A picture of the series of a report: one panel for each, over virtual time."""

import math
from pathlib import Path

from overlay.errors import UsageError
from overlay.lab.experiment import Report

_COLUMNS = 2


def plot(report: Report, path: Path) -> None:
    """
    Draw it into a file, whose ending says in which format.

    @raise UsageError: matplotlib is not installed, there is nothing to draw, or the file cannot be written.
    """
    if not report.series:
        raise UsageError(f"--plot: {report.experiment} has no series to draw")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as problem:
        raise UsageError("--plot needs matplotlib: pip install 'superpeer[plot]'") from problem
    panels: dict[str, list[str]] = {}
    for name in report.series:
        panels.setdefault(name.partition(" (")[0], []).append(name)
    columns = min(_COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(6.4 * columns, 2.4 * rows + 1.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for axis, (title, names) in zip(axes, panels.items(), strict=False):
        for name in names:
            points = report.series[name]
            axis.plot([one[0] for one in points], [one[1] for one in points], linewidth=1.2, marker="." if len(points) < 40 else "")
        axis.set_title(title.replace("_", " "), loc="left", fontsize=10)
        axis.set_xlabel("virtual seconds", fontsize=8)
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
        # A share reads as one, and a count from 0.
        values = [value for name in names for _, value in report.series[name]]
        axis.set_ylim(bottom=0, top=1.02 if 0 < max(values) <= 1 else None)
    for axis in list(axes):
        axis.set_visible(False)
    chosen = ", ".join(f"{name} {value}" for name, value in report.parameters.items() if value is not None)
    figure.suptitle(f"{report.experiment}, seed {report.seed}\n{chosen}", fontsize=9, wrap=True)
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as problem:
        raise UsageError(f"--plot {path} cannot be written ({problem})") from problem
