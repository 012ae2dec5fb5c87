"""The socket around the core: connects, reads, writes, keeps time, reconnects."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from defistream.buffer import Buffer
from defistream.commands import Reply
from defistream.core import NO_REPLY, Core
from defistream.dial import Dialer
from defistream.errors import CommandTimeoutError, ConnectionLostError, StreamError
from defistream.resume import full_jitter
from defistream.update import Event

log = logging.getLogger("defistream")

_REFRESH_AGAIN_S = 30.0


class Link:
    """Keeps one core connected until closed or refused for good.

    Guarantees: ``opened`` ends with the first connection or with the refusal; every ``reply_to`` ends; a bug
    in here ends the stream with its exception instead of leaving it silent.
    """

    def __init__(
        self,
        dialer: Dialer,
        core: Core,
        buffer: Buffer,
        *,
        on_event: Callable[[Event], None] | None,
        jitter: Callable[[], float],
    ) -> None:
        self._dialer = dialer
        self._core = core
        self._buffer = buffer
        self._on_event = on_event
        self._jitter = jitter
        self._socket: ClientConnection | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiters: dict[int, asyncio.Future[Reply]] = {}
        self._failure: BaseException | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._spawn(self._run())

    @property
    def connected(self) -> bool:
        return self._socket is not None

    async def close(self) -> None:
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._end(None)

    @staticmethod
    def now() -> float:
        """The clock that the core is given."""
        return asyncio.get_running_loop().time()

    async def reply_to(self, id: int, timeout_s: float) -> Mapping[str, Any]:
        """A command's result. Raises CommandError, CommandTimeoutError, or what ended the link."""
        if self._failure is not None:
            raise self._failure
        waiter: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiters[id] = waiter
        try:
            async with asyncio.timeout(timeout_s):
                await self._flush()
                reply = await waiter
        except TimeoutError as error:
            raise CommandTimeoutError(f"no reply within {timeout_s:g} s") from error
        finally:
            self._waiters.pop(id, None)
            if not waiter.done() or waiter.cancelled():
                self._core.abandon(id, self.now())
        if reply.error is not None:
            raise reply.error
        return reply.result

    # --- the connection ------------------------------------------------------------------------------

    async def _run(self) -> None:
        attempt = 0
        while True:
            try:
                socket = await self._dialer.dial()
            except StreamError as error:
                if not error.temporary:
                    self._end(error)
                    return
                wait_s = getattr(error, "retry_after", None) or 0.0
                reason = str(error)
            else:
                reason, heard = await self._serve(socket)
                attempt, wait_s = 0 if heard else attempt, 0.0
            wait_s += full_jitter(attempt, self._jitter())
            attempt += 1
            self._tell(Event("disconnected", None, f"{reason}; trying again in {wait_s:.1f} s", {"retry_in_s": wait_s}))
            await asyncio.sleep(wait_s)

    async def _serve(self, socket: ClientConnection) -> tuple[str, bool]:
        """One connection from open to end: why it ended, and whether anything was received."""
        self._socket = socket
        heard = False
        try:
            self._began()
            await self._flush()
            while self._core.lost is None:
                heard = await self._step(socket) or heard
            return self._core.lost, heard
        except ConnectionClosed as closed:
            return f"closed: {closed}", heard
        finally:
            self._socket = None
            self._core.disconnected()
            self._hand_out()
            if self._core.lost == NO_REPLY:
                socket.transport.abort()  # it would not answer a closing handshake either
            else:
                await socket.close()

    def _began(self) -> None:
        again = self.opened.done()
        self._core.stats.reconnects += again
        self._core.connected(self.now())
        self._tell(Event("connected", None, "again" if again else "first"))
        if not again:
            self.opened.set_result(None)

    async def _step(self, socket: ClientConnection) -> bool:
        """Wait for a frame or for the time to do something; True if a frame came."""
        frame: str | bytes | None = None
        try:
            async with asyncio.timeout_at(self._core.wakes_at()):
                frame = await socket.recv()
        except TimeoutError:
            self._core.tick(self.now())
        else:
            self._core.receive(frame, self.now(), datetime.now(UTC))
        await self._flush()
        if self._core.refresh_due:
            self._core.refresh_due = False
            self._spawn(self._refresh_session(socket))
        await self._buffer.room()
        return frame is not None

    async def _refresh_session(self, socket: ClientConnection) -> None:
        try:
            token = await self._dialer.new_token()
            if token is not None:
                await self.reply_to(
                    self._core.command({"action": "refresh", "token": token}, self.now()), _REFRESH_AGAIN_S
                )
        except StreamError as error:
            if error.temporary:
                self._core.refresh_later(self.now() + _REFRESH_AGAIN_S)
            else:
                log.warning("the session cannot be extended: %s", error)
                await socket.close()  # a new connection begins a new session, or says why not

    async def _flush(self) -> None:
        """Send what is to be sent and hand out what came."""
        self._hand_out()
        socket = self._socket
        for text in self._core.take_outgoing() if socket is not None else ():
            try:
                await socket.send(text)  # type: ignore[union-attr]
            except ConnectionClosed:
                return  # the reader sees it too and reconnects; unanswered commands are sent again

    def _hand_out(self) -> None:
        updates, events, replies = self._core.take()
        for event in events:
            self._tell(event)
        for reply in replies:
            waiter = self._waiters.get(reply.id)
            if waiter is not None and not waiter.done():
                waiter.set_result(reply)
        self._buffer.put(updates)

    def _tell(self, event: Event) -> None:
        log.debug("%s %s %s", event.name, event.topic or "", event.message)
        if self._on_event is not None:
            try:
                self._on_event(event)
            except Exception:
                log.exception("on_event failed for %s", event)

    def _end(self, error: BaseException | None) -> None:
        self._failure = self._failure or error or ConnectionLostError("the stream is closed")
        if not self.opened.done():
            self.opened.set_exception(self._failure)
            self.opened.exception()  # seen, even if nobody waits any more
        for waiter in self._waiters.values():
            if not waiter.done():
                waiter.set_exception(self._failure)
        self._buffer.end(error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._end(task.exception())
