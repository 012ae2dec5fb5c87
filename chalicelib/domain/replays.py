"""A rule's life over observations of the past, with its timers, as if it had been there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from chalicelib.domain.alert_life import step
from chalicelib.domain.alerts import Alert, AlertState, Event, Judged, TimeUp
from chalicelib.domain.judging import Figures, judge, told
from chalicelib.domain.rules import Compared, FigureKey, Rule, leaves, stale_leaves, topics_of, windows_of
from chalicelib.domain.windows import Sample, add, base, change


@dataclass(frozen=True, slots=True)
class Seen:
    """One observation, as far as rules look at it."""

    at: datetime
    topic: str
    value: Decimal


@dataclass
class Replay:
    """Feed it observations in the order of their times; ``alerts`` grows by what would have been told.

    The rule exists from ``start`` on: what was before only makes known what its figures were then. Whatever falls due
    between two observations happens then; what falls due with an observation, after it.
    """

    rule: Rule
    start: datetime
    alerts: list[Alert] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._state = AlertState(rule=self.rule.id)
        self._values: dict[FigureKey, Decimal] = {}
        self._seen: dict[str, datetime] = {}
        self._samples: dict[tuple[str, int], tuple[Sample, ...]] = {}
        self._changes = {leaf.figure for leaf in leaves(self.rule.when) if isinstance(leaf, Compared) and leaf.over_s}
        self._topics = topics_of(self.rule)
        self._windows = windows_of(self.rule.when)
        self._stale = tuple(stale_leaves(self.rule.when))
        self._clock: datetime | None = None  # until when all has happened; None: before the rule's time
        self._events = 0

    def observe(self, seen: Seen) -> None:
        """Topics that the rule does not name are let by."""
        if seen.topic not in self._topics:
            return
        self._begin(seen.at)
        if self._clock is not None:
            self._pass_time(seen.at)
        before = {key: value for key, value in self._values.items() if key[0] == seen.topic}
        self._learn(seen)
        if self._clock is not None:
            self._judge(seen.at, seen.topic, before)

    def finish(self, end: datetime) -> None:
        """Nothing more was observed until ``end``, and what falls due then happens."""
        self._begin(end)
        self._pass_time(end, inclusive=True)

    def _begin(self, at: datetime) -> None:
        """A new rule is judged by what is known; nothing crosses."""
        if self._clock is None and at >= self.start:
            self._clock = self.start
            self._judge(self.start, self._topics[0], {})

    def _learn(self, seen: Seen) -> None:
        self._seen[seen.topic] = seen.at
        self._values[seen.topic, 0, "value"] = seen.value
        for topic, over_s in self._windows:
            if topic == seen.topic:
                samples = self._samples.get((topic, over_s), ())
                self._samples[topic, over_s] = add(samples, over_s, Sample(seen.at, seen.value))
        for key in self._changes:
            if key[0] == seen.topic:
                self._set(key, seen)

    def _set(self, key: FigureKey, seen: Seen) -> None:
        topic, over_s, of = key
        figure = change(seen.value, base(self._samples[topic, over_s], over_s, seen.at), of)
        if figure is None:
            self._values.pop(key, None)
        else:
            self._values[key] = figure

    def _judge(self, at: datetime, topic: str, before: dict[FigureKey, Decimal]) -> None:
        figures = Figures(self._values, self._seen, before)
        verdict = judge(self.rule.when, figures, at)
        self._take(
            Judged(
                id=self._id(),
                at=at,
                holds=verdict.holds,
                lingers=verdict.lingers,
                topic=topic,
                value=told(self.rule.when, figures, topic),
            )
        )

    # --- time ---------------------------------------------------------------------------------------

    def _pass_time(self, until: datetime, *, inclusive: bool = False) -> None:
        while True:
            moments = [at for at in (self._next_stale(), self._state.due) if at is not None]
            at = min(moments, default=None)
            if at is None or at > until or (at == until and not inclusive):
                break
            topic = self._stale_at(at)
            if topic is not None:
                self._clock = at
                self._judge(at, topic, {})
            if self._state.due == at:
                self._time_up(at)
        self._clock = until

    def _next_stale(self) -> datetime | None:
        return min(
            (at for at, _ in self._stale_moments() if self._clock is not None and at > self._clock), default=None
        )

    def _stale_at(self, moment: datetime) -> str | None:
        if self._clock is None or moment <= self._clock:
            return None
        return next((topic for at, topic in self._stale_moments() if at == moment), None)

    def _stale_moments(self) -> list[tuple[datetime, str]]:
        return [
            (self._seen[leaf.topic] + timedelta(seconds=leaf.over_s), leaf.topic)
            for leaf in self._stale
            if leaf.topic in self._seen
        ]

    def _time_up(self, at: datetime) -> None:
        figures = Figures(self._values, self._seen)
        verdict = judge(self.rule.when, figures, at)
        self._take(
            TimeUp(
                id=self._id(),
                at=at,
                version=self._state.version,
                holds=verdict.holds,
                lingers=verdict.lingers,
                topic=self._state.topic,
                value=told(self.rule.when, figures, self._state.topic),
            )
        )

    def _take(self, event: Event) -> None:
        moved = step(self.rule, self._state, event)
        if moved is not None:
            self._state = moved.state
            self.alerts += moved.alerts

    def _id(self) -> str:
        self._events += 1
        return str(self._events)
