"""
A socket with TLS inside. A transport of Twisted's reads and writes it as it would the bare one, and TLS itself reads from the network and
writes to it: nothing is copied from buffer to buffer on the way, and an idle link has no buffers at all.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from errno import ECONNABORTED, EWOULDBLOCK

from OpenSSL import SSL
from OpenSSL._util import ffi, lib

RECORD = 16 * 1024
"""Most bytes of one TLS record."""
_CORK: int = getattr(socket, "TCP_CORK", 0)
"""The option that has the system wait for more; 0 where there is none."""
_buffer = ffi.new_allocator(should_clear_after_alloc=False)
_AT_ONCE = 64 * 1024
"""Bytes after which no further record is read at a time, so that one link does not hold up the others."""


class SecuredSocket(SSL.Connection):
    """
    Speaks TLS with whoever is at the other end of a connected socket that does not block.

    @ivar problem: what was wrong with what came, if that is why it has ended.
    """

    problem: SSL.Error | None = None

    def __init__(self, context: SSL.Context, bare: socket.socket, dials: bool, opened: Callable[[], None]) -> None:
        """
        @param dials: whether this end has dialled.
        @param opened: called once, when both ends have shown who they are.
        """
        super().__init__(context, bare)
        # Else one call would read all that is no data (as changes of keys, of which there may be any number) for as long as it comes, and
        # nothing else would be done meanwhile. What is left the reactor tells of again.
        lib.SSL_clear_mode(self._ssl, lib.SSL_MODE_AUTO_RETRY)
        # All records of one call are made in one.
        lib.SSL_clear_mode(self._ssl, lib.SSL_MODE_ENABLE_PARTIAL_WRITE)
        self._bare = bare
        self._corks = _CORK != 0 and bare.family in (socket.AF_INET, socket.AF_INET6)
        # What is to be said once all has been read that came before.
        self._over: SSL.Error | None = None
        self._waiting: Callable[[], None] | None = opened
        if dials:
            self.set_connect_state()
        else:
            self.set_accept_state()

    def begin(self) -> None:
        """
        Say what is to be said first, if this end has dialled.

        @raise OSError: the connection is gone.
        """
        self._shakeHands()

    def _shakeHands(self) -> None:
        try:
            self.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as problem:
            raise self._ended(problem) from problem
        opened, self._waiting = self._waiting, None
        if opened is not None:
            opened()

    def recv(self, bufsiz: int, flags: int | None = None) -> bytes:
        """
        What has come, as a socket's: with an C{OSError} if that is nothing, or if the connection is gone.
        """
        if self._over is not None:
            raise self._ended(self._over)
        if self._waiting is not None:
            self._shakeHands()
            if self._waiting is not None:
                raise BlockingIOError(EWOULDBLOCK, "the ends do not know each other yet")
        found: list[bytes] = []
        size = 0
        record = _buffer("char[]", RECORD)
        try:
            while size < _AT_ONCE:
                # Never less than a whole record: of what TLS keeps for itself the reactor would not tell. What has come in many records
                # is answered in one.
                got = lib.SSL_read(self._ssl, record, RECORD)
                if got > 0:
                    found.append(ffi.buffer(record, got)[:])
                    size += got
                elif lib.SSL_get_error(self._ssl, got) != lib.SSL_ERROR_WANT_READ:
                    self._raise_ssl_error(self._ssl, got)
                elif not found:
                    raise BlockingIOError(EWOULDBLOCK, "nothing has come")
                else:
                    # That nothing more has come is no exception: it is so nearly every time.
                    break
        except SSL.ZeroReturnError:
            pass
        except SSL.Error as problem:
            if not found:
                raise self._ended(problem) from problem
            self._over = problem.with_traceback(None)
        return found[0] if len(found) == 1 else b"".join(found)

    def recvmsg(self, size: int, *more: int) -> tuple[bytes, list[tuple[int, int, bytes]], int]:
        """As transports read Unix sockets; nothing comes beside the bytes."""
        return self.recv(size), [], 0

    def send(self, buf: bytes | bytearray | memoryview, flags: int = 0) -> int:
        """
        As a socket's, but all of it or nothing: with an C{OSError} if the network takes less now.

        @param buf: after such an error, what begins with the same bytes; some of them may have gone.
        """
        if not buf:
            return 0
        corks = self._corks and len(buf) > RECORD
        if corks:
            # The system, too, is to pass on in one what goes in many records.
            self._bare.setsockopt(socket.IPPROTO_TCP, _CORK, 1)
        try:
            return super().send(buf)
        except SSL.WantWriteError as problem:
            raise BlockingIOError(EWOULDBLOCK, "the other side does not read") from problem
        except SSL.Error as problem:
            raise self._ended(problem) from problem
        finally:
            if corks:
                self._bare.setsockopt(socket.IPPROTO_TCP, _CORK, 0)

    def _ended(self, problem: SSL.Error) -> OSError:
        """What a socket would say. (Who reads nothing, and has TLS of its own answered, is given up as well.)"""
        if isinstance(problem, SSL.SysCallError):
            # OpenSSL would say it once more of the next connection of which there is something to say.
            lib.ERR_clear_error()
            return ConnectionResetError(*problem.args)
        # Of what has ended already TLS says no more why.
        if self.problem is None and problem.args and problem.args[0]:
            # Where it came from would keep this object, which is large, until the collector comes.
            self.problem = problem.with_traceback(None)
        return ConnectionAbortedError(ECONNABORTED, "TLS")

    def shutdown(self, how: int = socket.SHUT_RDWR) -> None:  # type: ignore[override]
        """As a socket's, and tell the other end that no more will come."""
        with suppress(SSL.Error):
            super().shutdown()
        self._bare.shutdown(how)
