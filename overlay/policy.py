"""
Finds plugins and builds them from C{name:key=value,...}.

The modules of C{overlay.plugins} are imported one by one rather than through C{twisted.plugin.getPlugins}, which finds the same
objects but passes over a file that fails, and over a class where an instance is meant, without a word.
"""

import difflib
import importlib
import inspect
import random
import sys
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementedBy, implementer
from zope.interface.exceptions import Invalid
from zope.interface.verify import verifyObject

from overlay.errors import SuperpeerError, UsageError
from overlay.identity.ids import PeerId
from overlay.interfaces import POINTS, IPolicyPlugin
from overlay.storage import IStorage

DEFAULTS = {
    "election": "fittest",
    "reputation": "beta",
    "rate-limit": "tokens",
    "router": "summary",
    "ranking": "bm25",
    "store": "lmdb",
}
"""The plugin of each point that is used unless another is named."""

ALWAYS = ("join", "peer", "cache")
"""The discoveries that are in use beside those that are named."""

PLUGIN_PACKAGE = "overlay.plugins"


def isDefault(point: str, name: str) -> bool:
    """Whether a plugin is used unless something else is said."""
    return name in ALWAYS if point == "discovery" else DEFAULTS.get(point) == name


class MissingPlugin(UsageError):
    """There is no plugin of this name."""


class BadPlugin(UsageError):
    """A plugin cannot be used."""


_LOG = Logger(namespace="superpeer.policy")


@attrs.frozen(slots=True)
class PolicySurroundings:
    """
    What a policy may use: a plugin takes it as a first argument named C{surroundings}.

    @ivar clock: monotonic time.
    @ivar storage: for what should outlive the process.
    """

    clock: IReactorTime
    random: random.Random
    peerId: PeerId
    storage: IStorage
    log: Logger = _LOG


@implementer(IPolicyPlugin)
class PolicyPlugin:
    """
    Makes a plugin of a class: the arguments that users may give are the keyword arguments of its C{__init__}, converted by
    their annotations (C{int}, C{float}, C{bool}, C{str}).

    @ivar point: a key of L{POINTS}.
    @ivar target: the class, or where it is (C{"package.module:Class"}) if importing it is heavy.
    @ivar stateless: whether its objects remember nothing, so that one of them serves all peers of a process that ask for the same.
    """

    def __init__(self, point: str, name: str, target: Callable[..., Any] | str, help: str, stateless: bool = False) -> None:
        if point not in POINTS:
            raise BadPlugin(f"{name}: there is no plugin point {point!r}; there are {', '.join(POINTS)}")
        self.point = point
        self.name = name
        self.help = help
        self.stateless = stateless
        self._shared: dict[tuple[tuple[str, str], ...], Any] = {}
        self._target = target
        self._signature: Mapping[str, inspect.Parameter] | None = None

    def __repr__(self) -> str:
        return f"<{self.point} plugin {self.name}>"

    @property
    def target(self) -> Callable[..., Any]:
        if isinstance(self._target, str):
            module, _, name = self._target.partition(":")
            self._target = typing.cast(Callable[..., Any], getattr(importlib.import_module(module), name))
        return self._target

    def _whole(self) -> Mapping[str, inspect.Parameter]:
        if self._signature is None:
            self._signature = inspect.signature(self.target).parameters
        return self._signature

    def _parameters(self) -> dict[str, inspect.Parameter]:
        return {name: one for name, one in self._whole().items() if name != "surroundings" and one.kind in _NAMED}

    @property
    def argFormat(self) -> str:
        return ",".join(
            name if one.default is inspect.Parameter.empty else f"{name}={one.default}"
            for name, one in self._parameters().items()
        )

    def convert(self, arguments: Mapping[str, str]) -> dict[str, Any]:
        """
        The words of the command line as the types that the class wants.

        @raise UsageError: an argument is unknown, missing, or of a wrong type.
        """
        parameters = self._parameters()
        given: dict[str, Any] = {}
        hints = {}
        if arguments:
            hints = typing.get_type_hints(self.target.__init__ if inspect.isclass(self.target) else self.target)
        for name, text in arguments.items():
            if name not in parameters:
                raise UsageError(f"{self.point} {self.name} has no argument {name!r}{nearest(name, parameters)}")
            given[name] = _convert(text, hints.get(name, str), f"{self.point} {self.name}: {name}")
        for name, one in parameters.items():
            if one.default is inspect.Parameter.empty and name not in given:
                raise UsageError(f"{self.point} {self.name} needs the argument {name}=...")
        return given

    def build(self, surroundings: PolicySurroundings, arguments: Mapping[str, str]) -> Any:
        if not self.stateless:
            return self._make(surroundings, arguments)
        asked = tuple(sorted(arguments.items()))
        if asked not in self._shared:
            self._shared[asked] = self._make(surroundings, arguments)
        return self._shared[asked]

    def _make(self, surroundings: PolicySurroundings, arguments: Mapping[str, str]) -> Any:
        given = self.convert(arguments)
        if "surroundings" in self._whole():
            given["surroundings"] = surroundings
        try:
            return self.target(**given)
        except SuperpeerError:
            raise
        except (TypeError, ValueError) as problem:
            raise UsageError(f"{self.point} {self.name}: {problem}") from problem


_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_TRUTHS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}


def _convert(text: str, kind: type, what: str) -> Any:
    try:
        if kind is bool:
            return _TRUTHS[text.lower()]
        return kind(text) if kind in (int, float) else text
    except (ValueError, KeyError) as problem:
        wanted = {bool: "yes or no", int: "a whole number", float: "a number"}[kind]
        raise UsageError(f"{what} must be {wanted}, not {text!r}") from problem


def nearest(word: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    """The end of an error message: what may have been meant, and what there is."""
    close = difflib.get_close_matches(word, list(known), 1, 0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are: {', '.join(known)}" if known else "; there are none"


def parseSpec(spec: str) -> tuple[str, dict[str, str]]:
    """
    Take C{name:key=value,key=value} apart.

    @raise UsageError: a part is not C{key=value}, or a key comes twice.
    """
    name, _, rest = spec.strip().partition(":")
    arguments: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"in {spec!r}: {part!r} is not key=value")
        if key.strip() in arguments:
            raise UsageError(f"in {spec!r}: {key.strip()!r} is given twice")
        arguments[key.strip()] = value.strip()
    if not name:
        raise UsageError(f"{spec!r} names no plugin")
    return name, arguments


@attrs.frozen(slots=True)
class ListedPlugin:
    """
    One plugin that was found, and the file that it came from.

    @ivar shipped: whether it came with this program, and not from a folder of the operator's.
    """

    plugin: Any
    file: str
    shipped: bool = False

    @property
    def point(self) -> str:
        return self.plugin.point

    @property
    def name(self) -> str:
        return self.plugin.name

    @property
    def help(self) -> str:
        return self.plugin.help

    @property
    def argFormat(self) -> str:
        return self.plugin.argFormat


@attrs.frozen(slots=True)
class Catalogue:
    """
    @ivar plugins: all that can be used, by point and name.
    @ivar problems: a sentence for each file, class or object that cannot, naming the file.
    """

    plugins: tuple[ListedPlugin, ...]
    problems: tuple[str, ...]

    def find(self, point: str, name: str) -> ListedPlugin:
        """
        @raise MissingPlugin: there is none; the message lists what exists and what could not be loaded.
        """
        here = {one.name: one for one in self.plugins if one.point == point}
        if name not in here:
            also = "".join(f"; {problem}" for problem in self.problems)
            raise MissingPlugin(f"there is no {point} plugin {name!r} (there are: {', '.join(sorted(here))}){also}")
        return here[name]

    def joined(self, plugins: Iterable[PolicyPlugin]) -> "Catalogue":
        """This catalogue with further plugins, which take the place of those of their name."""
        more = tuple(ListedPlugin(one, "the caller") for one in plugins)
        names = {(one.point, one.name) for one in more}
        kept = tuple(one for one in self.plugins if (one.point, one.name) not in names)
        return Catalogue((*kept, *more), self.problems)


def addPluginFolder(folder: Path) -> None:
    """
    Let the modules in C{folder} be plugins.

    @raise UsageError: it is not a folder.
    """
    if not folder.is_dir():
        raise UsageError(f"the plugin folder {folder} is not there")
    package = importlib.import_module(PLUGIN_PACKAGE)
    path = str(folder.resolve())
    if path not in package.__path__:
        package.__path__.append(path)
        importlib.invalidate_caches()


def findPlugins() -> Catalogue:
    """Import every module of C{overlay.plugins} and collect what it offers."""
    found: dict[tuple[str, str], ListedPlugin] = {}
    problems: list[str] = []
    seen: dict[str, str] = {}
    for short, file in _pluginFiles():
        if short in seen:
            problems.append(f"{file} is not loaded, since {seen[short]} has the same module name")
            continue
        seen[short] = file
        if not short.isidentifier():
            problems.append(f"{file} cannot be imported: rename it so that it has only letters, digits and _")
            continue
        try:
            module = importlib.import_module(f"{PLUGIN_PACKAGE}.{short}")
        except Exception as problem:  # whatever a stranger's file raises must not stop the peer
            sys.modules.pop(f"{PLUGIN_PACKAGE}.{short}", None)
            problems.append(f"{file} fails: {type(problem).__name__}: {problem}")
            continue
        _collect(module, file, found, problems)
    ordered = sorted(found.values(), key=lambda one: (list(POINTS).index(one.point), one.name))
    return Catalogue(tuple(ordered), tuple(problems))


def _pluginFiles() -> list[tuple[str, str]]:
    """Module name and file of everything in the plugin package's folders that may be a plugin, in the order of the path."""
    found = []
    for folder in map(Path, importlib.import_module(PLUGIN_PACKAGE).__path__):
        files = [*folder.glob("*.py"), *folder.glob("*/__init__.py")] if folder.is_dir() else []
        named = [(one.parent.name if one.name == "__init__.py" else one.stem, str(one)) for one in files]
        found.extend(sorted(one for one in named if not one[0].startswith("_") and one[1] != str(folder / "__init__.py")))
    return found


def _shippedFolder() -> Path:
    """Where the plugins lie that ship; folders that are added come after it."""
    return Path(importlib.import_module(PLUGIN_PACKAGE).__path__[0])


def _collect(
    module: ModuleType, file: str, found: dict[tuple[str, str], ListedPlugin], problems: list[str]
) -> None:
    offered = False
    for value in list(vars(module).values()):
        if inspect.isclass(value) or not IPolicyPlugin.providedBy(value):
            continue
        offered = True
        try:
            verifyObject(IPolicyPlugin, value)
            key = (value.point, value.name)
            if value.point not in POINTS:
                raise BadPlugin(f"unknown point {value.point!r}")
        except (Invalid, BadPlugin) as problem:
            problems.append(f"{file}: {value!r} is no plugin: {' '.join(str(problem).split())}")
            continue
        if key in found and found[key].plugin is not value:
            problems.append(f"{file}: {value.point} {value.name} is already defined by {found[key].file}")
            continue
        found[key] = ListedPlugin(value, file, Path(file).parent == _shippedFolder())
    if not offered:
        made = [
            one.__name__
            for one in vars(module).values()
            if inspect.isclass(one)
            and one.__module__ == module.__name__
            and any(point in implementedBy(one) for point in (*POINTS.values(), IPolicyPlugin))
        ]
        if made:
            problems.append(f"{file} has the class {made[0]} but no PolicyPlugin(...) made of it")


def listPlugins() -> tuple[ListedPlugin, ...]:
    """Every plugin of every point."""
    return findPlugins().plugins
