"""Many WebSocket clients in one light process, counting what arrives: the measuring side of benchmarks.stream.

It is started by it, reads one JSON order a line from its standard input and writes one JSON line for each
thing that happened to its standard output. A frame that many connections get is decoded once.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, cast
from urllib.parse import urlsplit

from benchmarks.tally import Tally

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
OPENING_AT_ONCE = 32


def masked(opcode: int, payload: bytes) -> bytes:
    """One client frame. The mask is zero: it is there for proxies' sake, and there is none on loopback."""
    if len(payload) < 126:
        head = bytes((0x80 | opcode, 0x80 | len(payload)))
    else:
        head = bytes((0x80 | opcode, 0x80 | 126)) + len(payload).to_bytes(2, "big")
    return head + b"\0\0\0\0" + payload


class Frames:
    """Server frames out of a byte stream cut anywhere: (opcode, payload) of whole messages and control frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._parts: list[bytes] = []
        self._opcode = 0

    def feed(self, data: bytes) -> Iterable[tuple[int, bytes]]:
        buffer = self._buffer
        buffer += data
        while len(buffer) >= 2:
            start, size = 2, buffer[1] & 0x7F
            if size >= 126:
                start = 4 if size == 126 else 10
                if len(buffer) < start:
                    return
                size = int.from_bytes(buffer[2:start], "big")
            if len(buffer) < start + size:
                return
            head, payload = buffer[0], bytes(buffer[start : start + size])
            del buffer[: start + size]
            if head & 0x0F >= CLOSE:
                yield head & 0x0F, payload
                continue
            self._opcode = head & 0x0F or self._opcode
            self._parts.append(payload)
            if head & 0x80:
                whole, self._parts = b"".join(self._parts), []
                yield self._opcode, whole


class Client(asyncio.Protocol):
    """One raw connection: handshake, subscribe, then frames to the tally."""

    def __init__(self, number: int, request: bytes, command: bytes, tally: Tally) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed = False
        self._number = number
        self._request = request
        self._command = command
        self._tally = tally
        self._frames = Frames()
        self._head = b""
        self._open = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        at = time.time()
        if not self._open:
            data = self._handshake(data)
        for opcode, payload in self._frames.feed(data) if self._open else ():
            if opcode == TEXT:
                self._text(payload, at)
            elif opcode == PING and self._transport is not None:
                self._transport.write(masked(PONG, payload))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._fail("closed before it was subscribed")

    def _handshake(self, data: bytes) -> bytes:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            return b""
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            self._fail(head.split(b"\r\n", 1)[0].decode())
            return b""
        self._open = True
        if self._transport is not None:
            self._transport.write(masked(TEXT, self._command))
        return rest

    def _text(self, payload: bytes, at: float) -> None:
        if payload.startswith(b'{"type":"updates"'):
            self._tally.frame(self._number, payload, at)
            return
        message = json.loads(payload)
        if message.get("type") == "updates":
            self._tally.frame(self._number, payload, at)
        elif message.get("type") == "reply" and not self.ready.done():
            if message.get("ok"):
                self.ready.set_result(None)
            else:
                self._fail(str(message.get("error")))

    def _fail(self, reason: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(reason))


def handshake(url: str, key: str) -> bytes:
    parts = urlsplit(url)
    nonce = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {parts.path or '/ws'} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {nonce}\r\nSec-WebSocket-Version: 13\r\nx-api-key: {key}\r\n\r\n"
    ).encode()


async def run(options: argparse.Namespace, say: Callable[[dict[str, Any]], None]) -> None:
    tally = Tally()
    command = json.dumps({"action": "subscribe", "id": 1, "topics": [options.topic], "snapshot": False}).encode()
    parts = urlsplit(options.url)
    gate = asyncio.Semaphore(OPENING_AT_ONCE)
    keys = options.keys.split(",")

    async def connect(number: int) -> Client:
        async with gate:
            request = handshake(options.url, keys[number % len(keys)])
            _, client = await asyncio.get_running_loop().create_connection(
                lambda: Client(number, request, command, tally), parts.hostname, parts.port
            )
            async with asyncio.timeout(30):
                await client.ready
            return client

    began = time.monotonic()
    clients = await asyncio.gather(*(connect(number) for number in range(options.connections)))
    say({"ready": len(clients), "connect_s": round(time.monotonic() - began, 3)})
    async for order in orders():
        if order["do"] == "count":
            say({"updates": tally.updates, "closed": sum(client.closed for client in clients)})
        elif order["do"] == "begin":
            say({"max_ms": tally.begin()})
        elif order["do"] == "finish":
            say(tally.result(len(clients), [(topic, value) for topic, value in order["changes"]]))
            return


async def orders() -> Any:
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sockets", description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--keys", required=True, help="API keys, by comma; connections take turns")
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--topic", default="price:*")
    options = parser.parse_args()
    try:
        import uvloop  # leaves more of the processor to what is measured
    except ImportError:
        runner = asyncio.run
    else:
        runner = uvloop.run
    runner(run(options, lambda line: print(json.dumps(line), flush=True)))


if __name__ == "__main__":
    main()
