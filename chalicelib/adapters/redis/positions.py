"""ports.Positions on Redis (see lua/read.lua)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.adapters.redis.client import Redis, token
from chalicelib.adapters.redis.stream import change_of
from chalicelib.domain.changes import Change
from chalicelib.ports import Place
from chalicelib.protocol.pushes import rfc3339

NOBODY = ""  # a connection without subscriptions: it is told of every topic


class _Logged(msgspec.Struct):
    offset: int
    observed_at: str


class RedisPositions:
    """ports.Positions."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def newest(self, topics: Sequence[str]) -> Mapping[str, Change]:
        rows = self._redis.run("read", NOBODY, token(), *topics)
        return {
            # In a new epoch the entry still has its old number; the position is what counts.
            topic: replace(change_of(topic, epoch, attrs, entry), offset=int(offset))
            for topic, epoch, offset, _, attrs, entry in rows
        }

    def join(self, topic: str, seen: datetime | None) -> Place | None:
        newest = self.newest([topic]).get(topic)
        if newest is None:
            return None
        entries: Sequence[Any] = self._redis.call(lambda client: client.lrange(f"log:{topic}", 0, -1))
        return _place(newest, [msgspec.json.decode(entry, type=_Logged) for entry in entries], seen)


def _place(newest: Change, log: Sequence[_Logged], seen: datetime | None) -> Place:
    """Times of entries are texts of one form, which compare as the times do."""
    after = "" if seen is None else rfc3339(seen)
    known = [logged.offset for logged in log if logged.observed_at <= after]
    if known:
        return Place(newest.epoch, known[-1])
    if log:
        return Place(newest.epoch, log[0].offset - 1)
    return Place(newest.epoch, newest.offset if newest.observed_at <= after else max(0, newest.offset - 1))
