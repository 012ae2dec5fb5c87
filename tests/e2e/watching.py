"""A client that writes down what it saw, and a way to wait for it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import defistream

from localcloud.testing import LocalCloud

RECOVERY_S = 45.0


class Watcher:
    """Everything that one subscription yielded."""

    def __init__(self, stream: defistream.Stream, events: list[defistream.Event]) -> None:
        self.stream = stream
        self.events = events
        self.updates: list[defistream.Update] = []

    async def run(self) -> None:
        async for update in self.stream:
            self.updates.append(update)

    def shown(self) -> dict[str, Decimal]:
        """What a display holds: each topic's highest offset of its newest epoch."""
        newest: dict[str, defistream.Update] = {}
        for update in self.updates:
            held = newest.get(update.topic)
            if held is None or held.epoch != update.epoch or held.offset <= update.offset:
                newest[update.topic] = update
        return {topic: update.value for topic, update in newest.items()}

    def epochs(self, topic: str) -> list[str]:
        return list(dict.fromkeys(update.epoch for update in self.updates if update.topic == topic))

    def repeated(self) -> list[Any]:
        """Updates that were yielded more than once."""
        counts = Counter((update.topic, update.epoch, update.offset) for update in self.updates)
        return [key for key, count in counts.items() if count > 1]

    def missing(self, topic: str) -> list[int]:
        """Offsets of the last epoch that other updates name as their predecessor and that never came."""
        last = [update for update in self.updates if update.topic == topic and update.epoch == self.epochs(topic)[-1]]
        seen = {update.offset for update in last}
        first = min(seen)
        return [update.prev for update in last if update.prev is not None and first < update.prev not in seen]  # type: ignore[operator]


@asynccontextmanager
async def watching(cloud: LocalCloud, *topics: str, **options: Any) -> AsyncIterator[Watcher]:
    """A watcher, subscribed."""
    events: list[defistream.Event] = []
    stream = defistream.connect(cloud.ws_url, api_key=cloud.key, http_url=cloud.url, on_event=events.append)
    async with stream:
        await stream.subscribe(*topics, **options)
        watcher = Watcher(stream, events)
        task = asyncio.create_task(watcher.run())
        yield watcher
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], bool], *, within_s: float = RECOVERY_S, told: Callable[[], object] = str) -> None:
    """Wait for a condition; AssertionError with what ``told`` says if it does not come."""
    try:
        async with asyncio.timeout(within_s):
            while not holds():  # noqa: ASYNC110 - of any object, not of one that could set an Event
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"did not come within {within_s:g} s: {told()}") from None


async def until_shown(watchers: Iterable[Watcher], values: dict[str, Decimal], *, within_s: float = RECOVERY_S) -> None:
    watchers = list(watchers)
    await until(
        lambda: all(values.items() <= watcher.shown().items() for watcher in watchers),
        within_s=within_s,
        told=lambda: [{k: v for k, v in values.items() if watcher.shown().get(k) != v} for watcher in watchers],
    )
