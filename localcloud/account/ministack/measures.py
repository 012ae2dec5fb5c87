"""The account's metrics: what functions log, what Lambda says of invocations, what SQS says of queues.

Sources: Lambda Developer Guide, "Types of metrics for Lambda functions"; SQS Developer Guide, "Available CloudWatch
metrics for Amazon SQS".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue

from localcloud.account.clock import Clock
from localcloud.account.ministack.invocations import Invocation
from localcloud.cloudwatch.emf import read_emf
from localcloud.cloudwatch.errors import EmfError
from localcloud.cloudwatch.store import MetricStore

_RETENTION = timedelta(hours=6)  # of the account's time: more than any alarm here looks back


@dataclass(frozen=True, slots=True)
class Depth:
    """Messages of a queue that wait, that somebody has received, and the age of the oldest."""

    visible: int
    in_flight: int
    oldest_s: float


class Measures:
    """``told`` may be called from any thread; all else belongs to the one that evaluates.

    A line of metrics that CloudWatch would drop is dropped, and counted in ``dropped`` by its reason.
    """

    def __init__(self, clock: Clock) -> None:
        self.store = MetricStore(retention=_RETENTION)
        self.dropped: Counter[str] = Counter()
        self._clock = clock
        self._told: SimpleQueue[Invocation] = SimpleQueue()

    def told(self, invocation: Invocation) -> None:
        self._told.put(invocation)

    def collect(self) -> None:
        """Put what was told until now."""
        try:
            while True:
                self._put(self._told.get_nowait())
        except Empty:
            pass

    def queues(self, depths: Mapping[str, Depth], at: datetime) -> None:
        """``at`` is the account's time. Ages stay real seconds, as every length of time that functions measure."""
        for name, depth in depths.items():
            dimensions = {"QueueName": name}
            for metric, value in (("Visible", depth.visible), ("NotVisible", depth.in_flight)):
                self.store.put("AWS/SQS", f"ApproximateNumberOfMessages{metric}", dimensions, at, [value], "Count")
            self.store.put("AWS/SQS", "ApproximateAgeOfOldestMessage", dimensions, at, [depth.oldest_s], "Seconds")

    def _put(self, invocation: Invocation) -> None:
        at = self._clock.at(invocation.ended)
        values = {"Throttles": float(invocation.throttled)}
        if not invocation.throttled:
            values |= {"Invocations": 1.0, "Errors": float(invocation.failed)}
        for dimensions in _dimensions(invocation):
            for name, value in values.items():
                self.store.put("AWS/Lambda", name, dimensions, at, [value], "Count")
            if not invocation.throttled:
                self.store.put("AWS/Lambda", "Duration", dimensions, at, [invocation.duration_ms], "Milliseconds")
        for line in invocation.lines:
            self._put_logged(line)

    def _put_logged(self, line: str) -> None:
        try:
            data = read_emf(line)
        except EmfError as error:
            self.dropped[str(error)] += 1
            return
        for datum in data:
            self.store.put(
                *(datum.namespace, datum.name, datum.dimensions, self._clock.at(datum.timestamp), datum.values),
                datum.unit,
                resolution_s=datum.resolution_s,
            )


def _dimensions(invocation: Invocation) -> Iterator[dict[str, str]]:
    """The function; what of it was asked for; and of an alias, which version that was."""
    name = {"FunctionName": invocation.function}
    yield name
    asked = invocation.alias or (invocation.version if invocation.version != "$LATEST" else None)
    if asked:
        resource = {**name, "Resource": f"{invocation.function}:{asked}"}
        yield resource
        if invocation.alias:
            yield {**resource, "ExecutedVersion": invocation.version}
