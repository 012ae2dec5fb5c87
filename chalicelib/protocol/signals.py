"""What travels on the queues ``alerts`` (besides observations) and ``notifications``.

As in envelopes.py every message carries ``v``; fields are added with a default.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from chalicelib.errors import PoisonError
from chalicelib.protocol.envelopes import VERSION


class AlertBody(msgspec.Struct, omit_defaults=True):
    """An alert as every channel tells it: the socket in an update's ``alert``, a webhook in its ``data``."""

    id: str
    rule: str
    name: str
    state: Literal["firing", "acknowledged", "resolved"]
    topic: str
    value: str | None
    condition: str
    fired_at: str
    at: str


class TimerMessage(msgspec.Struct, tag="timer"):
    """On ``alerts``: a rule's state of this version is due."""

    rule: str
    user: str
    version: int
    due: datetime
    v: int = 1


class RecheckMessage(msgspec.Struct, tag="recheck"):
    """On ``alerts``: look at these rules by the newest figures: they were made, changed, or too many for one move."""

    rules: list[str]
    cause: str
    topic: str = ""
    at: datetime | None = None
    v: int = 1


class NotificationMessage(msgspec.Struct, tag="notify", omit_defaults=True):
    """On ``notifications``: tell one alert by one channel. ``id`` is the same however often the message comes.

    ``attempt`` counts the tries before this one, ``first_at`` is when the first was. ``replay`` names a chain of tries
    that a user asked for, after the first.
    """

    id: str
    user: str
    channel: Literal["webhook", "email"]
    endpoint: str
    alert: AlertBody
    unless_acknowledged: bool = False
    attempt: int = 0
    first_at: datetime | None = None
    replay: str = ""
    v: int = 1


class VerifyMessage(msgspec.Struct, tag="verify"):
    """On ``notifications``: an endpoint wants to be verified: ping the webhook, or send the e-mail with its link."""

    id: str
    user: str
    endpoint: str
    v: int = 1


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
