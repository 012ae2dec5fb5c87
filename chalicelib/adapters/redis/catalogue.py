"""ports.Catalogue on Redis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from chalicelib.adapters.redis.client import Redis


class _Newest(msgspec.Struct):
    value: str
    observed_at: str


class RedisCatalogue:
    """ports.Catalogue."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def topics(self, pattern: str, *, cursor: int, limit: int) -> tuple[Sequence[tuple[str, str, str]], int]:
        if not pattern.endswith(":*"):
            names, following = [pattern], 0
        else:
            following, names = self._redis.call(
                lambda client: client.sscan(f"topics:{pattern}", cursor=cursor, count=limit)
            )
        found = []
        for name, entry in zip(names, self._entries(names), strict=True):
            if entry is not None:
                newest = msgspec.json.decode(entry, type=_Newest)
                found.append((name, newest.value, newest.observed_at))
        return sorted(found), int(following)

    def _entries(self, names: Sequence[str]) -> list[str | None]:
        """The newest entry of each topic, in one round trip."""

        def read(client: Any) -> Any:
            pipeline = client.pipeline(transaction=False)
            for name in names:
                pipeline.hget(f"topic:{name}", "entry")
            return pipeline.execute()

        return list(self._redis.call(read))
