"""The sequencer on a real Redis."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from chalicelib.adapters.redis.client import Redis
from chalicelib.adapters.redis.stream import RedisAudience, RedisStream
from chalicelib.adapters.redis.subscriptions import RedisSubscriptions
from chalicelib.domain.changes import Change, Due
from chalicelib.domain.filters import Group
from chalicelib.domain.observations import Observation, observation_id
from chalicelib.ports import Tick
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


def test_a_first_observation_is_a_change_without_a_previous_value(stream):
    (change,) = publish(stream, seen("3000"))
    assert (change.offset, change.previous, change.value) == (1, None, "3000")
    assert change.due(Group()) is None
    assert set(change.prev.values()) == {None}


def test_offsets_and_prevs_chain_without_a_gap(stream):
    changes = publish(stream, *(seen(str(3000 + 30 * n), n) for n in range(5)))
    assert [change.offset for change in changes] == [1, 2, 3, 4, 5]
    assert [change.due(Group()) for change in changes] == [None, 1, 2, 3, 4]


def test_a_redelivered_observation_keeps_its_offset(stream):
    """At-least-once input, exactly-once observation."""
    first = seen("3000")
    (change,) = publish(stream, first)
    publish(stream, seen("3100", 1), seen("3200", 2))
    assert publish(stream, first) == [change]
    assert publish(stream, seen("3300", 3))[0].offset == 4


def test_an_older_observation_is_dropped(stream):
    publish(stream, seen("3000", 10))
    assert publish(stream, seen("9000", 5)) == [None]
    assert publish(stream, seen("9000", 5)) == [None]


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


def test_a_connection_that_joins_reads_a_snapshot_and_resumes_what_it_missed(stream, subscriptions):
    changes = publish(stream, *(seen(str(3000 + 30 * n), n) for n in range(5)))
    (read,) = join(subscriptions).reads
    assert read.snapshot.offset == 5
    since = {"price:ethereum": (read.epoch, 2)}
    (read,) = join(subscriptions, "c2", since=since).reads
    assert (read.recovered, read.snapshot) == (True, None)
    assert list(read.missed) == changes[2:]


def test_a_resume_beyond_the_log_is_refused_whole(stream, subscriptions):
    publish(stream, *(seen(str(1000 + 10 * n), n) for n in range(250)))
    (read,) = join(subscriptions).reads
    for offset, recovered in ((50, True), (49, False), (250, True), (251, False)):
        (again,) = join(subscriptions, since={"price:ethereum": (read.epoch, offset)}).reads
        assert (again.recovered, again.snapshot is None) == (recovered, recovered)


def test_groups_are_joined_once_and_left(store, clock, stream, subscriptions):
    publish(stream, seen("3000"))
    audience = RedisAudience(store, now=clock)
    join(subscriptions)
    join(subscriptions, group=Group(rate_s=5))
    assert audience.recipients(["price:*"]) == {"price:*": {Group(rate_s=5): ["c1"]}}
    assert subscriptions.subscribed("c1") == {"price:*": Group(rate_s=5)}
    assert list(subscriptions.unsubscribe("c1", [])) == ["price:*"]
    assert audience.recipients(["price:*"]) == {}


def test_a_tombstone_turns_a_late_subscribe_away(store, clock, subscriptions):
    from chalicelib.adapters.redis.sessions import RedisSessions

    RedisSessions(store, now=clock, tombstone_seconds=60).forget(["c1"])
    assert join(subscriptions) is None


def test_an_unknown_topic_is_refused_only_once_its_source_was_heard(stream, subscriptions):
    assert join(subscriptions, pattern="tvl:protocol:aave").patterns == [("tvl:protocol:aave", "ok", 1)]
    publish(stream, seen("1", 0, "tvl:protocol:lido"))
    assert join(subscriptions, "c2", pattern="tvl:protocol:nope").patterns == [("tvl:protocol:nope", "unknown", 1)]
    assert join(subscriptions, "c2", pattern="tvl:protocol:lido").patterns == [("tvl:protocol:lido", "ok", 1)]


def test_a_slower_rate_gets_the_first_change_at_once_and_the_newest_at_the_tick(clock, stream, subscriptions):
    slow = Group(rate_s=5)
    publish(stream, seen("1000"))
    join(subscriptions, group=slow)
    clock.pass_s(1)
    sequenced = stream.sequence([seen("1010", 1)])
    assert sequenced.changes[0].due(slow) is None
    assert sequenced.ticks == []
    clock.pass_s(1)
    sequenced = stream.sequence([seen("1020", 2), seen("1030", 3)])
    assert [change.due(slow) for change in sequenced.changes] == [Due.NO, Due.NO]
    (tick,) = sequenced.ticks
    assert tick == Tick(5, int(START.timestamp()) // 5 + 1)
    clock.pass_s(3)
    flushed = stream.flush(tick)
    # Sent at once within this slot: the newest waits for the next, at most one an interval.
    assert (list(flushed.changes), flushed.next_tick) == ([], Tick(5, tick.slot + 1))
    clock.pass_s(5)
    (change,) = stream.flush(flushed.next_tick).changes
    assert (change.offset, change.value, change.due(slow), change.due(Group())) == (4, "1030", 2, Due.NO)


def test_a_flush_that_stopped_half_way_is_sent_again_unchanged(clock, stream, subscriptions):
    publish(stream, seen("1000"))
    join(subscriptions, group=Group(rate_s=1))
    clock.pass_s(1)
    publish(stream, seen("1010", 1))
    (tick,) = stream.sequence([seen("1020", 2)]).ticks
    clock.pass_s(1)
    first = stream.flush(tick)
    assert [change.value for change in first.changes] == ["1020"]
    stream.sequence([seen("1030", 3)])
    assert stream.flush(tick).changes == first.changes
    clock.pass_s(1)
    assert tick in stream.overdue(0)
    stream.flushed(tick, first.changes)
    assert stream.flush(tick).changes == []


def test_a_lost_tick_is_overdue(clock, stream, subscriptions):
    publish(stream, seen("1000"))
    join(subscriptions, group=Group(rate_s=15))
    clock.pass_s(1)
    publish(stream, seen("1010", 1), seen("1020", 2))
    assert stream.overdue(5) == []
    clock.pass_s(40)
    (tick,) = stream.overdue(5)
    flushed = stream.flush(tick)
    assert [change.value for change in flushed.changes] == ["1020"]
    stream.flushed(tick, flushed.changes)
    assert stream.overdue(5) == []


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
