"""What SQS says of the work done: messages received and deleted, by queue. (Depth and age are asked of the queues.)"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime

from localcloud.cloudwatch.store import MetricStore

NAMESPACE = "AWS/SQS"
METRICS = frozenset(
    {
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesVisible",
        "NumberOfMessagesDeleted",
        "NumberOfMessagesReceived",
    }
)

# By queue name: messages received and deleted since the start.
Totals = Callable[[], Mapping[str, tuple[int, int]]]


class QueueSampler:
    """Puts what was received and deleted since it was last called; only our own pollers do either."""

    def __init__(self, totals: Totals) -> None:
        self._totals = totals
        self._before: Counter[tuple[str, str]] = Counter()

    async def __call__(self, store: MetricStore, at: datetime) -> None:
        for queue, counts in self._totals().items():
            for name, total in zip(("NumberOfMessagesReceived", "NumberOfMessagesDeleted"), counts, strict=True):
                new = total - self._before[queue, name]
                self._before[queue, name] = total
                store.put(NAMESPACE, name, {"QueueName": queue}, at, [new], "Count")
