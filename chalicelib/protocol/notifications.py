"""What a message of the queue ``notifications`` may be, and what a webhook and its verification carry."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.errors import PoisonError
from chalicelib.protocol.envelopes import VERSION
from chalicelib.protocol.signals import AlertBody, NotificationMessage, VerifyMessage


class NoticeMessage(msgspec.Struct, tag="notice"):
    """On ``notifications``: tell a user, at this e-mail address of theirs, that a webhook was disabled."""

    id: str
    user: str
    endpoint: str
    url: str
    reason: str
    v: int = 1


Notification = NotificationMessage | VerifyMessage | NoticeMessage
_notifications = msgspec.json.Decoder(Notification)


def decode_notification(body: str | bytes) -> Notification:
    """A message of the queue ``notifications``. Raises PoisonError."""
    try:
        message: Notification = _notifications.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise PoisonError(f"not a notification: {error}") from error
    if message.v != VERSION:
        raise PoisonError(f"version {message.v} of a notification is not {VERSION}")
    return message


class AlertEvent(msgspec.Struct):
    """The body of a webhook, the same bytes at every try. ``timestamp`` is when the alert came to this state."""

    type: str  # alert.firing, alert.acknowledged, alert.resolved
    timestamp: str
    data: AlertBody


class PingData(msgspec.Struct):
    endpoint: str


class PingEvent(msgspec.Struct):
    """The body by which a webhook is verified."""

    timestamp: str
    data: PingData
    type: str = "endpoint.ping"


def alert_event(alert: AlertBody) -> tuple[str, bytes]:
    """Its type and its bytes."""
    kind = f"alert.{alert.state}"
    return kind, msgspec.json.encode(AlertEvent(kind, alert.at, alert))


def ping_event(endpoint: str, at: datetime) -> tuple[str, bytes]:
    event = PingEvent(at.isoformat().replace("+00:00", "Z"), PingData(endpoint))
    return event.type, msgspec.json.encode(event)
