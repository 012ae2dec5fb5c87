"""Rules, their states, their index, and the ways to the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

from chalicelib.domain.alerts import Alert, AlertState
from chalicelib.domain.observations import Observation
from chalicelib.domain.rules import Rule

QueueName = Literal["alerts", "notifications"]


@dataclass(frozen=True, slots=True)
class RulePage:
    rules: Sequence[Rule]
    next: str | None


class RuleStore(Protocol):
    """Users' rules, kept for good."""

    def create(self, rule: Rule, *, limit: int) -> bool:
        """False if the user has ``limit`` rules already. A rule that is there already (same id) is left as it is: True."""
        ...

    def replace(self, rule: Rule) -> bool:
        """Put ``rule`` in the place of its version before (``rule.version - 1``); False if that is not the newest."""
        ...

    def find(self, user: str, rule_id: str) -> Rule | None: ...

    def delete(self, user: str, rule_id: str) -> bool:
        """With its state; False if there is none."""
        ...

    def of_user(self, user: str, *, after: str | None, limit: int) -> RulePage: ...

    def all(self, *, after: str | None, limit: int) -> RulePage:
        """A page of everybody's rules, in no order that means anything."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """A rule's state, and what was said at its last transitions and is not known to have been handed over."""

    state: AlertState
    unsaid: Sequence[Alert] = ()


class AlertStates(Protocol):
    """Where each rule is in its life. A missing one is armed, with version 0."""

    def load(self, rule_ids: Sequence[str]) -> Mapping[str, Kept]:
        """Consistently read; every id is in the answer."""
        ...

    def move(self, before: AlertState, after: AlertState, unsaid: Sequence[Alert]) -> bool:
        """To ``after`` if it is ``before`` still (by version), with its alerts in the rule's history; else False."""
        ...

    def said(self, state: AlertState) -> None:
        """What this version left unsaid has been handed over. Nothing if the state has moved on since."""
        ...

    def history(self, rule_id: str, *, after: str | None, limit: int) -> tuple[Sequence[Alert], str | None]:
        """Newest first, and the ``after`` of the next page."""
        ...


@dataclass(frozen=True, slots=True)
class Touched:
    """An observation and the rules whose outcome it may have changed. ``previous``: the topic's value before it."""

    observation: Observation
    previous: Decimal | None
    rules: Sequence[str]
    first: bool = False  # nothing is known of the topic before: level rules are all to be looked at


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of topics now: by (topic, over_s of the window or 0, measure); and when each was seen last."""

    values: Mapping[tuple[str, int, str], Decimal] = field(default_factory=dict)
    seen: Mapping[str, datetime] = field(default_factory=dict)


class RuleIndex(Protocol):
    """The rules by what moves them. See adapters/redis/rules.py for how a move selects them."""

    def put(self, rule: Rule) -> None: ...

    def remove(self, rule: Rule) -> None: ...

    def rules(self, rule_ids: Sequence[str]) -> Mapping[str, Rule]:
        """Those that are indexed still."""
        ...


@dataclass(frozen=True, slots=True)
class Due:
    """A message for a queue at a time. ``id``: the same message put twice is there once, where that can be seen."""

    id: str
    queue: QueueName
    body: bytes
    at: datetime


class Timers(Protocol):
    """Messages for later: at least once, at their time or up to a minute after."""

    def put(self, due: Sequence[Due]) -> None:
        """Up to 15 minutes by a delayed message, beyond that by a row that ``sweep`` finds. What is due goes at once."""
        ...

    def sweep(self) -> int:
        """Hand over what falls due within the next 15 minutes; how many."""
        ...


class AlertStream(Protocol):
    """The private topics ``alerts:{user}``."""

    def publish(self, alerts: Sequence[Alert]) -> None: ...
