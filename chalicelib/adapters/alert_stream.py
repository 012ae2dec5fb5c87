"""ports.AlertStream: observations of ``alerts:{user}``, on the queue ``events`` like any."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from chalicelib.adapters.sqs import Queue
from chalicelib.domain.alerts import Alert
from chalicelib.domain.observations import Observation
from chalicelib.errors import StoreDownError
from chalicelib.protocol.envelopes import encode_observations
from chalicelib.protocol.evaluation import body_of


class QueueAlertStream:
    """ports.AlertStream. Not through the topic: its other subscribers, history for one, must not see private alerts."""

    def __init__(self, events: Queue, *, now: Callable[[], datetime]) -> None:
        self._events, self._now = events, now

    def publish(self, alerts: Sequence[Alert]) -> None:
        bodies = encode_observations(map(_observation, alerts), now_ms=lambda: int(self._now().timestamp() * 1000))
        if self._events.send(list(bodies)):
            raise StoreDownError("the queue events did not take every alert")


def _observation(alert: Alert) -> Observation:
    """The same id for the same alert in the same state, however often it is told."""
    digest = hashlib.sha256(f"{alert.id}\n{alert.state}".encode()).digest()
    return Observation(
        id=urlsafe_b64encode(digest[:18]).decode(),
        topic=f"alerts:{alert.user}",
        value=Decimal(0) if alert.value is None else alert.value,
        observed_at=alert.at,
        source="rules",
        alert=msgspec.json.encode(body_of(alert)).decode(),
    )
