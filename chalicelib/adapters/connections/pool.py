"""Keep-alive connections to one host, with at most one request in flight on each.

A connection tells its pool's owner how a request ended by calling it back: no future, task or timer is made per
request, which is most of what a request costs in asyncio.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from chalicelib.adapters.connections.http import HttpError, ResponseParser

T = TypeVar("T")
BUFFER_BYTES = 64 * 1024


class Owner(Protocol[T]):
    """Whoever has requests in flight; ``ticket`` is what it gave with the request."""

    def answered(self, link: Link[T], ticket: T, status: int) -> None:
        """A response is complete. The link is free if it ``is_open``; ``body`` and ``retry_after_s`` are an error's."""
        ...

    def lost(self, link: Link[T], ticket: T, *, stale: bool) -> None:
        """The connection ended before the response did.

        ``stale``: it had served before and no byte of this response had come, as when the peer had closed it while
        it was idle.
        """
        ...

    def vacant(self) -> None:
        """There is an idle link, or room to open one, that there was not before."""
        ...


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect; ``tls`` None means plain HTTP."""

    host: str
    port: int
    tls: ssl.SSLContext | None


class Link(asyncio.BufferedProtocol, Generic[T]):
    """One connection. TCP_NODELAY is set by asyncio on every TCP transport."""

    def __init__(self, pool: Pool[T]) -> None:
        self._pool = pool
        self._parser = ResponseParser()
        self._transport: asyncio.Transport | None = None
        self._ticket: T | None = None
        self._served = False
        self.since = time.monotonic()  # when the last request was sent

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    @property
    def is_busy(self) -> bool:
        return self._ticket is not None

    @property
    def body(self) -> bytes:
        return self._parser.body

    @property
    def retry_after_s(self) -> int:
        return self._parser.retry_after_s

    def request(self, data: bytes, ticket: T) -> None:
        """Send a whole request; the owner hears of its end. The link must be idle and open."""
        assert self._transport is not None  # noqa: S101 - for the type checker
        self._ticket = ticket
        self.since = time.monotonic()
        self._transport.write(data)

    def abort(self) -> None:
        """End the connection now; the owner hears of the request in flight, if there is one, as lost."""
        self._pool.drop(self)
        if self._transport is not None:
            self._transport.abort()

    def forget(self) -> None:
        """Drop the request in flight: nobody will hear of it, and the connection is of no further use."""
        self._ticket = None
        self.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport
        self._pool.add(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._pool.buffer

    def buffer_updated(self, nbytes: int) -> None:
        try:
            status = self._parser.feed(bytes(self._pool.buffer[:nbytes]))
        except HttpError:
            self.abort()
            return
        if status:
            self._complete(status)

    def eof_received(self) -> None:
        status = self._parser.eof()
        if status:
            self._complete(status)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.drop(self)
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            self._pool.tell().lost(self, ticket, stale=self._served and not self._parser.started)

    def _complete(self, status: int) -> None:
        ticket, self._ticket = self._ticket, None
        if not self._parser.keep_alive or ticket is None:  # None: an answer that nobody asked for
            self.abort()
        self._served = True
        if ticket is not None:
            self._pool.tell().answered(self, ticket, status)


class Pool(Generic[T]):
    """Up to ``size`` links, opened when wanted. All share one read buffer: what is read is parsed at once."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, address: Address, *, size: int, connect_timeout_s: float, idle_s: float
    ) -> None:
        self.loop = loop
        self.buffer = memoryview(bytearray(BUFFER_BYTES))
        self.owner: Owner[T] | None = None
        self._address = address
        self._size = size
        self._connect_timeout_s = connect_timeout_s
        self._idle_s = idle_s
        self._links: set[Link[T]] = set()
        self._idle: list[Link[T]] = []
        self._opening: set[asyncio.Task[Link[T]]] = set()

    @property
    def has_room(self) -> bool:
        return len(self._links) + len(self._opening) < self._size

    def tell(self) -> Owner[T]:
        assert self.owner is not None  # noqa: S101 - a request in flight has an owner
        return self.owner

    def take(self) -> Link[T] | None:
        """An idle link that is still open, the one used last first."""
        while self._idle:
            link = self._idle.pop()
            if link.is_open:
                return link
        return None

    def give(self, link: Link[T]) -> None:
        """Back to the idle ones; one that has been closed meanwhile is never taken."""
        self._idle.append(link)

    def drop_idle(self) -> None:
        """Close the links that have idled for so long that the peer may have forgotten them."""
        oldest = time.monotonic() - self._idle_s
        for link in self._idle:
            if link.since < oldest:
                link.abort()

    def open(self) -> asyncio.Task[Link[T]]:
        """A fresh link. The task ends with OSError (TimeoutError and TLS errors are of it) if there can be none."""
        task = self.loop.create_task(self._connect())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return task

    async def _connect(self) -> Link[T]:
        address = self._address
        async with asyncio.timeout(self._connect_timeout_s):
            _, link = await self.loop.create_connection(
                lambda: Link(self),
                address.host,
                address.port,
                ssl=address.tls,
                server_hostname=address.host if address.tls else None,
            )
        return link

    def add(self, link: Link[T]) -> None:
        self._links.add(link)

    def drop(self, link: Link[T]) -> None:
        self._links.discard(link)

    def busy(self) -> list[Link[T]]:
        return [link for link in self._links if link.is_busy]

    def reset(self) -> None:
        """Close every link, with whatever is in flight."""
        for link in list(self._links):
            link.forget()

    async def close(self) -> None:
        """Close every link, those that are being opened too."""
        opening = list(self._opening)
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        self.reset()
        await asyncio.sleep(0)  # transports close their sockets in the next turn of the loop
