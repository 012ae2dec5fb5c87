"""What Lambda says of its functions.

Source: Lambda Developer Guide, "Types of metrics for Lambda functions". Here an invocation beyond a function's workers
waits instead of being refused, so Throttles is 0; reservations, and so ClaimedAccountConcurrency, there are none.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from localcloud.cloudwatch.store import MetricStore

NAMESPACE = "AWS/Lambda"
METRICS = frozenset({"ConcurrentExecutions", "Duration", "Errors", "Invocations", "Throttles"})
ALIAS = "live"


class FunctionMeter:
    """Puts an invocation under its function, and under the function's alias, as Lambda does where one was invoked."""

    def __init__(self, store: MetricStore, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store, self._now = store, now

    def invoked(self, function: str, duration_ms: float, *, failed: bool, busy: int, busy_everywhere: int) -> None:
        """``busy`` are the function's workers that were at work at its end, its own included."""
        values = {"Invocations": 1.0, "Errors": float(failed), "Throttles": 0.0, "ConcurrentExecutions": float(busy)}
        now = self._now()
        for dimensions in ({"FunctionName": function}, {"FunctionName": function, "Resource": f"{function}:{ALIAS}"}):
            for name, value in values.items():
                self._store.put(NAMESPACE, name, dimensions, now, [value], "Count")
            self._store.put(NAMESPACE, "Duration", dimensions, now, [duration_ms], "Milliseconds")
        self._store.put(NAMESPACE, "ConcurrentExecutions", {}, now, [float(busy_everywhere)], "Count")
