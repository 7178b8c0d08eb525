"""
Makes pytest with pytest-twisted as strict as trial: a logged failure, a Deferred's unhandled error, a leaked timer or an open port fails
the test that left it.

What runs a large network for long is marked C{no_cover}: it takes three times as long where lines are counted, and smaller tests run
the same lines.
"""

import gc
import importlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from twisted.logger import globalLogPublisher
from xdist.scheduler import LoadFileScheduling

SYSTEM = "tests/system/"

settings.register_profile(
    "suite", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.load_profile("suite")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[object]:
    """pytest-twisted wraps a property's inner test at each call, so a parametrized one would be wrapped in itself."""
    handle = getattr(pyfuncitem.obj, "hypothesis", None)
    inner = handle and handle.inner_test
    try:
        return (yield)
    finally:
        if handle is not None:
            handle.inner_test = inner


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """Where several processes share the tests by files, one of them has all that start real peers: these wait for what takes its time."""
    return Shared(config, log) if config.getoption("dist") == "loadfile" else None


class Shared(LoadFileScheduling):
    """One process runs all tests of a file, which may share what they have made, and one all of those with real peers."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return SYSTEM if file.startswith(SYSTEM) else file


@pytest.fixture(autouse=True, scope="module")
def past() -> None:
    """What is there before a file's tests stays until the end, so the searches for garbage around each of them need not go through it."""
    gc.collect()
    gc.freeze()


class LoggedFailures(list):
    """The failures logged while a test ran; a test that expects some takes them out with L{flush}."""

    def flush(self, *kinds: type[BaseException]) -> list[BaseException]:
        """Take out and return the failures of these kinds (all, if none is given)."""
        taken = [one for one in self if not kinds or isinstance(one, kinds)]
        self[:] = [one for one in self if one not in taken]
        return taken


@pytest.fixture(autouse=True)
def loggedFailures() -> Iterator[LoggedFailures]:
    """No failure may be logged unless the test flushes it."""
    gc.collect()
    seen = LoggedFailures()

    def observe(event: dict) -> None:
        if "log_failure" in event:
            seen.append(event["log_failure"].value)

    globalLogPublisher.addObserver(observe)
    try:
        yield seen
        gc.collect()
    finally:
        globalLogPublisher.removeObserver(observe)
    assert not seen, f"failures were logged: {list(seen)!r}"


@pytest.fixture(autouse=True)
def cleanReactor() -> Iterator[None]:
    """No timer and no port of the real reactor outlives a test."""
    from twisted.internet import reactor, tcp, unix

    before = {id(call) for call in reactor.getDelayedCalls()}  # type: ignore[attr-defined]
    yield
    left = [call for call in reactor.getDelayedCalls() if id(call) not in before]  # type: ignore[attr-defined]
    for call in left:
        call.cancel()
    ports = [one for one in reactor.getReaders() if isinstance(one, tcp.Port | unix.Port)]  # type: ignore[attr-defined]
    for port in ports:
        port.stopListening()
    assert not left, f"timers were left: {left!r}"
    assert not ports, f"ports were left open: {ports!r}"


@pytest.fixture(autouse=True)
def pluginFolders() -> Iterator[None]:
    """A plugin folder that a test adds is forgotten after it, with the modules that came from there."""
    package = importlib.import_module("overlay.plugins")
    paths, modules = list(package.__path__), set(sys.modules)
    yield
    package.__path__[:] = paths
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], "__file__", None)
        if name.startswith("overlay.plugins.") and not (file and any(file.startswith(path) for path in paths)):
            del sys.modules[name]
            vars(package).pop(name.rpartition(".")[2], None)
