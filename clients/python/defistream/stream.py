"""What a program holds: a stream to subscribe with and to iterate over."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from defistream.buffer import Buffer
from defistream.commands import COMMAND_TIMEOUT_S, rejected_topics
from defistream.core import Core, Order
from defistream.dial import Dialer
from defistream.errors import ConnectionLostError, StreamError
from defistream.link import Link
from defistream.update import Alert, Event, Stats, Update
from defistream.wants import Part, Since, Want, cut_resume


@dataclass(frozen=True, slots=True)
class Subscribed:
    """What a subscribe came to: positions by topic, and reasons by topic refused."""

    topics: Mapping[str, Any]
    rejected: Mapping[str, str]


class Stream:
    """A subscription to live updates that survives its connections; made by ``defistream.connect``.

    ``async with`` opens and closes it; ``async for`` yields every Update once. It ends when the stream is
    closed, and raises if the server refuses for good. Commands raise CommandError with the server's code.
    """

    def __init__(
        self,
        dialer: Dialer,
        *,
        order: Order = "arrival",
        max_buffered: int = 10_000,
        open_timeout_s: float = 30.0,
        gap_wait_s: float = 2.0,
        on_event: Callable[[Event], None] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._dialer = dialer
        self._core = Core(order=order, gap_wait_s=gap_wait_s, jitter=jitter)
        self._buffer = Buffer(limit=max_buffered, newest_only=order == "newest")
        self._open_timeout_s = open_timeout_s
        self._on_event = on_event
        self._jitter = jitter
        self._link: Link | None = None

    async def __aenter__(self) -> Stream:
        """Open the first connection. Raises CommandError if refused, ConnectionLostError after ``open_timeout_s``."""
        self._link = Link(self._dialer, self._core, self._buffer, on_event=self._on_event, jitter=self._jitter)
        try:
            async with asyncio.timeout(self._open_timeout_s):
                await self._link.opened
        except BaseException as error:
            await self.close()
            if isinstance(error, TimeoutError):
                raise ConnectionLostError(f"no connection within {self._open_timeout_s:g} s") from error
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection and end the iteration; safe to call twice."""
        if self._link is not None:
            await self._link.close()

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Update:
        return await self._buffer.get()

    @property
    def stats(self) -> Stats:
        return self._core.stats

    @property
    def connected(self) -> bool:
        return self._link is not None and self._link.connected

    @property
    def fastest_rate(self) -> str | None:
        """The fastest rate that the last token allows; None if the connection was made without asking for one."""
        return self._dialer.fastest_rate

    def positions(self) -> Since:
        """Where each topic stands: give it to another stream's ``subscribe`` as ``since`` to go on from there."""
        return self._core.tracker.since()

    # --- commands ------------------------------------------------------------------------------------

    async def subscribe(
        self,
        *topics: str,
        rate: str = "realtime",
        min_change_pct: str | None = None,
        chains: tuple[str, ...] = (),
        categories: tuple[str, ...] = (),
        snapshot: bool = True,
        since: Since | None = None,
        timeout_s: float = COMMAND_TIMEOUT_S,
    ) -> Subscribed:
        """Subscribe to topics and wildcards; the options are PROTOCOL's. Kept over reconnects.

        Returns which were taken and which were not. Raises CommandError if none could be.
        """
        want = Want(rate, min_change_pct, tuple(chains), tuple(categories), snapshot)
        parts = list(cut_resume(dict.fromkeys(topics, want), since or {}, joins=True))
        results = await asyncio.gather(*(self._subscribe(part, timeout_s) for part in parts))
        taken: dict[str, Any] = {}
        rejected: dict[str, str] = {}
        for result in results:
            taken |= result.get("topics") or {}
            rejected |= rejected_topics(result.get("rejected"))
        return Subscribed(taken, rejected)

    async def unsubscribe(self, *topics: str, timeout_s: float = COMMAND_TIMEOUT_S) -> None:
        """Leave these subscriptions; ``"*"`` leaves all."""
        await self._opened().reply_to(self._core.unsubscribe(topics, Link.now()), timeout_s)

    async def list(self, *, timeout_s: float = COMMAND_TIMEOUT_S) -> Mapping[str, Any]:
        """What the server has this connection subscribed to, all pages of it."""
        answer = dict(await self._command({"action": "list"}, timeout_s))
        topics = dict(answer["topics"])
        while answer.get("next"):
            answer = dict(await self._command({"action": "list", "after": answer["next"]}, timeout_s))
            topics.update(answer["topics"])
        return {**answer, "topics": topics}

    async def ping(self, *, timeout_s: float = COMMAND_TIMEOUT_S) -> None:
        await self._command({"action": "ping"}, timeout_s)

    async def acknowledge(self, alert: Alert, *, timeout_s: float = COMMAND_TIMEOUT_S) -> None:
        """The alert was seen: no later step of its rule is told of it. Raises CommandError (2010) if it is over."""
        await self._command({"action": "ack", "rule": alert.rule, "alert": alert.id}, timeout_s)

    async def refresh(self, token: str, *, timeout_s: float = COMMAND_TIMEOUT_S) -> None:
        """Extend the session with a new token (done by itself where a token can be had)."""
        await self._command({"action": "refresh", "token": token}, timeout_s)

    async def _subscribe(self, part: Part, timeout_s: float) -> Mapping[str, Any]:
        return await self._opened().reply_to(self._core.subscribe(part, Link.now()), timeout_s)

    async def _command(self, body: Mapping[str, Any], timeout_s: float) -> Mapping[str, Any]:
        return await self._opened().reply_to(self._core.command(body, Link.now()), timeout_s)

    def _opened(self) -> Link:
        if self._link is None:
            raise StreamError("the stream is not open: use it in `async with`")
        return self._link
