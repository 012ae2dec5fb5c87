"""ports.SourceLag on Redis (see lua/lag.lua)."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.adapters.redis.client import Redis

_MICROSECOND = timedelta(microseconds=1)


class RedisSourceLag:
    """ports.SourceLag."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def least(self, delay: timedelta | None = None) -> timedelta:
        return int(self._redis.run("lag", "" if delay is None else delay // _MICROSECOND)) * _MICROSECOND
