"""The sequencer on a real Redis, beyond what tests/contract asks of every store: thresholds, a whole log, a restart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from chalicelib.adapters.redis.client import Redis
from chalicelib.adapters.redis.stream import RedisStream
from chalicelib.adapters.redis.subscriptions import RedisSubscriptions
from chalicelib.domain.changes import Change, Due
from chalicelib.domain.filters import Group
from chalicelib.domain.observations import Observation, observation_id
from chalicelib.settings import DEFAULT_THRESHOLDS

# Keys expire by the server's clock, so the tests' clock starts now; on a whole minute, where slots begin.
START = datetime.now(UTC).replace(second=0, microsecond=0)


class Clock:
    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at

    def pass_s(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(redis_url: str) -> Redis:
    return Redis(redis_url)


@pytest.fixture
def stream(store: Redis, clock: Clock) -> RedisStream:
    return RedisStream(
        store, thresholds=DEFAULT_THRESHOLDS, now=clock, log_entries=200, log_seconds=900, applied_seconds=3600
    )


@pytest.fixture
def subscriptions(store: Redis, clock: Clock) -> RedisSubscriptions:
    return RedisSubscriptions(store, now=clock)


def seen(value: str, second: int = 0, topic: str = "price:ethereum") -> Observation:
    at = START + timedelta(seconds=second)
    return Observation(observation_id(topic, str(second), Decimal(value)), topic, Decimal(value), at)


def publish(stream: RedisStream, *observations: Observation) -> list[Change | None]:
    return list(stream.sequence(observations).changes)


REALTIME = Group()


def join(subscriptions, connection="c1", pattern="price:*", group=REALTIME, since=None, snapshot=True, max_topics=10):
    return subscriptions.subscribe(
        connection,
        {pattern: ""},
        group=group,
        ends_ms=int((START.timestamp() + 7200) * 1000),
        max_topics=max_topics,
        snapshot=snapshot,
        since=since or {},
    )


def test_offsets_and_prevs_chain_without_a_gap(stream):
    changes = publish(stream, *(seen(str(3000 + 30 * n), n) for n in range(5)))
    assert [change.offset for change in changes] == [1, 2, 3, 4, 5]
    assert [change.due(Group()) for change in changes] == [None, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("topic", "before", "after", "told"),
    [
        ("price:ethereum", "100", "100.1", True),
        ("price:ethereum", "100", "100.09", False),
        ("price:ethereum", "100", "99.9", True),
        ("price:ethereum", "0", "0.0000001", True),
        ("price:ethereum", "5", "5", False),
        ("tvl:protocol:aave", "1000000", "1009999", False),
        ("tvl:protocol:aave", "1000000", "1010000", True),
        ("tvl:protocol:aave", "20000000000", "20000010000", True),
        ("peg:usd-coin", "1", "0.999", True),
        ("yield:pool", "4", "4.2", True),
        ("yield:pool", "-4", "-4.1", False),
    ],
)
def test_a_move_is_a_change_from_its_kinds_threshold_on(stream, topic, before, after, told):
    publish(stream, seen(before, 0, topic))
    (change,) = publish(stream, seen(after, 1, topic))
    assert (change is not None) is told


def test_slow_drift_reaches_a_filter(stream):
    """A rung's baseline moves only when the rung is passed, so ten steps of 0.3 % pass 1 % twice."""
    publish(stream, seen("1000"))
    changes = publish(stream, *(seen(str(1000 + 3 * n), n) for n in range(1, 11)))
    due = [change.offset for change in changes if not isinstance(change.due(Group(rung="1")), Due)]
    assert due == [5, 9]
    assert changes[3].due(Group(rung="1")) == 1
    assert changes[7].due(Group(rung="1")) == 5


def test_a_resume_beyond_the_log_is_refused_whole(stream, subscriptions):
    publish(stream, *(seen(str(1000 + 10 * n), n) for n in range(250)))
    (read,) = join(subscriptions).reads
    for offset, recovered in ((50, True), (49, False), (250, True), (251, False)):
        (again,) = join(subscriptions, since={"price:ethereum": (read.epoch, offset)}).reads
        assert (again.recovered, again.snapshot is None) == (recovered, recovered)


def test_an_empty_server_gives_new_epochs(store, stream):
    (before,) = publish(stream, seen("3000"))
    store.call(lambda client: client.flushall())
    (after,) = publish(stream, seen("3000"))
    assert after.epoch != before.epoch
    assert after.offset == 1


async def test_another_server_with_an_old_snapshot_gives_new_epochs_and_publishes_again(own_redis, clock):
    """Offsets that the dead server gave out must not be given out again in the same epoch."""
    kept = {"thresholds": DEFAULT_THRESHOLDS, "now": clock, "log_entries": 200, "log_seconds": 900}
    kept["applied_seconds"] = 3600
    store = Redis(own_redis.url)
    stream, subscriptions = RedisStream(store, **kept), RedisSubscriptions(store, now=clock)
    (first,) = publish(stream, seen("1000"))
    store.call(lambda client: client.save())
    (lost,) = publish(stream, seen("1050", 1))
    await own_redis.kill()
    await own_redis.start()
    stream, subscriptions = (
        RedisStream(Redis(own_redis.url), **kept),
        RedisSubscriptions(Redis(own_redis.url), now=clock),
    )
    (read,) = join(subscriptions, since={"price:ethereum": (lost.epoch, lost.offset)}).reads
    assert (read.recovered, read.snapshot.value) == (False, "1000")
    assert read.epoch != first.epoch
    (change,) = publish(stream, replace(seen("1000", 2), id="same value, new epoch"))
    assert (change.epoch, change.offset, change.value) == (read.epoch, 1, "1000")
    assert all(change.due(Group(rung=rung)) is None for rung in ("", "1", "10"))
