"""ports.Sessions and ports.Limits on Redis (see lua: open, session, extend, drop, forget, active, take)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from chalicelib.adapters.redis.client import Redis
from chalicelib.ports import Active, Listed, Metered, Session

KEYS_PER_SCAN = 1000  # of all keys: Redis serves nobody else meanwhile


class RedisSessions:
    """ports.Sessions."""

    def __init__(self, redis: Redis, *, now: Callable[[], datetime], tombstone_seconds: int) -> None:
        self._redis = redis
        self._now = now
        self._tombstone_seconds = tombstone_seconds

    def open(self, connection: str, session: Session, limit: int) -> Sequence[str] | None:
        now_ms = int(self._now().timestamp() * 1000)
        times = (now_ms, session.ends_ms, session.session_ms)
        more = (*times, limit, int(session.rebuilt))
        done, *holders = self._redis.run("open", connection, session.user, session.tier, *more)
        return None if done else holders

    def get(self, connection: str) -> Session | None:
        fields = self._redis.run("session", connection)
        if not fields:
            return None
        user, tier, session_ms, ends_ms, rebuilt = fields
        return Session(user, tier, int(session_ms), int(ends_ms), rebuilt == "1")

    def ended(self, connection: str) -> bool:
        return bool(self._redis.call(lambda client: client.exists(f"tomb:{connection}")))

    def extend(self, connection: str, session_ms: int) -> None:
        self._redis.run("extend", connection, session_ms)

    def settled(self, connection: str) -> None:
        self._redis.call(lambda client: client.hset(f"conn:{connection}", "rebuilt", "0"))

    def drop(self, connection: str) -> None:
        self._redis.run("drop", connection)

    def ending(self, before_ms: int) -> Sequence[str]:
        return list(self._redis.call(lambda client: client.zrangebyscore("ending", "-inf", before_ms)))

    def announced(self, connections: Sequence[str]) -> None:
        if connections:
            self._redis.call(lambda client: client.zrem("ending", *connections))

    def forget(self, connections: Sequence[str]) -> int:
        return int(self._redis.run("forget", self._tombstone_seconds, *connections))

    def active(self) -> Active:
        return Active(*map(int, self._redis.run("active", int(self._now().timestamp() * 1000))))

    def listed(self) -> Iterator[Sequence[Listed]]:
        cursor, told = 0, set[str]()
        while True:
            cursor, keys = self._redis.call(partial(_scan, cursor))
            fresh = [key.removeprefix("conn:") for key in keys if key not in told]
            told.update(keys)  # a scan may return a key again
            if fresh:
                rows = self._redis.call(partial(_read, fresh))
                yield [_listed(*row) for row in zip(fresh, rows[::2], rows[1::2], strict=True) if row[1].get("user")]
            if not cursor:
                return


def _scan(cursor: int, client: Any) -> Any:
    return client.scan(cursor=cursor, match="conn:*", count=KEYS_PER_SCAN)


def _read(connections: Sequence[str], client: Any) -> Any:
    pipeline = client.pipeline(transaction=False)
    for connection in connections:
        pipeline.hgetall(f"conn:{connection}")
        pipeline.hgetall(f"subs:{connection}")
    return pipeline.execute()


def _listed(connection: str, fields: dict[str, str], subscriptions: dict[str, str]) -> Listed:
    times = (int(fields["session"]), int(fields["ends"]))
    return Listed(
        connection, Session(fields["user"], fields["tier"], *times, fields.get("rebuilt") == "1"), subscriptions
    )


class RedisLimits:
    """ports.Limits."""

    def __init__(self, redis: Redis, *, now: Callable[[], datetime]) -> None:
        self._redis = redis
        self._now = now

    def take(self, key: str, per_s: float, burst: float) -> float:
        return self.meter(key, per_s, burst).wait_s

    def meter(self, key: str, per_s: float, burst: float) -> Metered:
        wait_ms, left = self._redis.run("take", key, int(self._now().timestamp() * 1000), per_s, burst, 0)
        tokens = max(0.0, int(left) / 1000)
        return Metered(int(wait_ms) / 1000, int(tokens), (burst - tokens) / per_s)

    def charge(self, key: str, per_s: float, burst: float, tokens: float) -> None:
        self._redis.run("take", key, int(self._now().timestamp() * 1000), per_s, burst, tokens)

    def once(self, key: str, ttl_s: int) -> bool:
        return bool(self._redis.call(lambda client: client.set(f"once:{key}", "1", nx=True, ex=ttl_s)))
