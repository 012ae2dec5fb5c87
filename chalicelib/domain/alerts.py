"""Alerts, where a rule is in their life, and what moves it on (see alert_life.py)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

Phase = Literal["armed", "pending", "firing", "acknowledged", "cooling", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertState:
    """Where a rule is in its life.

    ``version`` counts transitions, ``rule_version`` says of which version of the rule this is the life. ``cause`` is
    the id of the event that made the last transition, by which a repeated one is known. ``due`` is when a timer has to
    ask again (the end of ``for``, of a cool-down or of the rule). ``alert`` is the id of the alert that is on, or was
    last, ``condition`` what it told, ``value`` the figure (of ``topic``) that fired it or made it pending.
    """

    rule: str
    phase: Phase = "armed"
    version: int = 0
    rule_version: int = 0
    cause: str = ""
    since: datetime | None = None
    due: datetime | None = None
    alert: str = ""
    condition: str = ""
    fired_at: datetime | None = None
    topic: str = ""
    value: Decimal | None = None

    @property
    def is_on(self) -> bool:
        return self.phase in ("firing", "acknowledged")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the figures of a moment make of a rule (see judging.Verdict), and the figure to tell of.

    ``id`` is that of the observation, or of whatever else had the rule looked at; ``at`` is the observation's time.
    """

    id: str
    at: datetime
    holds: bool
    lingers: bool
    topic: str = ""
    value: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeUp:
    """The time has come that a state's ``due`` named; ``version`` is that state's, ``at`` is ``due`` (or later: then
    it says what was so at that moment). The rest is as judged for ``at`` by the newest figures."""

    id: str
    at: datetime
    version: int
    holds: bool
    lingers: bool
    topic: str = ""
    value: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """A user has seen the alert."""

    id: str
    at: datetime
    alert: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The rule is another than before: made, replaced, disabled, enabled, or (disabled for good) deleted."""

    id: str
    at: datetime


Event = Judged | TimeUp | Acknowledged | Changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What a user is told. ``id`` stays the same from firing to resolved; ``at`` is when it got this state."""

    id: str  # al_…
    rule: str
    user: str
    name: str
    state: Literal["firing", "acknowledged", "resolved"]
    topic: str
    value: Decimal | None
    condition: str
    fired_at: datetime
    at: datetime
    muted: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """The new state, of one version more, and what is to be told, in order."""

    state: AlertState
    alerts: tuple[Alert, ...] = ()
