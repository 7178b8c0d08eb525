"""
A picture of the series of a report: one panel for each over virtual time, each seed faint and their mean bold, two sides in two colours,
and a mark where something happened.
"""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from overlay.errors import UsageError
from overlay.lab.experiment import Experiment, Report, optionOf

_COLUMNS = 2
_COLOURS = {"": "#0072B2", "a": "#0072B2", "b": "#D55E00"}
"""Blue and vermilion, which the colour-blind can tell apart (Okabe and Ito 2008)."""
_DASHES = {"": "-", "a": "-", "b": (0, (3, 1.2))}
"""Where both sides are the same, both are seen."""
_MARK = "#555555"
_TITLES = {
    "recall": ("Recall", "living owners that a search finds"),
    "recall_near": ("Recall in the larger part", "living owners there that a search finds"),
    "recall_far": ("Recall in the smaller part", "living owners there that a search finds"),
    "leaves_fully_homed": ("Leaves with all their homes", "of those alive for a minute"),
    "super_peers": ("Super-peers", "peers"),
    "peers": ("Peers", "peers"),
    "reach": ("Reach", "super-peers that evaluated the query"),
    "messages": ("Messages", "query messages of a search"),
    "messages_per_peer_second": ("Messages", "sent and received by one peer in a second"),
    "role_changes_per_peer_hour": ("Role changes", "of one peer in an hour"),
    "super_peers_to_load": ("Super-peers", "times what the load asks for"),
    "capacity_rank_median": ("Capacity of the median super-peer", "part of the dialable that can do more"),
    "remaining_life_ratio": ("Remaining life of super-peers", "times that of all peers"),
    "waiting": ("Newcomers without all their homes", "peers"),
}
"""Of the series that come with superpeer, in the order of their panels: a title, and what the vertical axis counts."""
_LONG = 300.0
"""Seconds from which on time is shown in minutes."""
_NAME = re.compile(r"(?P<base>.*?)(?: \((?P<side>[ab])\))?(?: \(seed (?P<seed>-?\d+)\))?")


@attrs.frozen
class Line:
    """
    One series of one seed.

    @ivar base: what is measured.
    @ivar side: C{a} or C{b} of a comparison, else empty.
    @ivar points: (virtual seconds, value).
    """

    base: str
    side: str
    points: tuple[tuple[float, float], ...]


def lines(report: Report) -> Iterator[Line]:
    """The series, taken apart by what their names say."""
    for name, rows in report.series.items():
        found = _NAME.fullmatch(name)
        assert found is not None
        yield Line(found["base"], found["side"] or "", tuple(sorted((row[0], row[1]) for row in rows)))


def meanOf(several: list[Line]) -> list[tuple[float, float]]:
    """
    @return: the mean at each moment that all of them have; none if that are fewer than half of those of the longest.
    """
    tables = [dict(one.points) for one in several]
    shared = [when for when in tables[0] if all(when in table for table in tables)]
    if 2 * len(shared) < max(len(table) for table in tables):
        return []
    return [(when, math.fsum(table[when] for table in tables) / len(tables)) for when in shared]


def marks(report: Report) -> dict[str, float]:
    """What happened, and when: the figures whose names end in C{_at}, C{split_at} as C{split}."""
    found: dict[str, float] = {}
    for name, value in report.figures.items():
        side, _, own = name.rpartition(".")
        if own.endswith("_at") and side != "difference":
            found.setdefault(own.removesuffix("_at").replace("_", " "), value)
    return found


_NEEDS_TEX = {"pgf"}


def check(path: Path) -> None:
    """
    Look whether a picture could be drawn there, before anything is measured.

    @raise UsageError: matplotlib is not installed, or there is no such folder or format.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
    except ImportError as problem:
        raise UsageError("--plot needs matplotlib: pip install 'superpeer[plot]'") from problem
    formats = set(FigureCanvasAgg.get_supported_filetypes()) - _NEEDS_TEX
    if path.suffix.removeprefix(".").lower() not in formats:
        raise UsageError(f"--plot {path}: the ending must be one of {', '.join(sorted(formats))}")
    if not path.parent.is_dir():
        raise UsageError(f"--plot {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise UsageError(f"--plot {path} is a folder")


def plot(experiment: Experiment, report: Report, path: Path) -> None:
    """
    Draw it into a file, whose ending says in which format.

    @raise UsageError: see L{check}; or there is nothing to draw, or the file cannot be written.
    """
    check(path)
    if not report.series:
        raise UsageError(f"--plot: {report.experiment} has no series to draw")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels: dict[str, list[Line]] = {}
    for line in lines(report):
        panels.setdefault(line.base, []).append(line)
    known = list(_TITLES)
    order = sorted(panels, key=lambda base: known.index(base) if base in known else len(known))
    latest = max(points[-1][0] for one in panels.values() for line in one if (points := line.points))
    unit = 60.0 if latest >= _LONG and not experiment.axis else 1.0
    columns = min(_COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(6.2 * columns, 2.9 * rows + 1.3), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False, sharex=True).flat)
    settle = report.parameters.get("settle") or 0.0
    settle = settle if settle < latest and not experiment.axis else 0.0
    for axis, base in zip(axes, order, strict=False):
        _panel(axis, base, panels[base], unit, experiment.sides(), settle)
        _mark(axis, report, base, unit)
        if experiment.axis and latest > 10:
            # Sizes grow by factors, not by steps.
            axis.set_xscale("log")
    for axis in axes[len(order):]:
        axis.set_visible(False)
    for axis in axes[max(0, len(order) - columns) : len(order)]:
        axis.tick_params(labelbottom=True)
        axis.set_xlabel(experiment.axis or ("virtual minutes" if unit > 1 else "virtual seconds"))
    figure.suptitle(_heading(experiment, report), fontsize=10, x=0.01, ha="left")
    if experiment.sides():
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=2, frameon=False, fontsize=10)
    try:
        figure.savefig(path, dpi=130)
    except (OSError, ValueError) as problem:
        raise UsageError(f"--plot {path} cannot be written ({problem})") from problem


def _panel(axis: Any, base: str, all_: list[Line], unit: float, sides: Mapping[str, str], settle: float) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    for side in sorted({line.side for line in all_}):
        several = [line for line in all_ if line.side == side]
        mean = meanOf(several) if len(several) > 1 else []
        colour = _COLOURS[side]
        for at, line in enumerate(several):
            axis.plot(
                [when / unit for when, _ in line.points], [value for _, value in line.points], color=colour, linestyle=_DASHES[side],
                alpha=0.28 if mean else 0.9, linewidth=0.9 if mean else 1.5,
                marker="o" if len(line.points) < 40 and not mean else "", markersize=3,
                label=sides.get(side, side) if at == 0 and not mean else None,
            )
        if mean:
            axis.plot(
                [when / unit for when, _ in mean], [value for _, value in mean], color=colour, linestyle=_DASHES[side], linewidth=2.2,
                label=sides.get(side, side),
            )
    title, counted = _TITLES.get(base, (base.replace("_", " ").capitalize(), ""))
    axis.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axis.set_ylabel(counted, fontsize=8, color=_MARK)
    axis.grid(alpha=0.25, linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    axis.margins(x=0.01)
    if settle:
        axis.axvspan(0, settle / unit, color="#000000", alpha=0.06, linewidth=0)
        axis.annotate("settling", (settle / unit, 0.02), xycoords=("data", "axes fraction"), xytext=(-3, 0), textcoords="offset points",
                      ha="right", va="bottom", fontsize=8, color=_MARK)
    values = [value for line in all_ for when, value in line.points if when > settle] or [1.0]
    if any(values) and min(values) >= 0 and max(values) <= 1:
        # A share is read as one; where it never falls far, what there is of it is shown.
        low = 0.0 if min(values) < 0.5 else math.floor(20 * min(values) - 0.5) / 20
        axis.set_ylim(low, 1 + 0.04 * (1 - low))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    elif min(values) >= 0:
        axis.set_ylim(0, 1.12 * max(values) or 1.0)
        axis.yaxis.set_major_locator(MaxNLocator(6, integer=all(value == int(value) for value in values)))


def _mark(axis: Any, report: Report, base: str, unit: float) -> None:
    """What happened, and what was aimed at."""
    for label, when in marks(report).items():
        axis.axvline(when / unit, color=_MARK, linestyle="--", linewidth=1.1)
        axis.annotate(
            label, (when / unit, 0.02), xycoords=("data", "axes fraction"), xytext=(3, 0), textcoords="offset points", va="bottom",
            fontsize=8, color=_MARK,
        )
    for target in report.targets:
        bound = re.fullmatch(r"[<>]= (\S+)", target["bound"])
        if target["figure"] == base and bound is not None:
            axis.axhline(float(bound[1]), color=_MARK, linestyle=":", linewidth=1.1)
            axis.annotate(
                f"target of the mean: {target['bound']}", (1.0, float(bound[1])), xycoords=("axes fraction", "data"), xytext=(0, -2),
                textcoords="offset points", ha="right", va="top", fontsize=7, color=_MARK,
            )


def _heading(experiment: Experiment, report: Report) -> str:
    """What was run: the parameters that are not the default ones."""
    changed = [
        f"{optionOf(field.name)} {getattr(experiment, field.name):g}" if isinstance(field.default, float)
        else f"{optionOf(field.name)} {getattr(experiment, field.name)}"
        for field in attrs.fields(type(experiment)) if getattr(experiment, field.name) != field.default
    ]
    seeds = report.parameters.get("seeds", 1)
    said = f"seed {report.seed}" if seeds == 1 else f"seeds {report.seed} to {report.seed + seeds - 1} (thin; their mean bold)"
    lines, room = [f"superpeer lab {report.experiment}, {said}, superpeer {report.version}"], 110
    for word in changed:
        if len(lines) > 1 and len(lines[-1]) + len(word) < room:
            lines[-1] += f", {word}"
        else:
            lines.append(word)
    return "\n".join(lines)
