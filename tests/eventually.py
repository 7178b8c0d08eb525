"""Coroutine tests on the real reactor, with a bound on their time."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import pytest_twisted
from twisted.internet.defer import Deferred, ensureDeferred


def within(seconds: float) -> Callable[[Callable[..., Coroutine[Any, Any, None]]], Callable[..., Any]]:
    """Run a coroutine test and fail it after C{seconds}, leaving the reactor usable for the next."""

    def decorate(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Any]:
        @wraps(test)
        def run(*args: Any, **kwargs: Any) -> Deferred[None]:
            from twisted.internet import reactor

            return ensureDeferred(test(*args, **kwargs)).addTimeout(seconds, reactor)  # type: ignore[arg-type]

        return pytest_twisted.inlineCallbacks(_once(run))

    return decorate


def pause(seconds: float) -> Deferred[None]:
    """
    @return: fires after so long.
    """
    from twisted.internet import reactor

    waiting: Deferred[None] = Deferred()
    reactor.callLater(seconds, waiting.callback, None)  # type: ignore[attr-defined]
    return waiting


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; L{within} bounds how long."""
    while not holds():
        await pause(0.02)


def _once(run: Callable[..., Deferred[None]]) -> Callable[..., Any]:
    @wraps(run)
    def generator(*args: Any, **kwargs: Any) -> Any:
        yield run(*args, **kwargs)

    return generator
