"""A webhook's receiver on this machine, which behaves as badly as it is told to."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Event, Thread

Behaviour = Callable[["Receiver", socket.socket], None]


@dataclass(frozen=True, slots=True)
class Received:
    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """``behaves`` decides about each request after it was read; what came is in ``got``."""

    behaves: Behaviour
    port: int = 0
    got: list[Received] = field(default_factory=list)
    sent_bytes: int = 0
    over: Event = field(default_factory=Event)

    def url(self, path: str = "/hook", *, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


@contextlib.contextmanager
def receiving(behaves: Behaviour, *, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    receiver = Receiver(behaves)

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            # A sender that hangs up in the middle is what many of the tests are about.
            with contextlib.suppress(OSError):
                peer = tls.wrap_socket(self.request, server_side=True) if tls else self.request
                if (request := _read(peer)) is not None:
                    receiver.got.append(request)
                    receiver.behaves(receiver, peer)
                peer.close()

    class Server(ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.over.set()
            server.shutdown()
            thread.join()


def _read(peer: socket.socket) -> Received | None:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := peer.recv(65_536)):
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += peer.recv(65_536)
    return Received(line, headers, body)


def answers(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    def behave(_: Receiver, peer: socket.socket) -> None:
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        peer.sendall(f"HTTP/1.1 {status} Whatever\r\ncontent-length: {len(body)}\r\n{head}\r\n".encode() + body)

    return behave


def says(raw: bytes) -> Behaviour:
    """These bytes, and then the end."""
    return lambda _, peer: peer.sendall(raw)


def is_silent(receiver: Receiver, _: socket.socket) -> None:
    receiver.over.wait()


def drips(receiver: Receiver, peer: socket.socket) -> None:
    """A head that never ends, a byte at a time: each well within any time limit of a single read."""
    peer.sendall(b"HTTP/1.1 200 OK\r\nx-endless: ")
    while not receiver.over.wait(0.02):
        peer.sendall(b"a")


def floods(receiver: Receiver, peer: socket.socket) -> None:
    """A body of a gigabyte."""
    peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
    while not receiver.over.is_set():
        receiver.sent_bytes += peer.send(b"x" * 65_536)
