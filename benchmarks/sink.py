"""A stand-in for the gateway, as light as it can be: a process that answers every POST with 200.

    python -m benchmarks.sink

prints its event loop and its port on the first line of standard output, then serves until standard input ends. A
line ``count``
on standard input is answered by the number of requests since the last one. It believes every signature.
"""

from __future__ import annotations

import asyncio
import sys

HEAD_END = b"\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


class Sink(asyncio.Protocol):
    """Counts whole requests: a head, and as many bytes of body as its Content-Length says."""

    requests = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = transport.write  # type: ignore[attr-defined]
        self.pending = b""

    def data_received(self, data: bytes) -> None:
        if self.pending:
            data = self.pending + data
        while data:
            end = data.find(HEAD_END)
            if end < 0 or len(data) < (total := end + 4 + _length(data, end)):
                break
            Sink.requests += 1
            self.write(ANSWER)
            data = data[total:]
        self.pending = data


def _length(data: bytes, end: int) -> int:
    """Ours and botocore's spellings of the header, looked up where each of them puts it: near the end."""
    start = data.rfind(b"ontent-", 0, end) + 14
    return int(data[start : data.find(b"\r", start)])


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", 0)
    print(type(loop).__module__, server.sockets[0].getsockname()[1], flush=True)
    while (await loop.run_in_executor(None, sys.stdin.readline)).strip() == "count":
        print(Sink.requests, flush=True)
        Sink.requests = 0
    server.close()


def main() -> None:
    try:
        from uvloop import run
    except ImportError:
        run = asyncio.run
    run(serve())


if __name__ == "__main__":
    main()
