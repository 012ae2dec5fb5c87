"""CloudWatch metrics in the embedded metric format: one line an invocation, no call on the hot path."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

NAMESPACE = "DefiStream"
VALUES_MAX = 99  # of one metric in one EMF line; at a hundred the provider would write by itself
_counts: Counter[str] = Counter()
_durations_ms: defaultdict[str, list[float]] = defaultdict(list)


def count(name: str, value: int) -> None:
    """Add to a counter of the invocation that is under way."""
    _counts[name] += value


def milliseconds(name: str, value: float) -> None:
    """Record one duration of the invocation that is under way; the first hundred of a name are kept."""
    if len(_durations_ms[name]) < VALUES_MAX:
        _durations_ms[name].append(value)


@contextmanager
def invocation() -> Iterator[None]:
    """Write what was recorded, at the end and also on failure."""
    _counts.clear()
    _durations_ms.clear()
    try:
        yield
    finally:
        if _counts or _durations_ms:
            _write()


def _write() -> None:
    provider = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, service="defi-stream")
    for name, total in _counts.items():
        provider.add_metric(name, MetricUnit.Count, total)
    for name, values in _durations_ms.items():
        for value in values:
            provider.add_metric(name, MetricUnit.Milliseconds, value)
    provider.flush_metrics()
