"""A stand-in for ``@connections`` on loopback that answers each connection id from a script."""

import asyncio
import contextlib
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote

Answer = int | str

WORDS = {
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\n{\r\n1\r\n}\r\n0\r\nTrailer: 1\r\n\r\n",
    "last": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",  # then closes
    "leave": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",  # then closes, having said nothing of it
    "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",  # then closes
    "later": b"HTTP/1.1 429 X\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    "much later": b"HTTP/1.1 429 X\r\nretry-after: 3600\r\nContent-Length: 0\r\n\r\n",
    "garbage": b"SSH-2.0-OpenSSH\r\n\r\n",
    "drop": b"",  # closes without a byte
    "hang": b"",  # never answers
}
CLOSING = ("last", "leave", "cut", "drop")


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    socket: int  # which TCP connection it came by

    @property
    def connection(self) -> str:
        return unquote(self.path.rpartition("/")[2])


@dataclass
class ScriptedGateway:
    """Answers a connection id's requests with its script in turn, and with ``default`` when that has run out.

    An answer is a status or one of WORDS; ``default`` may be a function that gives one.

    Runs in a thread of its own; use as a context manager.
    """

    default: Answer | Callable[[], Answer] = 200
    rude: int = 0  # how many TCP connections are closed as soon as they are open
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    sockets: int = 0

    def __post_init__(self) -> None:
        self._scripts: dict[str, list[Answer]] = defaultdict(list)
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task] = set()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def script(self, connection: str, *answers: Answer) -> None:
        self._scripts[connection] = list(answers)

    def bodies(self, connection: str) -> list[bytes]:
        return [request.body for request in self.requests if request.connection == connection]

    def drop_sockets(self) -> None:
        """Close every TCP connection, as a peer does with idle ones."""
        asyncio.run_coroutine_threadsafe(self._drop(), self._loop).result(5)

    def stop(self) -> None:
        if not self._loop.is_running():
            return
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def __enter__(self) -> Self:
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(5)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self.tls else 'http'}://{'localhost' if self.tls else '127.0.0.1'}:{port}/ws"
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _drop(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _stop(self) -> None:
        self._server.close()
        await self._drop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.rude:
            self.rude -= 1
            writer.close()
            return
        self.sockets += 1
        number = self.sockets
        task = asyncio.current_task()
        self._tasks.add(task)
        self._writers.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._answer(reader, writer, number):
                pass
        writer.close()
        self._writers.discard(writer)
        self._tasks.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *lines = head.strip().split("\r\n")
        method, path, _ = line.split(" ")
        headers = {name.lower(): value for name, _, value in (text.partition(": ") for text in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        request = Request(method, path, headers, body, number)
        self.requests.append(request)
        script = self._scripts[request.connection]
        answer = script.pop(0) if script else self.default() if callable(self.default) else self.default
        if answer == "hang":
            await reader.read()
            return False
        if isinstance(answer, int):
            text = b'{"message":"scripted"}'
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (answer, len(text), text))
        else:
            writer.write(WORDS[answer])
        await writer.drain()
        return answer not in CLOSING
