"""
What a user can set, and from where: the command line, then the environment, then a TOML file, then the default.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from overlay.errors import UsageError
from overlay.policy import DEFAULTS, nearest
from overlay.settings import Beats

ENVIRONMENT = "SUPERPEER_"


@attrs.frozen(slots=True)
class Option:
    """
    One option.

    @ivar name: on the command line without the dashes, and in the TOML file.
    @ivar default: a string, or a tuple for one that may be given several times.
    @ivar separator: between several values in the environment.
    @ivar metavar: what stands for the value in help.
    """

    name: str
    default: str | tuple[str, ...] | None
    metavar: str
    help: str
    separator: str = ","

    @property
    def repeatable(self) -> bool:
        return isinstance(self.default, tuple)

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return ENVIRONMENT + self.name.upper().replace("-", "_")


OPTIONS: tuple[Option, ...] = (
    Option("share", (), "DIR", "A folder to share; may be given several times.", os.pathsep),
    Option("exclude", (), "PATTERN", "Leave out files and folders of this name or path (as in *.bak); several times."),
    Option("data", None, "DIR", "Where this peer keeps its state [default: $XDG_STATE_HOME/superpeer]."),
    Option("listen", "tcp:7116", "ENDPOINT", "Where other peers connect."),
    Option("advertise", (), "HOST:PORT", "The address at which others reach this peer; several times."),
    Option("console", "tcp:7117:interface=127.0.0.1", "ENDPOINT", "Where people and programs search: loopback or unix:PATH."),
    Option("metrics", None, "ENDPOINT", "Serve Prometheus metrics there."),
    Option("join", None, "STRING", "An invitation, as 'superpeer invite' prints it."),
    Option("peer", (), "HOST:PORT", "A peer to begin with; several times."),
    Option(
        "discovery", (), "NAME[:key=value,...]", "A further way to find peers, as in list:file=PATH, dns:name=HOST or mdns; several times.",
        " ",
    ),
    Option("network", None, "NAME", "The network: NAME for a closed one of your own, open:NAME for an open one."),
    Option("stem", None, "LANGUAGE", "Found a network that finds words by their stems, as in --stem english; its invitations say so."),
    Option("role", "auto", "ROLE", "auto, leaf (never serve) or super (serve whenever others allow)."),
    Option("homes", "2", "K", "Super-peers to register with."),
    Option("keep-alive", "", "KEY=SECONDS,...", "Signs of life, and silence borne: super, suspect, home, leaf, suspect-home, dead."),
    Option("text-limit", "4096", "BYTES", "Most bytes of each file's text to share; 0 for names and words only."),
    *(
        Option(point, DEFAULTS[point], "NAME[:key=value,...]", help)
        for point, help in (
            ("election", "The plugin that decides who serves."),
            ("reputation", "The plugin that decides how far each peer is trusted."),
            ("rate-limit", "The plugin that decides how much each peer may ask."),
            ("router", "The plugin that decides which neighbours a search goes to."),
            ("ranking", "The plugin that decides in which order hits are shown."),
            ("store", "The plugin that keeps registrations."),
        )
    ),
    Option("plugin-dir", (), "DIR", "A folder with plugin files of your own; several times.", os.pathsep),
    Option("config", None, "FILE", "A TOML file with any of these options."),
    Option("log-format", "text", "FORMAT", "text or json."),
)
"""All options, in the order of the help text."""

BY_NAME: dict[str, Option] = {one.name: one for one in OPTIONS}


def defaultData(environment: Mapping[str, str]) -> Path:
    """The folder for a peer's state, after the XDG base directory specification."""
    state = environment.get("XDG_STATE_HOME", "")
    base = Path(state) if state.startswith("/") else Path(environment.get("HOME") or Path.home()) / ".local" / "state"
    return base / "superpeer"


def fromEnvironment(environment: Mapping[str, str]) -> dict[str, Any]:
    """
    Values of C{SUPERPEER_...} variables by option name.

    @raise UsageError: a variable fits no option.
    """
    values: dict[str, Any] = {}
    known = {one.variable: one for one in OPTIONS}
    for variable, text in sorted(environment.items()):
        if not variable.startswith(ENVIRONMENT):
            continue
        if variable not in known:
            raise UsageError(f"the environment has an unknown {variable}{nearest(variable, known)}")
        option = known[variable]
        if option.name == "console" and not _isEndpoint(text):
            continue
        values[option.name] = tuple(filter(None, text.split(option.separator))) if option.repeatable else text
    return values


def _isEndpoint(text: str) -> bool:
    """C{SUPERPEER_CONSOLE} also tells the client where the console is, as C{HOST:PORT}; that is not for the daemon."""
    return text.split(":", 1)[0] in ("tcp", "tcp4", "tcp6", "unix", "systemd", "fd")


def fromFile(path: Path) -> dict[str, Any]:
    """
    Values of a TOML file by option name; folders in it are relative to the file.

    @raise UsageError: it cannot be read, is no TOML, or has an unknown key or a wrong type.
    """
    try:
        loaded = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise UsageError(f"the config file {path} cannot be read ({problem.strerror})") from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise UsageError(f"the config file {path} is damaged ({problem})") from problem
    values: dict[str, Any] = {}
    for key, value in loaded.items():
        option = BY_NAME.get(key)
        if option is None or key == "config":
            raise UsageError(f"the config file {path} has an unknown key {key!r}{nearest(key, BY_NAME)}")
        if option.repeatable:
            several = value if isinstance(value, list) else [value]
            if not all(isinstance(one, str) for one in several):
                raise UsageError(f"the config file {path}: {key} must be a list of strings")
            values[key] = tuple(several)
        elif isinstance(value, bool) or not isinstance(value, str | int):
            raise UsageError(f"the config file {path}: {key} must be a string or a number")
        else:
            values[key] = str(value)
    for key in ("share", "plugin-dir"):
        if key in values:
            values[key] = tuple(str(path.parent / Path(one).expanduser()) for one in values[key])
    if "data" in values:
        values["data"] = str(path.parent / Path(values["data"]).expanduser())
    return values


def merged(flags: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """
    The value of every option.

    @param flags: what the command line gave, by option name.
    @raise UsageError: the environment or the file is wrong.
    """
    surroundings = fromEnvironment(environment)
    config = flags.get("config") or surroundings.get("config")
    file = fromFile(Path(config)) if config else {}
    whole: dict[str, Any] = {}
    for option in OPTIONS:
        for source in (flags, surroundings, file):
            if source.get(option.name) not in (None, ()):
                whole[option.name] = source[option.name]
                break
        else:
            whole[option.name] = option.default
    return whole


BEATS = {
    "super": "keepAlive", "suspect": "suspect", "home": "home", "leaf": "leaf", "suspect-home": "suspectHome", "dead": "dead",
}
"""The words of C{--keep-alive}, and what they set."""


def beatsOf(text: str) -> Beats:
    """
    @param text: as in C{super=2,dead=30}; what is not named follows from C{super} in the proportions of the defaults.
    @raise UsageError: a word is unknown, a number is none, or they do not go together.
    """
    given: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        word, _, number = part.partition("=")
        if word not in BEATS:
            raise UsageError(f"--keep-alive has no {word!r}{nearest(word, BEATS)}")
        try:
            given[BEATS[word]] = float(number)
        except ValueError as problem:
            raise UsageError(f"--keep-alive {word} must be a number of seconds, not {number!r}") from problem
    try:
        return Beats(**given)
    except UsageError as problem:
        said = str(problem).replace("keepAlive", "super").replace("suspectHome", "suspect-home")
        raise UsageError(f"--keep-alive: {said}") from problem


def wholeNumber(values: Mapping[str, Any], name: str) -> int:
    """
    @raise UsageError: the option's value is no whole number.
    """
    try:
        return int(values[name])
    except ValueError as problem:
        raise UsageError(f"--{name} must be a whole number, not {values[name]!r}") from problem
