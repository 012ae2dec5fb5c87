"""One HTTP/1.1 exchange with one address, over by a deadline whatever the other side does."""

from __future__ import annotations

import io
import socket
import ssl
import time
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

PORTS = {"http": 80, "https": 443}


class Deadline:
    """A moment on the monotonic clock."""

    def __init__(self, seconds: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._end = monotonic() + seconds

    def shorten(self, seconds: float) -> None:
        self._end = min(self._end, self._monotonic() + seconds)

    def left(self) -> float:
        """Seconds, above zero. Raises TimeoutError once it has passed."""
        left = self._end - self._monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        return left


class PinnedConnection(HTTPConnection):
    """To this address, whatever the name resolves to by now; the name is for the Host header and TLS.

    A socket's timeout is for one call: a receiver that sends a byte a second would hold it for ever. Here each call
    gets what is left of the whole.
    """

    def __init__(self, host: str, port: int, address: str, *, tls: ssl.SSLContext | None, deadline: Deadline) -> None:
        super().__init__(host, port)
        # http.client leaves the port out of Host only if it is the class's own.
        self.default_port = PORTS["https"] if tls else PORTS["http"]
        self._address, self._tls, self._deadline = address, tls, deadline
        self._open: socket.socket | None = None

    def connect(self, *, within_s: float | None = None) -> None:
        plain = socket.create_connection((self._address, self.port), timeout=within_s or self._deadline.left())
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.settimeout(self._deadline.left())
            found = self._tls.wrap_socket(plain, server_hostname=self.host) if self._tls else plain
        except BaseException:
            plain.close()
            raise
        self._open = found
        self.sock = _TimedSocket(found, self._deadline)

    def shorten(self, seconds: float) -> None:
        """What is read from here on has so long, in all."""
        self._deadline.shorten(seconds)

    def hang_up(self) -> None:
        """Close the socket; http.client's own ``close`` leaves it to whoever reads the body still."""
        self.close()
        if self._open is not None:
            self._open.close()


class _TimedSocket:
    """What http.client uses of a socket."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock, self._deadline = sock, deadline

    def sendall(self, data: Any) -> None:
        self._sock.settimeout(self._deadline.left())
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, self._deadline))

    def close(self) -> None:
        """http.client does so before it reads a body that ends with the connection: see ``hang_up``."""


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock, self._deadline = sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._deadline.left())
        return self._sock.recv_into(buffer)
