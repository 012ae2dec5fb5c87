"""What travels on the queues ``alerts`` (besides observations) and ``notifications``.

As in envelopes.py every message carries ``v``; fields are added with a default.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec


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


class MoveRecord(msgspec.Struct, array_like=True):
    """A figure before and at an observation, as decimal strings; None: not known. ``over_s`` is its window."""

    over_s: int
    of: Literal["value", "change_pct", "change_abs"]
    before: str | None
    now: str | None


class RecheckMessage(msgspec.Struct, tag="recheck", omit_defaults=True):
    """On ``alerts``: look at these rules.

    By the newest figures, as of ``at`` or now: they were made or changed, or a topic is stale. With ``moves`` first by
    these figures of ``topic``, which was observed ``at``: one move had touched too many rules for one message.
    """

    rules: list[str]
    cause: str
    topic: str = ""
    at: datetime | None = None
    moves: list[MoveRecord] = []
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
