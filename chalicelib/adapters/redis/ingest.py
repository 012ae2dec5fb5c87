"""ports.IngestStore on Redis: it is flushed together with the stream, so that everything is published again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.adapters.redis.client import Redis
from chalicelib.ports import FeedKind, FeedState

_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
_LEASE = "lease:ingest"
UNWANTED_AFTER_S = 600
COINS_MAX = 5000


class _State(msgspec.Struct):
    etags: dict[str, str] = {}
    next_poll: datetime | None = None
    last_success: datetime | None = None
    count: int = 0
    total: float = 0.0


class RedisIngestStore:
    """ports.IngestStore."""

    def __init__(self, redis: Redis, *, now: Callable[[], datetime]) -> None:
        self._redis = redis
        self._now = now

    def acquire(self, owner: str, ttl_s: int) -> bool:
        return bool(self._redis.call(lambda client: client.set(_LEASE, owner, nx=True, ex=ttl_s)))

    def release(self, owner: str) -> None:
        self._redis.call(lambda client: client.eval(_RELEASE, 1, _LEASE, owner))

    def feed_state(self, kind: FeedKind) -> FeedState:
        text = self._redis.call(lambda client: client.hget("feeds", kind))
        if text is None:
            return FeedState()
        state = msgspec.json.decode(text, type=_State)
        return FeedState(**msgspec.structs.asdict(state))

    def save_feed_state(self, kind: FeedKind, state: FeedState) -> None:
        kept = _State(dict(state.etags), state.next_poll, state.last_success, state.count, state.total)
        text = msgspec.json.encode(kept).decode()
        self._redis.call(lambda client: client.hset("feeds", kind, text))

    def last_seen(self, topics: Sequence[str]) -> list[str | None]:
        if not topics:
            return []
        found: Any = self._redis.call(lambda client: client.hmget("seen", list(topics)))
        return list(found)

    def save_last_seen(self, tokens: Mapping[str, str]) -> None:
        if tokens:
            self._redis.call(lambda client: client.hset("seen", mapping=dict(tokens)))

    def wanted_coins(self) -> list[str]:
        now_ms = int(self._now().timestamp() * 1000)
        return list(self._redis.run("coins", now_ms, UNWANTED_AFTER_S * 1000, COINS_MAX))
