"""How events are written."""

import io
import json
import subprocess
import sys

from twisted.logger import Logger, LogPublisher

from overlay.logs import jsonObserver, textObserver


def test_text() -> None:
    """One line for each event of this program; failures with their traceback; nothing of Twisted's own chatter, nothing below info."""
    stream = io.StringIO()
    publisher = LogPublisher(textObserver(stream))
    log = Logger(namespace="superpeer.x", observer=publisher)
    log.info("hello {name}", name="you")
    log.debug("secret")
    Logger(namespace="twisted.internet", observer=publisher).info("starting")
    try:
        raise ValueError("bad")
    except ValueError:
        log.failure("it failed")
    lines = stream.getvalue().splitlines()
    assert lines[0].endswith("info     superpeer.x: hello you") and "it failed" in lines[1]
    assert any("ValueError: bad" in line for line in lines) and "secret" not in stream.getvalue() and "starting" not in stream.getvalue()


def test_json() -> None:
    """One object for each event, with its fields."""
    stream = io.StringIO()
    log = Logger(namespace="superpeer.x", observer=LogPublisher(jsonObserver(stream)))
    log.warn("{count} of {kind}", count=3, kind=b"x")
    row = json.loads(stream.getvalue())
    assert (row["level"], row["text"], row["count"], row["kind"]) == ("warn", "3 of b'x'", 3, "b'x'")


KEPT = """
import gc, warnings
from twisted.logger import Logger
from overlay.logs import keepNoLog
keepNoLog()
keepNoLog()
class Large:
    pass
Logger().info("{large}", large=Large())
Logger().critical("a fault")
warnings.warn("look here")
print(sum(isinstance(one, Large) for one in gc.get_objects(generation=None)))
"""


def test_noLogIsKept() -> None:
    """Nothing that is logged stays in memory; faults and warnings are shown."""
    done = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "0\n" and "a fault" in done.stderr and "look here" in done.stderr
