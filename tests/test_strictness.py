"""The strictness of the suite itself."""

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.defer import TimeoutError as TimeoutError_

from tests.eventually import within


@within(5)
async def test_coroutinesRunOnTheReactor() -> None:
    """A coroutine test is awaited to its end."""
    from twisted.internet import reactor

    waited: Deferred[None] = Deferred()
    reactor.callLater(0.01, waited.callback, None)  # type: ignore[attr-defined]
    await waited


def test_unhandledErrorIsSeen(loggedFailures) -> None:
    """An error that nobody handles is logged when its Deferred is collected, and so would fail the test."""
    import gc

    fail(ZeroDivisionError())
    gc.collect()
    assert len(loggedFailures.flush(ZeroDivisionError)) == 1


@pytest.mark.xfail(strict=True, raises=TimeoutError_)
@within(0.05)
async def test_hangFails() -> None:
    """A test that hangs fails when its time is over."""
    await Deferred()
