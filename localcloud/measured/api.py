"""What API Gateway says of the two APIs.

Source: API Gateway Developer Guide, "Monitor WebSocket API execution with CloudWatch metrics" and "Amazon API Gateway
dimensions and metrics". Not here: what the WebSocket API refused before a function was called (ClientError), and calls
of functions that could not be made (ExecutionError).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from localcloud.cloudwatch.store import MetricStore

NAMESPACE = "AWS/ApiGateway"
WEBSOCKET = frozenset({"ConnectCount", "IntegrationError", "IntegrationLatency", "MessageCount"})
REST = frozenset({"4XXError", "5XXError", "Count", "Latency"})


class ApiMeter:
    """Puts what it is told of. ``websocket`` and ``rest`` are the dimensions of the two APIs."""

    def __init__(
        self,
        store: MetricStore,
        *,
        websocket: Mapping[str, str],
        rest: Mapping[str, str],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, self._websocket, self._rest, self._now = store, websocket, rest, now
        self._posts = 0

    def route(self, event: Mapping[str, Any], took_ms: float, *, failed: bool) -> None:
        """A call of a WebSocket route's function; an authorizer is no route."""
        kind = event.get("requestContext", {}).get("eventType")
        if event.get("type") == "REQUEST" or kind not in ("CONNECT", "MESSAGE", "DISCONNECT"):
            return
        self._put(self._websocket, "IntegrationLatency", took_ms, "Milliseconds")
        self._put(self._websocket, "IntegrationError", float(failed))
        if kind == "CONNECT":
            self._put(self._websocket, "ConnectCount", 1.0)
        if kind == "MESSAGE":
            self._put(self._websocket, "MessageCount", 1.0)

    def request(self, status: int, took_ms: float) -> None:
        """A request of the REST API and its answer."""
        self._put(self._rest, "Count", 1.0)
        self._put(self._rest, "Latency", took_ms, "Milliseconds")
        self._put(self._rest, "4XXError", float(400 <= status < 500))
        self._put(self._rest, "5XXError", float(status >= 500))

    def posted(self, total: int) -> None:
        """How many messages ``@connections`` has taken since the start: they count as messages of the API too."""
        if total > self._posts:
            self._put(self._websocket, "MessageCount", float(total - self._posts))
            self._posts = total

    def _put(self, dimensions: Mapping[str, str], name: str, value: float, unit: str = "Count") -> None:
        self._store.put(NAMESPACE, name, dimensions, self._now(), [value], unit)
