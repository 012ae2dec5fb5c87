"""The life of an alert: armed, pending, firing, acknowledged, cooling down, armed again.

```
            holds, for > 0            the time is up
   armed ──────────────────► pending ────────────────┐
     ▲ │ ◄──────────────────── │                     ▼
     │ │     does not hold                         firing ──► acknowledged
     │ └────────── holds, for = 0 ─────────────────► │            │
     │                                               └─────┬──────┘
     └─ the time is up ─ cooling ◄── does not linger ──────┘          expired, disabled, once: ended
```

Time is that of observations: a figure is what its newest observation said until the next. So what became due before an
observation happened before it, whether or not the timer for it has come; a late timer changes nothing.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from chalicelib.domain.descriptions import describe
from chalicelib.domain.rules import Rule

Phase = Literal["armed", "pending", "firing", "acknowledged", "cooling", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertState:
    """Where a rule is in its life.

    ``version`` counts transitions, ``rule_version`` says of which version of the rule this is the life. ``cause`` is the
    id of the event that made the last transition, by which a repeated one is known. ``due`` is when a timer has to ask
    again (the end of ``for``, of a cool-down or of the rule). ``alert`` is the id of the alert that is on, or was last,
    ``condition`` what it told, ``value`` the figure (of ``topic``) that fired it or made it pending.
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


def step(rule: Rule, state: AlertState, event: Event) -> Moved | None:
    """What an event makes of a state; None if nothing.

    Guarantees: the event that made the last transition, and a timer of another state, change nothing; an alert that
    fired is resolved before another fires, and before the life ends; the ids of alerts depend on the rule, its version
    and the event that set them off, so that whoever does the same again tells the same.
    """
    if event.id == state.cause or (isinstance(event, TimeUp) and not _is_awaited(state, event)):
        return None
    life = _Life(rule, state, event.id)
    life.restart(event.at)
    match event:
        case Judged():
            life.pass_time(event.at, event.value)
            life.judge(event)
        case TimeUp():
            if state.phase == "pending" and not event.holds:
                life.arm(event.at)
            life.pass_time(event.at, event.value)
            life.judge(event)
        case Acknowledged():
            life.pass_time(event.at, None)
            life.acknowledge(event)
        case Changed():
            life.pass_time(event.at, None)
    return life.moved()


def _is_awaited(state: AlertState, event: TimeUp) -> bool:
    return event.version == state.version and state.due is not None and event.at >= state.due


def alert_id(rule: Rule, cause: str) -> str:
    """``al_`` and 132 bits of SHA-256 over the rule, its version and the event that set the alert off."""
    text = f"{rule.id}\n{rule.version}\n{cause}"
    return "al_" + urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()[:22]


class _Life:
    """One step of one rule's life: several transitions may follow each other at once."""

    def __init__(self, rule: Rule, state: AlertState, cause: str) -> None:
        self._rule = rule
        self._before = state
        self._state = state
        self._cause = cause
        self._alerts: list[Alert] = []

    def moved(self) -> Moved | None:
        if self._state == self._before:
            return None
        return Moved(replace(self._state, version=self._before.version + 1, cause=self._cause), tuple(self._alerts))

    # --- what happens -------------------------------------------------------------------------------

    def restart(self, at: datetime) -> None:
        """A rule that was changed begins anew; so does a missing state, of which nothing needs to be written."""
        rule, state = self._rule, self._state
        if state.rule_version == rule.version and not (rule.enabled and state.phase == "ended" and not self._is_over(at)):
            pass
