"""Whether a condition holds by what is known of its topics.

What is not known (a topic without observations, a change whose window has no beginning yet) makes neither a condition
nor its opposite true; but an alert that is on is not over for that: it lingers until it is known not to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from chalicelib.domain.rules import All, AnyOf, Compared, Condition, FigureKey, Not, Stale, leaves


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of topics: their figures, each as of its topic's newest observation, and when that was.

    ``before`` are the figures of the topic that is moving as they were until this observation; without any (nothing is
    moving: a timer asks, or a rule is new) nothing crosses.
    """

    values: Mapping[FigureKey, Decimal] = field(default_factory=dict)
    seen: Mapping[str, datetime] = field(default_factory=dict)
    before: Mapping[FigureKey, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``holds``: known to be true. ``lingers``: not known to be over, with the margins. What holds lingers."""

    holds: bool
    lingers: bool


def judge(when: Condition, figures: Figures, at: datetime) -> Verdict:
    """``at`` is the moment for which it is judged: by it topics are stale."""
    return Verdict(
        holds=_truth(when, figures, at, 0) is True,
        lingers=_truth(when, figures, at, 1) is not False,
    )


def told(when: Condition, figures: Figures, topic: str) -> Decimal | None:
    """The figure that an alert names: of ``topic``, the first that the condition compares; else its value, if known."""
    for leaf in leaves(when):
        if isinstance(leaf, Compared) and leaf.topic == topic and leaf.figure in figures.values:
            return figures.values[leaf.figure]
    return figures.values.get((topic, 0, "value"))


def _truth(when: Condition, figures: Figures, at: datetime, slack: int) -> bool | None:
    """``slack`` as of ``Compared.bound``."""
    match when:
        case All(of):
            return _none_is(False, (_truth(part, figures, at, slack) for part in of))
        case AnyOf(of):
            return _none_is(True, (_truth(part, figures, at, slack) for part in of))
        case Not(of):
            truth = _truth(of, figures, at, -slack)
            return None if truth is None else not truth
        case Stale(topic, over_s):
            seen = figures.seen.get(topic)
            return None if seen is None else at - seen >= timedelta(seconds=over_s)
        case Compared():
            return _compared(when, figures, slack)


def _none_is(decisive: bool, truths: Iterable[bool | None]) -> bool | None:
    """Of ``all`` (decisive: False) or ``any`` (True): one that is decides, else one that is unknown does."""
    found = list(truths)
    if decisive in found:
        return decisive
    return None if None in found else not decisive


def _compared(leaf: Compared, figures: Figures, slack: int) -> bool | None:
    now = figures.values.get(leaf.figure)
    if now is None:
        return None
    if leaf.is_crossing and slack == 0:
        before = figures.before.get(leaf.figure)
        return before is not None and not _beyond(leaf, before, 0) and _beyond(leaf, now, 0)
    return _beyond(leaf, now, slack)


def _beyond(leaf: Compared, figure: Decimal, slack: int) -> bool:
    return figure > leaf.bound(slack) if leaf.is_upward else figure < leaf.bound(slack)
