"""Alert rules: what a user wants to be told about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal
from typing import Literal

Measure = Literal["value", "change_pct", "change_abs"]
Comparison = Literal["above", "below", "crosses_up", "crosses_down"]
WINDOWS_S = {"5m": 300, "15m": 900, "1h": 3600, "4h": 14_400, "24h": 86_400, "7d": 604_800}

EXACT = Context(prec=64)  # room for every digit between the largest figure and the finest, whatever the thread's is
FigureKey = tuple[str, int, Measure]  # a topic, the window of a change in seconds (0: the value itself), what of it


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of one topic against a bound.

    ``over_s`` is the window of a change in seconds, 0 for the value itself. ``margin`` is how far back the figure has
    to go beyond the bound until the condition can hold anew (hysteresis), in the figure's own unit.
    """

    topic: str
    is_: Comparison
    value: Decimal
    of: Measure = "value"
    over_s: int = 0
    margin: Decimal = Decimal(0)

    @property
    def figure(self) -> FigureKey:
        return (self.topic, self.over_s, self.of)

    @property
    def is_crossing(self) -> bool:
        """True for what happens at one observation and is no state that lasts."""
        return self.is_ in ("crosses_up", "crosses_down")

    @property
    def is_upward(self) -> bool:
        return self.is_ in ("above", "crosses_up")

    def bound(self, slack: int) -> Decimal:
        """The bound, given way by so many margins: 0 to hold, 1 to linger, -1 for an opposite to linger."""
        given = EXACT.multiply(Decimal(slack), self.margin)
        return EXACT.subtract(self.value, given) if self.is_upward else EXACT.add(self.value, given)


@dataclass(frozen=True, slots=True)
class Stale:
    """No observation of a topic for so many seconds."""

    topic: str
    over_s: int


@dataclass(frozen=True, slots=True)
class All:
    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    of: Condition


Condition = Compared | Stale | All | AnyOf | Not


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a condition may change: only a figure that moves to, from or past ``level`` can change what it says."""

    figure: FigureKey
    level: Decimal


@dataclass(frozen=True, slots=True)
class Step:
    """A way to tell the user. ``endpoint`` names a webhook or an e-mail address of theirs; the socket needs none.

    ``after_s``: told only then, and only if nobody has acknowledged the alert (escalation).
    """

    channel: Literal["socket", "webhook", "email"]
    endpoint: str = ""
    after_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """``version`` counts its changes from 1. Times are aware and in UTC, durations seconds."""

    id: str  # ru_…
    user: str
    name: str
    when: Condition
    for_s: int = 0
    cooldown_s: int = 0
    once: bool = False
    enabled: bool = True
    muted_until: datetime | None = None
    expires_at: datetime | None = None
    notify: tuple[Step, ...] = (Step("socket"),)
    version: int = 1
    created_at: datetime
    updated_at: datetime


def leaves(when: Condition) -> Iterator[Compared | Stale]:
    """Every single condition of a tree, from left to right."""
    match when:
        case All(of) | AnyOf(of):
            for part in of:
                yield from leaves(part)
        case Not(of):
            yield from leaves(of)
        case _:
            yield when


def topics_of(rule: Rule) -> tuple[str, ...]:
    """The topics that a rule depends on, each once, in order of appearance."""
    return tuple(dict.fromkeys(leaf.topic for leaf in leaves(rule.when)))


def stale_leaves(when: Condition) -> Iterator[Stale]:
    """Those that time alone makes true."""
    return (leaf for leaf in leaves(when) if isinstance(leaf, Stale))


def windows_of(when: Condition) -> tuple[tuple[str, int], ...]:
    """The topics whose changes are needed, and over how many seconds; each once."""
    found = (leaf for leaf in leaves(when) if isinstance(leaf, Compared) and leaf.over_s)
    return tuple(dict.fromkeys((leaf.topic, leaf.over_s) for leaf in found))


def edges(when: Condition) -> frozenset[Edge]:
    """Every edge of a condition: where its parts begin to hold, and with their margins cease to linger.

    Guarantees: while no figure touches or passes an edge, and none becomes known, neither outcome of judging changes
    but by time (``Stale``).
    """
    return frozenset(_edges(when, 1))


def _edges(when: Condition, slack: int) -> Iterator[Edge]:
    match when:
        case All(of) | AnyOf(of):
            for part in of:
                yield from _edges(part, slack)
        case Not(of):
            yield from _edges(of, -slack)
        case Compared():
            yield Edge(when.figure, when.bound(0))
            yield Edge(when.figure, when.bound(slack))
