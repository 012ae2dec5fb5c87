"""ports.Results and DataVersions on Redis (see lua: results_find, results_keep, results_give_up, arrived)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from chalicelib.adapters.redis.client import Redis
from chalicelib.domain.topics import wildcards_of
from chalicelib.ports.queries import Found, Kept

EVERYTHING = "*"
SCOPES_PER_SCRIPT = 2000


class RedisResults:
    """ports.Results.

    ``fresh_ms``: so long an answer is fresh whatever arrives, so that it is made once in that time however fast data
    comes. ``life_ms``: so long at most, should an arrival not have been told. ``stale_ms``: so long it is kept.
    ``of_party`` and ``of_all`` answers may be in the making at a time, and ``of_nobody`` for all who have no key.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        now: Callable[[], datetime],
        fresh_ms: int,
        life_ms: int,
        stale_ms: int,
        answer_bytes: int,
        budget_bytes: int,
        of_party: int,
        of_all: int,
        of_nobody: int,
    ) -> None:
        self._redis = redis
        self._now = now
        self._fresh_ms, self._life_ms, self._stale_ms = fresh_ms, life_ms, stale_ms
        self._answer_bytes, self._budget_bytes = answer_bytes, budget_bytes
        self._places, self._of_nobody = (of_party, of_all), of_nobody

    def find(
        self, key: str, scopes: Sequence[str], *, owner: str, party: str, lease_ms: int, is_anonymous: bool = False
    ) -> Found:
        times = (_milliseconds(self._now()), lease_ms, self._fresh_ms, self._life_ms)
        places = (*self._places, self._of_nobody if is_anonymous else "")
        state, version, *kept = self._redis.run("results_find", key, owner, party, *times, *places, *scopes)
        return Found(state, Kept(kept[1], int(kept[0])) if kept else None, version)

    def keep(self, key: str, body: str, *, owner: str, version: str, made_ms: int) -> bool:
        if len(body) > self._answer_bytes or len(body.encode()) > self._answer_bytes:
            self.give_up(key, owner=owner)
            return False
        now_ms = _milliseconds(self._now())
        limits = (self._stale_ms, self._budget_bytes)
        self._redis.run("results_keep", key, owner, now_ms, made_ms, version, body, *limits)
        return True

    def give_up(self, key: str, *, owner: str) -> None:
        self._redis.run("results_give_up", key, owner)

    def stale(self, key: str) -> Kept | None:
        body, made_ms = self._redis.call(lambda client: client.hmget(f"query:{key}", "body", "made"))
        return None if body is None else Kept(body, int(made_ms))


class RedisDataVersions:
    """ports.DataVersions."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def arrived(self, topics: Collection[str]) -> None:
        names = {name for topic in topics for name in (topic, *wildcards_of(topic))}
        scopes = [EVERYTHING, *sorted(names)] if names else []
        for start in range(0, len(scopes), SCOPES_PER_SCRIPT):
            self._redis.run("arrived", *scopes[start : start + SCOPES_PER_SCRIPT])


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
