"""Rules, their states, their index, and the ways to the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, Protocol

from chalicelib.domain.alerts import Alert, AlertState
from chalicelib.domain.judging import Figures
from chalicelib.domain.observations import Observation
from chalicelib.domain.rules import FigureKey, Rule

QueueName = Literal["alerts", "notifications"]


@dataclass(frozen=True, slots=True)
class RulePage:
    rules: Sequence[Rule]
    next: str | None


class RuleStore(Protocol):
    """Users' rules, kept for good."""

    def create(self, rule: Rule, *, limit: int) -> bool:
        """False if the user has ``limit`` rules already. One that is there already (same id) is left as it is: True."""
        ...

    def replace(self, rule: Rule) -> bool:
        """Put ``rule`` in the place of its version before (``rule.version - 1``); False if that is not the newest."""
        ...

    def find(self, user: str, rule_id: str) -> Rule | None: ...

    def delete(self, user: str, rule_id: str) -> bool:
        """With its state, which is ended for whoever has the rule still; False if there is none."""
        ...

    def of_user(self, user: str, *, after: str | None, limit: int) -> RulePage:
        """In the order of their ids; ``after`` is a page's ``next``."""
        ...

    def all(self, *, after: str | None, limit: int) -> RulePage:
        """A page of everybody's rules, in no order that means anything; it may be empty although there is a next."""
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

    def move(self, before: AlertState, after: AlertState, unsaid: Sequence[Alert], *, new: Sequence[Alert]) -> bool:
        """To ``after`` if it is ``before`` still (by version), with ``new`` alerts in the rule's history; else False.

        ``unsaid`` is all that has to be handed over from now on: ``new``, after what was unsaid before.
        """
        ...

    def said(self, state: AlertState) -> None:
        """What this version left unsaid has been handed over. Nothing if the state has moved on since."""
        ...

    def history(self, rule_id: str, *, after: str | None, limit: int) -> tuple[Sequence[Alert], str | None]:
        """Newest first, and the ``after`` of the next page."""
        ...


@dataclass(frozen=True, slots=True)
class Move:
    """A figure of a topic as it was and as it is now; None: it was, or is, not known."""

    before: Decimal | None
    now: Decimal | None


@dataclass(frozen=True, slots=True)
class Touched:
    """An observation, what it moved, and the rules whose outcome that may have changed: their ids and users."""

    observation: Observation
    moves: Mapping[FigureKey, Move]
    rules: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Selected:
    """What became of observations: ``touched`` are to be judged, then advanced. ``busy`` are topics that another worker
    holds. Of the rest nothing is to be done: a newer one of their topic was evaluated before."""

    touched: Sequence[Touched]
    busy: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class StaleTopic:
    """A topic that was last seen at ``seen``, and the rules that wait for it to be stale for up to ``over_s``."""

    topic: str
    seen: datetime
    over_s: int
    rules: Sequence[str]


class RuleIndex(Protocol):
    """The rules by what moves them, and the figures of every topic. See adapters/redis/rules.py.

    Guarantees: one worker at a time has a topic; a rule that is put while a topic moves is selected by that move or
    sees its figures; nothing is selected twice once ``advance`` has been called.
    """

    def put(self, rules: Sequence[Rule]) -> int:
        """Index these, unless a newer version is or the rule was removed lately; how many were not there like this."""
        ...

    def remove(self, rule_id: str) -> None:
        """For good."""
        ...

    def retire(self, rules: Sequence[Rule]) -> None:
        """Nothing moves these any longer, until a newer version is put."""
        ...

    def rules(self, rule_ids: Sequence[str]) -> Mapping[str, Rule]:
        """Those that are indexed."""
        ...

    def outdated(self, rules: Sequence[Rule]) -> Sequence[Rule]:
        """Which of these are not indexed, or in an older version."""
        ...

    def ids(self, *, cursor: int, limit: int) -> tuple[Sequence[str], int]:
        """Some of all that are indexed, and the next cursor (0: that was all)."""
        ...

    def select(self, observations: Sequence[Observation]) -> Selected:
        """The observations' rules; no topic twice. The topics are this worker's until it advances or its lease ends."""
        ...

    def advance(self, touched: Sequence[Touched]) -> Sequence[str]:
        """These have been judged: theirs are the newest figures. The topics whose lease had ended, and that are not."""
        ...

    def give_up(self, topics: Sequence[str]) -> None:
        """Others may have these topics, which were selected and not judged."""
        ...

    def figures(self, keys: Sequence[FigureKey], topics: Sequence[str]) -> Figures:
        """The newest, whether all rules have been judged by them or not; and when these topics were seen."""
        ...

    def overdue(self, limit: int) -> Sequence[StaleTopic]:
        """Topics that have been stale long enough for a rule that was not told yet."""
        ...

    def told(self, stale: StaleTopic) -> None:
        """Its rules will be looked at."""
        ...

    def progress(self) -> str | None:
        """How far the index is rebuilt: "" not at all, None when it is whole."""
        ...

    def rebuilt(self, upto: str | None) -> None:
        """Up to this page of the store; None: all."""
        ...

    def place(self, walk: str) -> str:
        """Where a walk through the rules goes on; "": at the beginning."""
        ...

    def go_on(self, walk: str, place: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Due:
    """A message for a queue at a time. ``id``: the same message put twice is there once, where that can be seen.

    ``tenant`` is whose it is: of one with very many in the queue, others' do not wait for all.
    """

    id: str
    queue: QueueName
    body: bytes
    at: datetime
    tenant: str = ""


class SourceLag(Protocol):
    """How far behind our own time the newest observations are."""

    def least(self, delay: timedelta | None = None) -> timedelta:
        """The smallest delay that any observation came with, this one's included; zero if none is known."""
        ...


class Timers(Protocol):
    """Messages for later: at least once, at their time or up to a minute after."""

    def put(self, due: Sequence[Due]) -> None:
        """Up to 15 minutes by a delayed message, beyond that by a row that ``sweep`` finds; what is due, at once."""
        ...

    def sweep(self) -> int:
        """Hand over what falls due within the next 15 minutes; how many."""
        ...


class AlertStream(Protocol):
    """The private topics ``alerts:{user}``."""

    def publish(self, alerts: Sequence[Alert]) -> None: ...
