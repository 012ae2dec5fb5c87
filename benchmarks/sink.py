"""A stand-in for the gateway, as light as Python allows: a process that answers every POST with 200.

    python -m benchmarks.sink

prints its port on the first line of standard output, then serves until standard input ends. A line ``count`` on
standard input is answered by the number of requests since the last one. It believes every signature. It uses epoll
directly: with uvloop the sink took more processor time than the client that it is to measure.
"""

from __future__ import annotations

import select
import socket
import sys

HEAD_END = b"\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
BUFFER_BYTES = 256 * 1024


class Sink:
    """Counts whole requests: a head, and as many bytes of body as its Content-Length says."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._poll = select.epoll()
        self._poll.register(self._listener.fileno(), select.EPOLLIN)
        self._poll.register(sys.stdin.fileno(), select.EPOLLIN)
        self._sockets: dict[int, socket.socket] = {}
        self._partial: dict[int, bytes] = {}  # what came of a request that is not whole yet
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        self._requests = 0

    def serve(self) -> None:
        """Until standard input ends."""
        listener, stdin, sockets = self._listener.fileno(), sys.stdin.fileno(), self._sockets
        while True:
            for number, _ in self._poll.poll():
                if number in sockets:
                    self._read(number, sockets[number])
                elif number == listener:
                    self._accept()
                elif number == stdin:
                    if sys.stdin.readline().strip() != "count":
                        return
                    print(self._requests, flush=True)
                    self._requests = 0

    def _accept(self) -> None:
        peer, _ = self._listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets[peer.fileno()] = peer
        self._poll.register(peer.fileno(), select.EPOLLIN)

    def _read(self, number: int, peer: socket.socket) -> None:
        try:
            size = peer.recv_into(self._buffer)
        except ConnectionError:
            size = 0
        if not size:
            self._partial.pop(number, None)
            del self._sockets[number]
            peer.close()
            return
        data = bytes(self._buffer[:size])
        if number in self._partial:
            data = self._partial.pop(number) + data
        whole, rest = _whole_requests(data)
        if rest:
            self._partial[number] = rest
        if whole:
            self._requests += whole
            peer.sendall(ANSWER * whole)


def _whole_requests(data: bytes) -> tuple[int, bytes]:
    count = 0
    while data:
        end = data.find(HEAD_END)
        if end < 0:
            break
        start = data.find(b"ength: ", 0, end) + 7
        end += 4 + int(data[start : data.find(b"\r", start)])
        if len(data) < end:
            break
        count += 1
        data = data[end:]
    return count, data


def main() -> None:
    sink = Sink()
    print(sink.port, flush=True)
    sink.serve()


if __name__ == "__main__":
    main()
