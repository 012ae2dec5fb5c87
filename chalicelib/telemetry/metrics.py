"""CloudWatch metrics in the embedded metric format: one line an invocation, no call on the hot path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

NAMESPACE = "DefiStream"
_provider = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, service="defi-stream")


def count(name: str, value: float) -> None:
    """Add to a counter of this invocation."""
    _provider.add_metric(name, MetricUnit.Count, value)


def milliseconds(name: str, value: float) -> None:
    """Record one duration."""
    _provider.add_metric(name, MetricUnit.Milliseconds, value)


@contextmanager
def invocation() -> Iterator[None]:
    """Write what was counted, at the end and also on failure."""
    try:
        yield
    finally:
        if _provider.metric_set:
            _provider.flush_metrics()
