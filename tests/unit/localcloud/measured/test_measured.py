"""AWS's own metrics, as far as this machine can know them."""

from datetime import UTC, datetime, timedelta

import pytest

from localcloud.cloudwatch.store import Metric, MetricStore
from localcloud.measured.api import ApiMeter
from localcloud.measured.functions import FunctionMeter
from localcloud.measured.known import measured
from localcloud.measured.queues import QueueSampler
from localcloud.measured.redis import RedisSampler, values
from localcloud.stores import RedisServer

NOW = datetime(2026, 11, 23, 10, 0, 30, tzinfo=UTC)
SOCKETS = {"ApiId": "local", "Stage": "ws"}
REST = {"ApiName": "rest", "Stage": "api"}
BEFORE = {
    "run_id": "one",
    "used_memory": 1000,
    "connected_clients": 4,
    "used_cpu_sys_main_thread": 1.0,
    "used_cpu_user_main_thread": 2.0,
    "evicted_keys": 5,
    "total_connections_received": 10,
    "acl_access_denied_auth": 0,
    "keyspace_hits": 100,
    "keyspace_misses": 100,
}


@pytest.fixture
def store():
    return MetricStore()


def measures(store, namespace, stat="Sum"):
    """By name and dimensions, in the minute of NOW."""
    start = NOW.replace(second=0)
    return {
        (metric.name, *dict(metric.dimensions).values()): store.statistics(
            *(namespace, metric.name, dict(metric.dimensions), stat),
            start=start,
            end=start + timedelta(minutes=1),
            period_s=60,
        )[0].value
        for metric in store.metrics(namespace)
    }


def test_an_invocation_counts_for_its_function_and_its_alias(store):
    meter = FunctionMeter(store, now=lambda: NOW)
    meter.invoked("poll", 10.0, failed=False, busy=1, busy_everywhere=3)
    meter.invoked("poll", 30.0, failed=True, busy=2, busy_everywhere=2)
    sums, maxima = measures(store, "AWS/Lambda"), measures(store, "AWS/Lambda", "Maximum")
    for named in (("poll",), ("poll", "poll:live")):
        assert sums["Invocations", *named] == 2
        assert sums["Errors", *named] == 1
        assert sums["Throttles", *named] == 0
        assert sums["Duration", *named] == 40
        assert maxima["ConcurrentExecutions", *named] == 2
    assert maxima["ConcurrentExecutions",] == 3


def test_routes_of_the_socket_count_and_an_authorizer_does_not(store):
    meter = ApiMeter(store, websocket=SOCKETS, rest=REST, now=lambda: NOW)
    meter.route({"type": "REQUEST", "requestContext": {"eventType": "CONNECT"}}, 900.0, failed=True)
    for kind, failed in (("CONNECT", False), ("MESSAGE", True), ("DISCONNECT", False)):
        meter.route({"requestContext": {"eventType": kind}}, 10.0, failed=failed)
    meter.posted(5)
    meter.posted(7)
    assert measures(store, "AWS/ApiGateway") == {
        ("ConnectCount", "local", "ws"): 1,
        ("MessageCount", "local", "ws"): 8,
        ("IntegrationError", "local", "ws"): 1,
        ("IntegrationLatency", "local", "ws"): 30,
    }


def test_requests_count_by_how_they_were_answered(store):
    meter = ApiMeter(store, websocket=SOCKETS, rest=REST, now=lambda: NOW)
    for status in (200, 404, 429, 500):
        meter.request(status, 2.5)
    assert measures(store, "AWS/ApiGateway") == {
        ("Count", "rest", "api"): 4,
        ("Latency", "rest", "api"): 10,
        ("4XXError", "rest", "api"): 2,
        ("5XXError", "rest", "api"): 1,
    }


async def test_a_queues_counters_are_told_by_what_was_added(store):
    totals = {"events": (3, 2)}
    sampler = QueueSampler(lambda: totals)
    await sampler(store, NOW - timedelta(minutes=1))
    totals["events"] = (10, 9)
    await sampler(store, NOW)
    assert measures(store, "AWS/SQS") == {
        ("NumberOfMessagesReceived", "events"): 7,
        ("NumberOfMessagesDeleted", "events"): 7,
    }


def test_redis_is_measured_by_what_has_changed_since_the_last_look():
    info = {
        **BEFORE,
        "used_memory": 5000,
        "used_cpu_user_main_thread": 17.0,
        "evicted_keys": 6,
        "total_connections_received": 13,
        "keyspace_hits": 130,
        "keyspace_misses": 110,
    }
    assert {name: value for name, value, _ in values(info, BEFORE, 60.0)} == {
        "BytesUsedForCache": 5000,
        "CurrConnections": 4,
        "EngineCPUUtilization": 25,
        "Evictions": 1,
        "NewConnections": 3,
        "AuthenticationFailures": 0,
        "CacheHitRate": 75,
    }


def test_without_a_read_there_is_no_hit_rate():
    assert "CacheHitRate" not in {name for name, *_ in values(BEFORE, BEFORE, 60.0)}


def test_a_redis_that_began_again_is_measured_from_the_next_look_on():
    assert list(values({**BEFORE, "run_id": "two", "evicted_keys": 0}, BEFORE, 60.0)) == []


async def test_a_real_redis_tells_all_that_is_asked_of_it(store, tmp_path):
    server = RedisServer(tmp_path)
    await server.start()
    try:
        clock = iter((0.0, 60.0))
        sampler = RedisSampler(server.url, cluster="redis-001", clock=lambda: next(clock))
        await sampler(store, NOW)
        assert list(store.metrics()) == []
        await sampler(store, NOW)
    finally:
        await server.stop()
    found = measures(store, "AWS/ElastiCache")
    assert found["BytesUsedForCache", "redis-001"] > 100_000
    assert found["NewConnections", "redis-001"] == 1
    assert 0 <= found["EngineCPUUtilization", "redis-001"] < 100


@pytest.mark.parametrize(
    ("namespace", "name", "dimensions", "known"),
    [
        ("DefiStream", "PublishedToSent", {"Stage": "local"}, True),
        ("AWS/Lambda", "Errors", {"FunctionName": "poll"}, True),
        ("AWS/Lambda", "ClaimedAccountConcurrency", {}, False),
        ("AWS/ElastiCache", "Evictions", {"CacheClusterId": "redis-001"}, True),
        ("AWS/ElastiCache", "Evictions", {"CacheClusterId": "redis-002"}, False),
        ("AWS/RDS", "CPUUtilization", {}, False),
    ],
)
def test_it_is_known_what_only_aws_measures(namespace, name, dimensions, known):
    assert measured(Metric.of(namespace, name, dimensions)) is known
