"""The workers of one function: who is idle, who waits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from localcloud.sandbox import Sandbox


class WorkerPool:
    """At most ``limit`` workers, started when needed by ``start`` and lent to one invocation at a time.

    A freed worker goes straight to who waits longest, so that nobody is overtaken.
    """

    def __init__(self, limit: int, start: Callable[[], Awaitable[Sandbox]]) -> None:
        self.limit = limit
        self.members: set[Sandbox] = set()
        self._start = start
        self._starting = 0
        self._idle: list[Sandbox] = []  # the last used is used next: its caches are warm
        self._waiting: deque[asyncio.Future[Sandbox | None]] = deque()  # None: there is room to start one

    @property
    def busy(self) -> int:
        """Workers that are lent."""
        return len(self.members) - len(self._idle)

    async def acquire(self) -> tuple[Sandbox, bool]:
        """A worker and whether it is new. It must be given back by ``release``, dead or alive."""
        while True:
            while self._idle:
                sandbox = self._idle.pop()
                if sandbox.usable:
                    return sandbox, False
            if self._room():
                return await self._add(), True
            waiter: asyncio.Future[Sandbox | None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            freed = await self._wait(waiter)
            if freed is not None and freed.usable:
                return freed, False

    def release(self, sandbox: Sandbox) -> None:
        """Take a worker back; one that is to be killed is not lent again."""
        if not sandbox.usable:
            return  # bury() will make room
        if not self._hand(sandbox):
            self._idle.append(sandbox)

    def bury(self, sandbox: Sandbox) -> None:
        """A worker's process has ended."""
        self.members.discard(sandbox)
        if sandbox in self._idle:
            self._idle.remove(sandbox)
        if self._room():
            self._hand(None)

    async def grow(self, count: int) -> None:
        """Have at least ``count`` workers, within the limit."""
        wanted = min(count, self.limit) - len(self.members) - self._starting
        for sandbox in await asyncio.gather(*(self._add() for _ in range(wanted))):
            self.release(sandbox)

    def refuse(self, error: Exception) -> None:
        """Fail everybody who waits."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(error)

    def _room(self) -> bool:
        return len(self.members) + self._starting < self.limit

    async def _add(self) -> Sandbox:
        self._starting += 1
        try:
            sandbox = await self._start()
        except BaseException:
            self._starting -= 1
            self._hand(None)
            raise
        self._starting -= 1
        if sandbox.alive:
            self.members.add(sandbox)
        return sandbox

    async def _wait(self, waiter: asyncio.Future[Sandbox | None]) -> Sandbox | None:
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                freed = waiter.result()  # our turn came as we left: it is the next one's
                if freed is None:
                    self._hand(None)
                else:
                    self.release(freed)
            raise

    def _hand(self, sandbox: Sandbox | None) -> bool:
        """Give a worker, or the room for one, to who waits longest; False if nobody does."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(sandbox)
                return True
        return False
