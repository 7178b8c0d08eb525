"""Looks whether a class that a user has written is an experiment."""

import inspect

from overlay.lab.experiment import Experiment, Target

OPTIONS = ("help", "seed", "seeds", "jobs", "json", "plot", "plugin_dir")
"""What each experiment has anyway."""


def amiss(kind: type[Experiment]) -> str:
    """
    @return: what is wrong with it, as the end of a sentence that begins with its name; empty if it is one.
    """
    if not kind.name or not isinstance(kind.name, str):
        return "must have a name"
    if "__attrs_attrs__" not in vars(kind):
        return "must be made with @attrs.define(kw_only=True)"
    for _, one in kind.options():
        if "help" not in one.metadata:
            return f"must have parameter(...) for its field {one.name!r}, or ClassVar for its type if it is none"
        if one.name in OPTIONS:
            return f"must not call a parameter {one.name!r}: that is an option of every experiment"
    if kind.run is Experiment.run or not callable(kind.run):
        return "must have a method run(self, seed, measured)"
    try:
        inspect.signature(kind.run).bind(None, 1, None)
    except TypeError:
        return f"must have a method run(self, seed, measured), not run{inspect.signature(kind.run)}"
    targets = kind.targets
    if not isinstance(targets, tuple | list) or not all(isinstance(one, Target) for one in targets):
        return "must have a tuple of Target for its targets, as (Target(\"found\", low=1),)"
    without = [one.figure for one in targets if one.low is None and one.high is None]
    return f"must say low or high in its target {without[0]!r}" if without else ""
