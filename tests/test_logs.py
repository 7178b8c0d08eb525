"""How events are written."""

import io
import json

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
