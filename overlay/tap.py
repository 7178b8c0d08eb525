"""The options and the service of C{twistd superpeer}."""

import os
import sys
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Any

from twisted.application.service import IService
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import ReactorNotRunning
from twisted.python import usage

from overlay import __version__
from overlay.daemon import Plan, SuperpeerService
from overlay.errors import SuperpeerError, UsageError
from overlay.identity.invitation import Invitation
from overlay.identity.network import Network
from overlay.index.dialect import analysisOf, dialectOf
from overlay.options import BY_NAME, OPTIONS, beatsOf, defaultData, merged, wholeNumber
from overlay.policy import DEFAULTS, addPluginFolder, findPlugins, isDefault, nearest, parseSpec
from overlay.settings import Settings
from overlay.wire.address import parseAddress


def _collector(name: str, help: str) -> Callable[["Options", str], None]:
    """A method of L{Options} for an option that may be given several times."""

    def collect(self: "Options", value: str) -> None:
        self[name] = (*self[name], value)

    collect.__doc__ = help
    return collect


class Options(usage.Options):
    """
    The options of C{twistd superpeer}.

    @ivar plan: once parsed, what they come to.
    """

    synopsis = "[options]"
    longdesc = (
        "One peer of a search network without a server: it shares your folders, finds other peers, and answers searches"
        " on a local console (see 'superpeer search --help'). Each option may also be set in the environment, as in"
        " SUPERPEER_TEXT_LIMIT=0, or in a TOML file given with --config."
    )
    optParameters = [
        [one.name, None, None, one.help + (f" [default: {one.default}]" if one.default else "")]
        for one in OPTIONS
        if not one.repeatable
    ]
    optFlags = [["help-plugins", None, "List the plugins of every plugin point, and exit."]]
    plan: Plan

    def __init__(self) -> None:
        super().__init__()
        for one in OPTIONS:
            if one.repeatable:
                self[one.name] = ()

    def parseOptions(self, options: Any = None) -> None:
        try:
            super().parseOptions(options)
        except usage.UsageError as problem:
            # Of a UsageError twistd would print all options, and what is wrong below them.
            raise SystemExit(f"superpeer: {_explained(str(problem))}; twistd superpeer --help lists the options") from None

    def parseArgs(self, *rest: str) -> None:
        if rest:
            raise usage.UsageError(f"unexpected argument {rest[0]!r}{nearest(rest[0], ['--' + name for name in BY_NAME])}")

    def opt_version(self) -> None:
        """Print the version and exit."""
        print(f"superpeer {__version__}")
        raise SystemExit(0)

    def postOptions(self) -> None:
        try:
            values = merged({name: self[name] for name in BY_NAME}, os.environ)
            for folder in values["plugin-dir"]:
                addPluginFolder(Path(folder).expanduser())
            if self["help-plugins"]:
                _printPlugins()
                raise SystemExit(0)
            self.plan = planOf(values)
        except UsageError as problem:
            raise usage.UsageError(str(problem)) from problem


for _option in OPTIONS:
    if _option.repeatable:
        setattr(Options, "opt_" + _option.name.replace("-", "_"), _collector(_option.name, _option.help))


def _explained(message: str) -> str:
    """getopt's message, with the nearest option that exists."""
    words = message.split()
    if message.startswith("option --") and "not recognized" in message:
        return message + nearest(words[1].lstrip("-"), [*BY_NAME, "help-plugins", "help", "version"])
    return message


def _printPlugins() -> None:
    catalogue = findPlugins()
    for one in catalogue.plugins:
        chosen = " (default)" if isDefault(one.point, one.name) else ""
        print(f"--{one.point} {one.name}{chosen}: {one.help}")
        print(f"    arguments: {one.argFormat or 'none'}")
        print(f"    from {one.file}")
    for problem in catalogue.problems:
        print(f"not usable: {problem}")


def planOf(values: dict[str, Any]) -> Plan:
    """
    Check every value.

    @param values: of every option in L{OPTIONS}.
    @raise UsageError: a value is wrong; the message names it.
    """
    shares = tuple(Path(one).expanduser() for one in values["share"])
    for folder in shares:
        _checkFolder(folder)
    for name in ("listen", "console", "metrics"):
        if values[name] is not None:
            _checkEndpoint(name, values[name])
    _checkLoopback(values["console"])
    for name in ("peer", "advertise"):
        for address in values[name]:
            parseAddress(address, f"--{name}")
    if values["log-format"] not in ("text", "json"):
        raise UsageError(f"--log-format must be text or json, not {values['log-format']!r}")
    if values["role"] not in ("auto", "leaf", "super"):
        raise UsageError(f"--role must be auto, leaf or super, not {values['role']!r}")
    invitation = Invitation.parse(values["join"]) if values["join"] is not None else None
    if values["network"] is not None:
        Network.open(values["network"])
    if values["stem"] is not None:
        analysisOf(dialectOf(values["stem"]))
    specs = {point: values[point] for point in DEFAULTS}
    catalogue = findPlugins()
    for point, spec in [*specs.items(), *(("discovery", one) for one in values["discovery"])]:
        name, arguments = parseSpec(spec)
        plugin = catalogue.find(point, name).plugin
        if hasattr(plugin, "convert"):
            plugin.convert(arguments)
    settings = Settings(
        role=values["role"],
        homes=wholeNumber(values, "homes"),
        textLimit=wholeNumber(values, "text-limit"),
        beats=beatsOf(values["keep-alive"]),
        advertise=tuple(values["advertise"]),
    )
    return Plan(
        data=Path(values["data"]).expanduser() if values["data"] else defaultData(os.environ),
        shares=shares,
        exclude=tuple(values["exclude"]),
        listen=values["listen"],
        console=values["console"],
        metrics=values["metrics"],
        invitation=invitation,
        peers=tuple(values["peer"]),
        networkName=values["network"],
        stem=values["stem"],
        settings=settings,
        specs=specs,
        discovery=tuple(values["discovery"]),
        logFormat=values["log-format"],
    )


def _checkFolder(folder: Path) -> None:
    if not folder.is_dir():
        raise UsageError(f"the share folder {folder} is not there" if not folder.exists() else f"{folder} is not a folder")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise UsageError(f"the share folder {folder} cannot be read")


def _checkEndpoint(name: str, text: str) -> None:
    from twisted.internet import reactor

    try:
        serverFromString(reactor, text)
    except Exception as problem:  # each endpoint parser raises what it likes
        raise UsageError(f"--{name} {text!r} is not an endpoint ({problem}); one is tcp:7116") from problem


def _checkLoopback(text: str) -> None:
    kind, _, rest = text.partition(":")
    if kind not in ("tcp", "tcp4", "tcp6"):
        return
    host = ""
    for part in rest.replace("\\:", "\0").split(":"):
        if part.startswith("interface="):
            host = part.removeprefix("interface=").replace("\0", ":")
    try:
        loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise UsageError(f"--console {text!r} is open to other machines: add :interface=127.0.0.1, or use unix:PATH")


def _sayInOneLine(
    kind: type[BaseException], problem: BaseException, trace: TracebackType | None
) -> None:
    """An error that a user can mend is a line, not a traceback; everything else stays as it was."""
    if issubclass(kind, SuperpeerError):
        print(f"superpeer: {problem}", file=sys.__stderr__, flush=True)
    else:
        sys.__excepthook__(kind, problem, trace)


def stopOnce(reactor: Any) -> None:
    """A second signal, as when one comes while the peer still starts, asks for what happens anyway: it is no error."""
    stop = reactor.stop

    def stopOnceMore() -> None:
        try:
            stop()
        except ReactorNotRunning:
            return

    reactor.stop = stopOnceMore


def makeService(options: Options) -> IService:
    """What C{twistd} runs."""
    from twisted.internet import reactor

    stopOnce(reactor)
    sys.excepthook = _sayInOneLine
    parent: Any = options.parent or {}
    return SuperpeerService(reactor, options.plan, logFile=parent.get("logfile"), foreground=bool(parent.get("nodaemon")))
