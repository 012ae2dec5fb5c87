"""CloudWatch metrics in the embedded metric format: one line an invocation, no call on the hot path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

NAMESPACE = "DefiStream"
_counts: Counter[str] = Counter()


def count(name: str, value: int) -> None:
    """Add to a counter of the invocation that is under way."""
    _counts[name] += value


@contextmanager
def invocation() -> Iterator[None]:
    """Write what was counted, at the end and also on failure."""
    _counts.clear()
    try:
        yield
    finally:
        if _counts:
            provider = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, service="defi-stream")
            for name, value in _counts.items():
                provider.add_metric(name, MetricUnit.Count, value)
            provider.flush_metrics()
