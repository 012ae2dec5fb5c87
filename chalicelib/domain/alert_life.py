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
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from chalicelib.domain.alerts import Acknowledged, Alert, AlertState, Event, Judged, Moved, Phase, TimeUp
from chalicelib.domain.descriptions import describe
from chalicelib.domain.rules import Rule


def step(rule: Rule, state: AlertState, event: Event) -> Moved | None:
    """What an event makes of a state; None if nothing.

    Guarantees: the event that made the last transition, and a timer of another state, change nothing; an alert that
    fired is resolved before another fires, and before the life ends; the ids of alerts depend on the rule, its version
    and the event that set them off, so that whoever does the same again tells the same.
    """
    if event.id == state.cause or rule.version < state.rule_version:
        return None
    if isinstance(event, TimeUp) and not _is_awaited(state, event):
        return None
    life = _Life(rule, state, event.id)
    life.restart(event.at)
    match event:
        case Judged():
            life.pass_time(event.at)
            life.judge(event)
        case TimeUp():
            life.time_up(event)
            life.judge(event)
        case Acknowledged():
            life.acknowledge(event)
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

    # --- events -------------------------------------------------------------------------------------

    def restart(self, at: datetime) -> None:
        """If the rule is another than that of the state. Of a rule that was never touched nothing is to be written."""
        rule, state = self._rule, self._state
        if state.rule_version == rule.version:
            return
        if state.is_on:
            self._tell("resolved", at)
        self._state = replace(state, rule_version=rule.version)
        if state.version:
            self._arm(at)
        elif not rule.enabled or rule.expires_at:
            self._arm(min(at, rule.updated_at))
        else:
            self._before = self._state

    def pass_time(self, at: datetime) -> None:
        """What became due before ``at``. What is due at that very moment is left to its timer: other topics may have
        something to say of that moment. But a rule has expired then."""
        while (due := self._state.due) is not None and (due < at or due == at == self._rule.expires_at):
            self._come_due(due, self._state.topic, self._state.value)

    def time_up(self, event: TimeUp) -> None:
        if self._state.phase == "pending" and not event.holds:
            self._arm(event.at)
        topic, value = (event.topic, event.value) if event.topic else (self._state.topic, self._state.value)
        while (due := self._state.due) is not None and due <= event.at:
            self._come_due(due, topic, value)

    def judge(self, event: Judged | TimeUp) -> None:
        match self._state.phase:
            case "armed" if event.holds and self._rule.for_s:
                due = self._until(event.at + timedelta(seconds=self._rule.for_s))
                self._to("pending", event.at, due=due, topic=event.topic, value=event.value)
            case "armed" if event.holds:
                self._fire(event.at, self._cause, event.topic, event.value)
            case "pending" if not event.holds:
                self._arm(event.at)
            case "firing" | "acknowledged" if not event.lingers:
                self._resolve(event.at)

    def acknowledge(self, event: Acknowledged) -> None:
        if self._state.phase == "firing" and self._state.alert == event.alert:
            self._to("acknowledged", event.at, due=self._state.due)
            self._tell("acknowledged", event.at)

    # --- transitions --------------------------------------------------------------------------------

    def _come_due(self, due: datetime, topic: str, value: Decimal | None) -> None:
        if due == self._rule.expires_at:
            self._end(due)
        elif self._state.phase == "pending":
            self._fire(due, self._before.cause, topic, value)
        else:
            self._arm(due)

    def _arm(self, at: datetime) -> None:
        expires_at = self._rule.expires_at
        if not self._rule.enabled or (expires_at is not None and at >= expires_at):
            self._to("ended", at)
        else:
            self._to("armed", at, due=expires_at)

    def _fire(self, at: datetime, cause: str, topic: str, value: Decimal | None) -> None:
        self._to("firing", at, due=self._rule.expires_at, topic=topic, value=value)
        self._state = replace(
            self._state, alert=alert_id(self._rule, cause), condition=describe(self._rule), fired_at=at
        )
        self._tell("firing", at)

    def _resolve(self, at: datetime) -> None:
        self._tell("resolved", at)
        cooled = (self._state.fired_at or at) + timedelta(seconds=self._rule.cooldown_s)
        if self._rule.once:
            self._to("ended", at)
        elif cooled > at:
            self._to("cooling", at, due=self._until(cooled))
        else:
            self._arm(at)

    def _end(self, at: datetime) -> None:
        if self._state.is_on:
            self._tell("resolved", at)
        self._to("ended", at)

    def _until(self, due: datetime) -> datetime:
        return due if self._rule.expires_at is None else min(due, self._rule.expires_at)

    def _to(
        self,
        phase: Phase,
        at: datetime,
        *,
        due: datetime | None = None,
        topic: str | None = None,
        value: Decimal | None = None,
    ) -> None:
        """The figure stays what it was unless another is named: what fired is told of until the next."""
        state = replace(self._state, phase=phase, since=at, due=due)
        self._state = state if topic is None else replace(state, topic=topic, value=value)

    def _tell(self, told: Literal["firing", "acknowledged", "resolved"], at: datetime) -> None:
        rule, state = self._rule, self._state
        self._alerts.append(
            Alert(
                id=state.alert,
                rule=rule.id,
                user=rule.user,
                name=rule.name,
                state=told,
                topic=state.topic,
                value=state.value,
                condition=state.condition,
                fired_at=state.fired_at or at,
                at=at,
                muted=rule.muted_until is not None and at < rule.muted_until,
            )
        )
