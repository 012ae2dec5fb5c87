"""What Redis must survive: a failover under living sandboxes, clients that ask for everything, idle sockets."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta

import pytest
import redis as driver

from chalicelib.adapters.redis import client as adapter
from chalicelib.adapters.redis.client import Redis
from chalicelib.adapters.redis.ingest import RedisIngestStore
from chalicelib.adapters.redis.results import RedisResults
from chalicelib.adapters.redis.sessions import RedisLimits, RedisSessions
from chalicelib.adapters.redis.stream import TOPICS_PER_FLUSH, RedisStream
from chalicelib.adapters.redis.subscriptions import RedisSubscriptions
from chalicelib.domain.filters import Group
from chalicelib.errors import StoreDownError
from chalicelib.ports import FeedState, Session, Tick
from chalicelib.protocol.planning import QueryLimits
from chalicelib.protocol.query import SMALLEST
from chalicelib.services.queries import AnswerQuery
from chalicelib.settings import DEFAULT_THRESHOLDS
from tests.fake_results import FakeQueries
from tests.fakes import FakeClock, seen

HOUR_MS = 3_600_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime.now(UTC).replace(second=0, microsecond=0))


def stream_on(store: Redis, clock: FakeClock) -> RedisStream:
    return RedisStream(
        store, thresholds=DEFAULT_THRESHOLDS, now=clock, log_entries=200, log_seconds=900, applied_seconds=3600
    )


def join(store: Redis, clock: FakeClock, name: str, group: Group, **more: object):
    wanted = {"ends_ms": int(clock().timestamp() * 1000) + HOUR_MS, "max_topics": 10, "snapshot": True, "since": {}}
    return RedisSubscriptions(store, now=clock).subscribe("c", {name: "-"}, group=group, **{**wanted, **more})


async def test_a_primary_that_was_demoted_is_left(own_redis, tmp_path, clock):
    """Every write fails on it from then on: the next command must go where the name now points."""
    store = Redis(own_redis.url)
    stream = stream_on(store, clock)
    stream.sequence([seen("price:a", "1", clock())])
    with driver.Redis.from_url(own_redis.url) as admin:
        admin.execute_command("REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(StoreDownError):
            stream.sequence([seen("price:a", "2", clock())])
        before = {info["id"] for info in admin.client_list()}
        admin.execute_command("REPLICAOF", "NO", "ONE")
        assert stream.sequence([seen("price:a", "3", clock())]).changes[0] is not None
        assert {info["id"] for info in admin.client_list()} - before


def test_a_server_that_does_not_answer_is_waited_for_once(clock):
    """Else each command of a request would wait as long: for who counts it, who looks for an answer, who keeps one."""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel takes connections for it
        silent.settimeout(5)
        now_s = 0.0
        store = Redis(f"redis://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.05, monotonic=lambda: now_s)
        with pytest.raises(StoreDownError, match=r"did not answer within 0\.05 s"):
            store.call(lambda client: client.ping())
        silent.accept()[0].close()
        with pytest.raises(StoreDownError, match="a moment ago"):
            store.call(lambda client: client.ping())
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            silent.accept()
        now_s = 0.06
        with pytest.raises(StoreDownError, match="did not answer within"):
            store.call(lambda client: client.ping())


def test_a_query_waits_once_for_a_server_that_does_not_answer_and_then_asks_the_database(clock):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = Redis(f"redis://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.05, monotonic=lambda: 0.0)
        sizes = {"fresh_ms": 1000, "life_ms": 1000, "stale_ms": 1000, "answer_bytes": 1000, "budget_bytes": 1000}
        service = AnswerQuery(
            queries=FakeQueries(),
            results=RedisResults(store, now=clock, **sizes, of_party=2, of_all=12, of_nobody=8),
            now=clock,
            token=lambda: "o",
            limits=QueryLimits(),
            timeout_s=5,
            wait_s=3,
        )
        with pytest.raises(StoreDownError):  # as whoever counts the caller's requests does first
            RedisLimits(store, now=clock).meter("rest:a", 1, 60)
        assert service.run(SMALLEST.encode(), party="a").body
        silent.settimeout(5)
        silent.accept()[0].close()
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody else has come
            silent.accept()


def test_a_full_server_is_a_store_that_is_down(redis_url, clock):
    store = Redis(redis_url)
    with driver.Redis.from_url(redis_url) as admin:
        admin.config_set("maxmemory", 1)
        try:
            with pytest.raises(StoreDownError, match="full"):
                stream_on(store, clock).sequence([seen("price:a", "1", clock())])
        finally:
            admin.config_set("maxmemory", 0)


def test_a_connection_that_was_idle_through_a_freeze_is_not_trusted(redis_url):
    at = [0.0]
    store = Redis(redis_url, monotonic=lambda: at[0])
    first = store.call(lambda client: client.client_id())
    at[0] += adapter.IDLE_S - 1
    assert store.call(lambda client: client.client_id()) == first
    at[0] += adapter.IDLE_S + 1
    assert store.call(lambda client: client.client_id()) != first


def another_server(store: Redis) -> None:
    """What a new connection finds after a failover."""
    store.run("fence", "another run_id", "another generation")


def test_after_a_failover_a_session_is_missed_so_that_its_client_subscribes_again(redis_url, clock):
    store = Redis(redis_url)
    sessions = RedisSessions(store, now=clock, tombstone_seconds=60)
    ends_ms = int(clock().timestamp() * 1000) + HOUR_MS
    session = Session("u", "pro", ends_ms, ends_ms)
    assert sessions.open("c", session, 10) is None
    assert sessions.get("c") == session
    another_server(store)
    assert sessions.get("c") is None
    sessions.open("c", session, 10)
    assert sessions.get("c") == session


def test_after_a_failover_ingest_says_everything_again(redis_url, clock):
    store = Redis(redis_url)
    ingest = RedisIngestStore(store, now=clock)
    ingest.save_last_seen({"price:a": "1"})
    at = clock()
    ingest.save_feed_state("prices", FeedState({"url": "tag"}, next_poll=at, last_success=at, count=3, total=1e11))
    another_server(store)
    assert ingest.last_seen(["price:a"]) == [None]
    assert ingest.feed_state("prices") == FeedState(last_success=at, count=3, total=1e11)  # what the shrink check needs


def test_a_wildcard_over_thousands_of_topics_is_read_in_parts(redis_url, clock):
    store = Redis(redis_url)
    stream = stream_on(store, clock)
    names = [f"tvl:protocol:p{number}" for number in range(3000)]
    stream.sequence([seen(name, "1", clock()) for name in names])
    store.call(lambda client: client.config_resetstat())
    reads = join(store, clock, "tvl:*", Group()).reads
    assert store.call(lambda client: client.info("commandstats"))["cmdstat_sscan"]["calls"] > 5
    assert sorted(read.topic for read in reads) == sorted(names)
    assert all(read.snapshot is not None for read in reads)


def test_thousands_of_dirty_topics_are_flushed_in_parts_each_once(redis_url, clock):
    store = Redis(redis_url)
    stream = stream_on(store, clock)
    names = [f"price:c{number}" for number in range(TOPICS_PER_FLUSH * 2 + 50)]
    join(store, clock, "price:*", Group(rate_s=60))
    stream.sequence([seen(name, "1", clock()) for name in names])
    clock.forward(seconds=1)
    (tick,) = stream.sequence([seen(name, "2", clock()) for name in names]).ticks
    clock.forward(seconds=120)
    late = Tick(60, tick.slot + 1)
    parts = []
    while True:
        flushed = stream.flush(late)
        parts.append([change.topic for change in flushed.changes])
        stream.flushed(late, flushed.changes)
        if not flushed.more:
            break
    assert [len(part) for part in parts] == [TOPICS_PER_FLUSH, TOPICS_PER_FLUSH, 50]
    assert sorted(topic for part in parts for topic in part) == sorted(names)


def test_what_another_flush_froze_meanwhile_is_not_forgotten(redis_url, clock):
    store = Redis(redis_url)
    stream = stream_on(store, clock)
    join(store, clock, "price:*", Group(rate_s=5))
    stream.sequence([seen("price:a", "1", clock()), seen("price:b", "1", clock())])
    clock.forward(seconds=1)
    stream.sequence([seen("price:a", "2", clock())])
    clock.forward(seconds=10)
    tick = Tick(5, int(clock().timestamp()) // 5)
    first = stream.flush(tick)
    clock.at -= timedelta(seconds=9)  # a worker whose clock is behind marks a slot that is being flushed
    stream.sequence([seen("price:b", "2", clock())])
    clock.at += timedelta(seconds=9)
    second = stream.flush(tick)
    assert {change.topic for change in second.changes} == {"price:a", "price:b"}
    stream.flushed(tick, first.changes)
    assert [change.topic for change in stream.flush(tick).changes] == ["price:b"]


def test_a_coin_is_polled_while_somebody_wants_it_the_oldest_wish_first(redis_url, clock):
    store = Redis(redis_url)
    ingest = RedisIngestStore(store, now=clock)
    subscriptions = RedisSubscriptions(store, now=clock)
    ends_ms = int(clock().timestamp() * 1000) + HOUR_MS
    wanted = {"group": Group(), "ends_ms": ends_ms, "max_topics": 10, "snapshot": True, "since": {}}
    subscriptions.subscribe("c", {"price:base:0xz": "base:0xz"}, **wanted)
    clock.forward(seconds=1)
    subscriptions.subscribe("d", {"price:base:0xa": "base:0xa"}, **wanted)
    assert ingest.wanted_coins() == ["base:0xz", "base:0xa"]
    subscriptions.unsubscribe("d", [])
    clock.forward(seconds=601)
    assert ingest.wanted_coins() == ["base:0xz"]


def test_a_charge_is_paid_for_with_the_commands_that_follow(redis_url, clock):
    limits = RedisLimits(Redis(redis_url), now=clock)
    assert limits.take("k", 2, 10) == 0
    limits.charge("k", 2, 10, 20)
    assert limits.take("k", 2, 10) == pytest.approx(6.0)
    clock.forward(seconds=6)
    assert limits.take("k", 2, 10) == 0


def test_invented_coins_that_nobody_is_subscribed_to_are_not_polled(redis_url, clock):
    store = Redis(redis_url)
    ingest, subscriptions = RedisIngestStore(store, now=clock), RedisSubscriptions(store, now=clock)
    ends_ms = int(clock().timestamp() * 1000) + HOUR_MS
    wanted = {"group": Group(), "ends_ms": ends_ms, "max_topics": 1000, "snapshot": True, "since": {}}
    invented = {f"price:x:0x{number:04}": f"x:0x{number:04}" for number in range(500)}
    subscriptions.subscribe("c", invented, **wanted)
    subscriptions.unsubscribe("c", [])
    subscriptions.subscribe("d", {"price:base:0xa": "base:0xa"}, **wanted)
    assert ingest.wanted_coins() == ["base:0xa"]
    clock.forward(seconds=601)
    ingest.wanted_coins()
    assert store.call(lambda client: client.zcard("wanted")) == 1


def test_a_refreshed_session_is_still_refreshed_after_a_failover(redis_url, clock):
    store = Redis(redis_url)
    sessions = RedisSessions(store, now=clock, tombstone_seconds=60)
    now_ms = int(clock().timestamp() * 1000)
    session = Session("u", "free", now_ms + HOUR_MS, now_ms + 2 * HOUR_MS)
    sessions.open("c", session, 10)
    sessions.extend("c", now_ms + 2 * HOUR_MS)
    another_server(store)
    assert sessions.get("c") is None
    sessions.open("c", session, 10)  # as the authorizer knew it
    found = sessions.get("c")
    assert found is not None
    assert found.session_ms == now_ms + 2 * HOUR_MS
