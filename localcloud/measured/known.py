"""Which metrics this machine measures; everything else is AWS's alone."""

from __future__ import annotations

from localcloud.cloudwatch.store import Metric
from localcloud.measured import api, functions, queues, redis

OURS = "DefiStream"  # the handlers' own
FIRST_NODE = "redis-001"

_NAMES = {
    api.NAMESPACE: api.WEBSOCKET | api.REST,
    functions.NAMESPACE: functions.METRICS,
    queues.NAMESPACE: queues.METRICS,
    redis.NAMESPACE: redis.METRICS,
}


def measured(metric: Metric) -> bool:
    """Whether it may have data here, sooner or later."""
    if metric.namespace == redis.NAMESPACE and dict(metric.dimensions).get("CacheClusterId") != FIRST_NODE:
        return False
    return metric.namespace == OURS or metric.name in _NAMES.get(metric.namespace, ())
