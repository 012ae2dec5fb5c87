"""What the stream yields: updates; and what it reports beside them: events and counters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

AlertState = Literal["firing", "acknowledged", "resolved"]


@dataclass(frozen=True, slots=True)
class Alert:
    """What happened to a rule. ``id`` stays the same from firing to resolved; ``at`` is when it got this ``state``.

    ``value`` is the figure of ``topic`` that fired it; None where there is none: nothing was observed.
    """

    id: str
    rule: str
    name: str
    state: AlertState
    topic: str
    value: Decimal | None
    condition: str
    fired_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Update:
    """One published change (or, with ``snapshot``, the current value) of one topic.

    Values are exact decimals, times aware and in UTC. ``prev`` is the offset of the update before this one
    that was due to this subscription. ``received_at`` is this machine's clock. ``alert`` only on one's own alerts.
    """

    topic: str
    epoch: str
    offset: int
    prev: int | None
    value: Decimal
    previous: Decimal | None
    change_pct: Decimal | None
    observed_at: datetime
    published_at: datetime
    sent_at: datetime | None
    source: str
    confidence: Decimal | None
    snapshot: bool
    received_at: datetime
    alert: Alert | None = None

    @property
    def delay_ms(self) -> float:
        """Published to received, in milliseconds: as right as the two clocks are."""
        return (self.received_at - self.published_at).total_seconds() * 1000


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def parse_update(raw: Mapping[str, Any], *, sent_at: str | None, received_at: datetime) -> Update:
    """An update of an ``updates`` frame. Raises KeyError, TypeError, ValueError or ArithmeticError if it is none."""
    return Update(
        topic=raw["topic"],
        epoch=raw["epoch"],
        offset=int(raw["offset"]),
        prev=raw.get("prev"),
        value=Decimal(raw["value"]),
        previous=_decimal(raw.get("previous")),
        change_pct=_decimal(raw.get("change_pct")),
        observed_at=_time(raw["observed_at"]),
        published_at=_time(raw["published_at"]),
        sent_at=None if sent_at is None else _time(sent_at),
        source=raw.get("source", ""),
        confidence=_decimal(raw.get("confidence")),
        snapshot=bool(raw.get("snapshot", False)),
        received_at=received_at,
        alert=_parse_alert(raw.get("alert")),
    )


def _parse_alert(raw: Mapping[str, Any] | None) -> Alert | None:
    if raw is None:
        return None
    return Alert(
        id=raw["id"],
        rule=raw["rule"],
        name=raw["name"],
        state=raw["state"],
        topic=raw["topic"],
        value=_decimal(raw.get("value")),
        condition=raw["condition"],
        fired_at=_time(raw["fired_at"]),
        at=_time(raw["at"]),
    )


EventName = Literal[
    "connected",  # also after every reconnect
    "disconnected",
    "gap",  # an update is missing: two seconds are given to it
    "filled",  # it came by itself
    "recovered",  # the server sent all that was missed
    "not_recovered",  # it could not: updates were lost, the newest value follows
    "epoch",  # the server began the topic's offsets anew
    "rejected",  # a topic that cannot be subscribed to
    "notice",
    "alert",  # one of one's own, just now: it is yielded as an update too
]


@dataclass(frozen=True, slots=True)
class Event:
    """Something about the stream that is not an update; ``data`` is the frame of a notice, or an alert's fields."""

    name: EventName
    topic: str | None = None
    message: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Stats:
    """Counters since the stream was opened.

    ``recovered`` and ``not_recovered`` count topics, one by one, each time the server answered a resume.
    """

    updates: int = 0
    duplicates: int = 0
    gaps: int = 0
    filled: int = 0
    recovered: int = 0
    not_recovered: int = 0
    epochs: int = 0
    reconnects: int = 0
    malformed: int = 0
