"""ports.Subscriptions on Redis (see lua/subscribe.lua and unsubscribe.lua)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from chalicelib.adapters.redis.client import Redis, token
from chalicelib.adapters.redis.stream import change_of
from chalicelib.domain.filters import Group, parse_group
from chalicelib.domain.topics import is_wildcard
from chalicelib.ports import Read, Subscribed

TOPICS_PER_READ = 250


class RedisSubscriptions:
    """ports.Subscriptions."""

    def __init__(self, redis: Redis, *, now: Callable[[], datetime]) -> None:
        self._redis = redis
        self._now = now

    def subscribe(
        self,
        connection: str,
        patterns: Mapping[str, str],
        *,
        group: Group,
        ends_ms: int,
        max_topics: int,
        snapshot: bool,
        since: Mapping[str, tuple[str, int]],
    ) -> Subscribed | None:
        args: list[str | int] = [connection, int(self._now().timestamp() * 1000), ends_ms, token(), max_topics]
        args += [group.name, int(snapshot), len(patterns)]
        for pattern, coin in patterns.items():
            args += [pattern, coin]
        for topic, (epoch, offset) in since.items():
            args += [topic, epoch, offset]
        status, told, topics = self._redis.run("subscribe", *args)
        if status == "gone":
            return None
        told = [(text, outcome, int(matched)) for text, outcome, matched in told]
        reads = {row[0]: _read(row) for row in topics}
        if snapshot:
            for text, outcome, _ in told:
                if outcome == "ok" and is_wildcard(text):
                    self._read_below(connection, text, reads)
        return Subscribed(told, list(reads.values()))

    def _read_below(self, connection: str, wildcard: str, reads: dict[str, Read]) -> None:
        """Add the snapshots of a wildcard's topics, a part at a time: Redis serves nobody else meanwhile."""
        cursor = 0
        while True:
            cursor, names = self._redis.call(partial(_scan, wildcard, cursor))
            wanted = [name for name in names if name not in reads]
            for row in self._redis.run("read", connection, token(), *wanted) if wanted else ():
                reads[row[0]] = _read(row)
            if not cursor:
                return

    def unsubscribe(self, connection: str, patterns: Sequence[str]) -> Sequence[str]:
        return list(self._redis.run("unsubscribe", connection, *patterns))

    def subscribed(self, connection: str) -> Mapping[str, Group]:
        groups = self._redis.call(lambda client: client.hgetall(f"subs:{connection}"))
        return {topic: parse_group(name) for topic, name in groups.items()}


def _scan(wildcard: str, cursor: int, client: Any) -> Any:
    return client.sscan(f"topics:{wildcard}", cursor=cursor, count=TOPICS_PER_READ)


def _read(row: Sequence[Any]) -> Read:
    topic, epoch, offset, recovered, attrs, snapshot, *missed = row
    position = int(offset)
    return Read(
        topic=topic,
        epoch=epoch or None,
        offset=position,
        recovered=None if recovered == "" else recovered == "1",
        # In a new epoch the entry still has its old number; the position is what counts.
        snapshot=replace(change_of(topic, epoch, attrs, snapshot), offset=position) if snapshot else None,
        missed=[change_of(topic, epoch, attrs, entry) for entry in missed],
    )
