"""What ElastiCache says of a Redis node, out of this one's INFO.

Source: ElastiCache User Guide, "Metrics for Valkey and Redis OSS". Not here: CPUUtilization and SwapUsage (of a node
that is nothing but Redis), CPU credits, latencies by command, replication (there is one node), and the share of memory
where no maximum is set.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from redis.asyncio import Redis

from localcloud.cloudwatch.store import MetricStore

NAMESPACE = "AWS/ElastiCache"
METRICS = frozenset(
    {
        "AuthenticationFailures",
        "BytesUsedForCache",
        "CacheHitRate",
        "CurrConnections",
        "EngineCPUUtilization",
        "Evictions",
        "NewConnections",
    }
)
Info = Mapping[str, Any]
Value = tuple[str, float, str]  # name, value, unit

_COUNTERS = {
    "Evictions": "evicted_keys",
    "NewConnections": "total_connections_received",
    "AuthenticationFailures": "acl_access_denied_auth",
}


class RedisSampler:
    """Puts a minute's metrics each time it is called; the first call only takes the counters' start."""

    def __init__(self, url: str, *, cluster: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url, self._cluster, self._clock = url, cluster, clock
        self._before: tuple[float, Info] | None = None

    async def __call__(self, store: MetricStore, at: datetime) -> None:
        async with Redis.from_url(self._url, socket_timeout=5) as client:
            info = await client.info("everything")
        now, before = self._clock(), self._before
        self._before = (now, info)
        for name, value, unit in values(info, before[1], now - before[0]) if before else ():
            store.put(NAMESPACE, name, {"CacheClusterId": self._cluster}, at, [value], unit)


def values(info: Info, before: Info, elapsed_s: float) -> Iterator[Value]:
    """Of the time between two INFOs of one server; a server that began again in between has counted from 0."""
    if info.get("run_id") != before.get("run_id"):
        return
    yield "BytesUsedForCache", float(info["used_memory"]), "Bytes"
    yield "CurrConnections", float(info["connected_clients"]), "Count"
    yield "EngineCPUUtilization", min(100.0, 100 * (_busy_s(info) - _busy_s(before)) / elapsed_s), "Percent"
    for name, counter in _COUNTERS.items():
        yield name, float(info.get(counter, 0) - before.get(counter, 0)), "Count"
    hits, misses = (info[name] - before[name] for name in ("keyspace_hits", "keyspace_misses"))
    if hits + misses:
        yield "CacheHitRate", 100 * hits / (hits + misses), "Percent"


def _busy_s(info: Info) -> float:
    """Of the engine's one thread, where the server tells it apart."""
    names = ("used_cpu_sys_main_thread", "used_cpu_user_main_thread")
    return sum(float(info[name] if name in info else info[name.removesuffix("_main_thread")]) for name in names)
