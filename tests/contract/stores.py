"""One store with all its ports: the fake, and the real Redis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chalicelib.adapters.redis.catalogue import RedisCatalogue
from chalicelib.adapters.redis.client import Redis
from chalicelib.adapters.redis.ingest import RedisIngestStore
from chalicelib.adapters.redis.positions import RedisPositions
from chalicelib.adapters.redis.sessions import RedisLimits, RedisSessions
from chalicelib.adapters.redis.stream import RedisAudience, RedisStream
from chalicelib.adapters.redis.subscriptions import RedisSubscriptions
from chalicelib.domain.filters import Group
from chalicelib.ports import (
    Audience,
    Catalogue,
    IngestStore,
    Limits,
    Positions,
    Sequenced,
    Session,
    Sessions,
    Stream,
    Subscribed,
    Subscriptions,
)
from chalicelib.settings import DEFAULT_THRESHOLDS
from tests.fake_store import (
    FakeAudience,
    FakeCatalogue,
    FakeLimits,
    FakePositions,
    FakeSessions,
    FakeStore,
    FakeStream,
    FakeSubscriptions,
)
from tests.fakes import FakeClock, FakeIngestStore, seen

LOG_ENTRIES = 5


@dataclass(kw_only=True)
class Store:
    """Every port of one store; ``fail_over`` makes it another server."""

    clock: FakeClock
    stream: Stream
    audience: Audience
    subscriptions: Subscriptions
    sessions: Sessions
    limits: Limits
    catalogue: Catalogue
    positions: Positions
    ingest: IngestStore
    fail_over: Callable[[], None]

    def now_ms(self) -> int:
        return int(self.clock().timestamp() * 1000)

    def sequence(self, topic: str, *values: str, **more: Any) -> Sequenced:
        """Values of a topic, all seen now."""
        return self.stream.sequence([seen(topic, value, self.clock(), **more) for value in values])

    def open(self, connection: str, user: str = "u", *, lasts_s: int = 3600, limit: int = 10) -> Any:
        ends_ms = self.now_ms() + lasts_s * 1000
        return self.sessions.open(connection, Session(user, "pro", ends_ms, self.now_ms() + 7200_000), limit)

    def subscribe(self, connection: str, *names: str, **more: Any) -> Subscribed | None:
        patterns = more.pop("patterns", None) or dict.fromkeys(names, "-")
        wanted = {
            "group": Group(),
            "ends_ms": self.now_ms() + 3600_000,
            "max_topics": 100,
            "snapshot": True,
            "since": {},
        }
        return self.subscriptions.subscribe(connection, patterns, **{**wanted, **more})


def start_of_now() -> FakeClock:
    """Redis counts times to live on its own clock: a test's must start near it."""
    return FakeClock(datetime.now(UTC).replace(second=0, microsecond=0))


def fake_store() -> Store:
    clock = start_of_now()
    store = FakeStore(clock, log_entries=LOG_ENTRIES)
    return Store(
        clock=clock,
        stream=FakeStream(store),
        audience=FakeAudience(store),
        subscriptions=FakeSubscriptions(store),
        sessions=FakeSessions(store),
        limits=FakeLimits(clock),
        catalogue=FakeCatalogue(store),
        positions=FakePositions(store),
        ingest=FakeIngestStore(),
        fail_over=store.fail_over,
    )


def redis_store(url: str) -> Store:
    """On an empty Redis."""
    clock, redis = start_of_now(), Redis(url)
    generations = iter(range(1, 1000))
    stream = RedisStream(
        redis,
        thresholds=DEFAULT_THRESHOLDS,
        now=clock,
        log_entries=LOG_ENTRIES,
        log_seconds=900,
        applied_seconds=3600,
    )
    return Store(
        clock=clock,
        stream=stream,
        audience=RedisAudience(redis, now=clock),
        subscriptions=RedisSubscriptions(redis, now=clock),
        sessions=RedisSessions(redis, now=clock, tombstone_seconds=900),
        limits=RedisLimits(redis, now=clock),
        catalogue=RedisCatalogue(redis),
        positions=RedisPositions(redis),
        ingest=RedisIngestStore(redis, now=clock),
        fail_over=lambda: redis.call(lambda client: client.hset("fence", "generation", f"g{next(generations)}")),
    )
