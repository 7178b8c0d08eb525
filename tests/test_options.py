"""Options: from the command line, the environment and a file, in this order."""

import subprocess
import sys
from pathlib import Path

import pytest

from overlay.errors import UsageError
from overlay.options import OPTIONS, beatsOf, defaultData, fromEnvironment, merged, wholeNumber
from overlay.settings import Beats
from overlay.wire.address import formatAddress, parseAddress


def test_precedence(tmp_path: Path) -> None:
    """A flag beats the environment, the environment beats the file, the file beats the default."""
    config = tmp_path / "c.toml"
    config.write_text('homes = 5\nrole = "leaf"\nrouter = "fromfile"\npeer = ["a:1", "b:2"]\n')
    values = merged(
        {"homes": "7", "config": str(config)}, {"SUPERPEER_HOMES": "6", "SUPERPEER_ROLE": "super", "HOME": "/x"}
    )
    assert [values[name] for name in ("homes", "role", "router", "text-limit", "peer")] == [
        "7", "super", "fromfile", "4096", ("a:1", "b:2"),
    ]


def test_environmentLists() -> None:
    """Several values in one variable: folders are separated as in PATH, the rest by commas."""
    assert fromEnvironment({"SUPERPEER_SHARE": "/a:/b", "SUPERPEER_PEER": "h:1,[::1]:2"}) == {
        "share": ("/a", "/b"), "peer": ("h:1", "[::1]:2"),
    }


def test_clientsConsole() -> None:
    """SUPERPEER_CONSOLE as the client takes it (HOST:PORT) does not disturb the daemon; as an endpoint it counts."""
    assert fromEnvironment({"SUPERPEER_CONSOLE": "127.0.0.1:7117"}) == {}
    assert fromEnvironment({"SUPERPEER_CONSOLE": "unix:/x"}) == {"console": "unix:/x"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hoomes = 3", "did you mean 'homes'"),
        ("homes = [", "is damaged"),
        ("homes = true", "homes must be a string or a number"),
        ("peer = [1]", "peer must be a list of strings"),
        ('config = "x"', "unknown key 'config'"),
    ],
)
def test_badFile(tmp_path: Path, text: str, said: str) -> None:
    """A file that is wrong is refused, naming file and key."""
    config = tmp_path / "c.toml"
    config.write_text(text)
    with pytest.raises(UsageError, match=said) as caught:
        merged({"config": str(config)}, {})
    assert str(config) in str(caught.value)


def test_missingFile() -> None:
    """A file that cannot be read is refused by name."""
    with pytest.raises(UsageError, match=r"/nowhere/c\.toml cannot be read"):
        merged({}, {"SUPERPEER_CONFIG": "/nowhere/c.toml"})


def test_keepAlive() -> None:
    """What is named is set, and the rest follows."""
    assert beatsOf("") == Beats()
    assert beatsOf("super=4,dead=60") == Beats(4.0, dead=60.0)
    assert beatsOf("suspect=6,home=6,leaf=20,suspect-home=12") == Beats(2.0, 6.0, 6.0, 20.0, 12.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("super=10,home=5,dead=20", "--keep-alive: dead must be more than twice super: 20 s is not more than 20 s"),
        ("suspect-home=5", "--keep-alive: suspect-home must be more than home: 5 s is not more than 5 s"),
        ("sper=2", "--keep-alive has no 'sper'; did you mean 'super'?"),
        ("dead=soon", "--keep-alive dead must be a number of seconds, not 'soon'"),
        ("dead=nan", "--keep-alive: dead must be from 0.1 to 7200, not nan"),
    ],
)
def test_badKeepAlive(text: str, said: str) -> None:
    """What does not go together is refused in one line."""
    with pytest.raises(UsageError) as caught:
        beatsOf(text)
    assert str(caught.value) == said


def test_unknownVariable() -> None:
    """An unknown variable names the nearest known one."""
    with pytest.raises(UsageError, match="did you mean 'SUPERPEER_HOMES'"):
        fromEnvironment({"SUPERPEER_HOME": "3"})


def test_foldersInAFile(tmp_path: Path) -> None:
    """Folders in a file are relative to the file."""
    config = tmp_path / "c.toml"
    config.write_text('share = "docs"\ndata = "state"\n')
    values = merged({"config": str(config)}, {})
    assert values["share"] == (str(tmp_path / "docs"),)
    assert values["data"] == str(tmp_path / "state")


def test_defaultData() -> None:
    """State lies where the XDG specification puts it."""
    assert defaultData({"XDG_STATE_HOME": "/s", "HOME": "/h"}) == Path("/s/superpeer")
    assert defaultData({"XDG_STATE_HOME": "relative", "HOME": "/h"}) == Path("/h/.local/state/superpeer")


def test_everyOptionHasHelp() -> None:
    """Every option says what it is for, in a sentence."""
    assert [one.name for one in OPTIONS if not one.help.endswith((".", "]."))] == []


def test_wholeNumber() -> None:
    """A number that is none is refused by the option's name."""
    assert wholeNumber({"homes": "3"}, "homes") == 3
    with pytest.raises(UsageError, match="--homes must be a whole number, not 'x'"):
        wholeNumber({"homes": "x"}, "homes")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("h", ("h", 7116)), ("h:1", ("h", 1)), ("[::1]:2", ("::1", 2)), ("[::1]", ("::1", 7116)),
        ("fe80::1", ("fe80::1", 7116)), (" 1.2.3.4:65535 ", ("1.2.3.4", 65535)),
    ],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    """Names, IPv4 and IPv6, with and without a port."""
    assert parseAddress(text) == expected
    assert parseAddress(formatAddress(*expected)) == expected


@pytest.mark.parametrize("text", ["", ":1", "h:", "h:x", "h:0", "h:65536", "[::1", "[::1]x", "a b:1", "[]:1"])
def test_badAddresses(text: str) -> None:
    """What is no address is refused with the text in the message."""
    with pytest.raises(UsageError, match="--peer"):
        parseAddress(text, "--peer")


TWICE = """
import os, signal
from twisted.internet import reactor
from overlay.tap import stopOnce
stopOnce(reactor)
reactor.callWhenRunning(lambda: [os.kill(os.getpid(), signal.SIGTERM) for _ in range(2)])
reactor.run()
print("stopped")
"""


def test_twoSignals() -> None:
    """Both as the peer starts: it stops, and logs no error."""
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "stopped\n" and "Error" not in done.stderr
