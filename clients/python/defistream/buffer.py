"""Between the socket and the reader of the stream."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from defistream.update import Update


class Buffer:
    """Updates waiting to be read.

    In arrival order, up to ``limit`` of them: then ``room`` waits, the socket is not read, and the server
    notices a slow client. With ``newest_only`` an update replaces the unread one of its topic, so that a slow
    reader is never more than one value behind; of alerts all are kept.
    """

    def __init__(self, *, limit: int, newest_only: bool) -> None:
        self._limit = limit
        self._newest_only = newest_only
        self._items: dict[object, Update] = {}  # ordered; keyed by topic, or by arrival
        self._arrivals = 0
        self._changed = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._ended = False
        self._error: BaseException | None = None

    def put(self, updates: Iterable[Update]) -> None:
        for update in updates:
            self._arrivals += 1
            replaces = self._newest_only and update.alert is None  # one alert does not make up for another
            key: object = update.topic if replaces else self._arrivals
            self._items.pop(key, None)
            self._items[key] = update
        if self._items:
            self._changed.set()
        if len(self._items) >= self._limit and not self._newest_only:
            self._has_room.clear()

    def end(self, error: BaseException | None = None) -> None:
        """No more will come: what is left can be read, then the reader ends, or gets ``error``."""
        self._ended, self._error = True, self._error or error
        self._changed.set()
        self._has_room.set()

    async def room(self) -> None:
        await self._has_room.wait()

    async def get(self) -> Update:
        """The next update. Raises StopAsyncIteration at the end, or the error that ended it."""
        while not self._items:
            if self._ended:
                raise self._error or StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        update = self._items.pop(next(iter(self._items)))
        if len(self._items) < self._limit:
            self._has_room.set()
        return update
