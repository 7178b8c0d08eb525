"""How the log is written: a line of text, or a line of JSON, for each event."""

import json
import sys
import warnings
from datetime import UTC, datetime
from functools import cache
from typing import Any, TextIO

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    globalLogBeginner,
    textFileLogObserver,
)
from zope.interface import implementer

_OWN = frozenset({"log_logger", "log_source", "log_format", "log_time", "log_level", "log_namespace", "log_failure", "log_flattened"})


def _isNoise(event: Any) -> bool:
    """Twisted tells of each factory and port that it starts."""
    level = event.get("log_level", LogLevel.info)
    namespace = str(event.get("log_namespace", ""))
    return level is LogLevel.info and not event.get("isError") and not namespace.startswith("superpeer")


def _textOf(event: Any) -> str:
    text = formatEvent(event)
    failure = event.get("log_failure")
    if failure is not None:
        text = f"{text}\n{failure.getTraceback()}".strip()
    return text


def _timeOf(event: Any) -> str:
    return datetime.fromtimestamp(event.get("log_time", 0.0), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


@implementer(ILogObserver)
class _TextObserver:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: Any) -> None:
        text = _textOf(event)
        if not text or _isNoise(event):
            return
        level = event.get("log_level", LogLevel.info).name
        whole = text.replace("\n", "\n    ")
        self._stream.write(f"{_timeOf(event)} {level:<8} {event.get('log_namespace', '-')}: {whole}\n")
        self._stream.flush()


@implementer(ILogObserver)
class _JsonObserver:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: Any) -> None:
        if _isNoise(event):
            return
        text = _textOf(event)
        row: dict[str, Any] = {
            "time": _timeOf(event),
            "level": event.get("log_level", LogLevel.info).name,
            "namespace": event.get("log_namespace", "-"),
            "text": text,
        }
        for name, value in event.items():
            if name not in _OWN and not name.startswith("log_") and name not in row:
                row[name] = value if isinstance(value, str | int | float | bool | None) else str(value)
        self._stream.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._stream.flush()


def _filtered(observer: Any, level: Any) -> Any:
    return FilteringLogObserver(observer, [LogLevelFilterPredicate(defaultLogLevel=level)])


def textObserver(stream: TextIO, level: Any = LogLevel.info) -> Any:
    """For people: time, level, namespace, text."""
    return _filtered(_TextObserver(stream), level)


def jsonObserver(stream: TextIO, level: Any = LogLevel.info) -> Any:
    """For programs: one JSON object in each line, with the event's own fields."""
    return _filtered(_JsonObserver(stream), level)


@cache
def keepNoLog() -> None:
    """
    For a process of thousands of peers: what they log goes nowhere, but for failures of the program, which go to standard error. Unless it
    is told where a log goes, Twisted keeps the last 65,536 events for whoever may ask.
    """
    faults = FilteringLogObserver(textFileLogObserver(sys.__stderr__ or sys.stderr), [LogLevelFilterPredicate(LogLevel.critical)])
    shown = warnings.showwarning
    globalLogBeginner.beginLoggingTo([faults], discardBuffer=True, redirectStandardIO=False)
    # Warnings of Python stay what they are.
    warnings.showwarning = shown
