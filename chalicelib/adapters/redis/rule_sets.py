"""Where rules are in their sorted sets, and which part of these a move of a figure selects (see rules.py)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import cast

import msgspec

from chalicelib.domain.observations import Observation
from chalicelib.domain.rules import FigureKey, Measure, Rule, edges, stale_leaves
from chalicelib.domain.windows import change
from chalicelib.ports.alerts import Move

STALE = "stale"
VALUE = "0|value"
CHANGES = ("change_pct", "change_abs")  # both are kept up while a rule needs either: the next one finds them known
_ALL = ("-inf", "+inf")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def moment(at: str | int) -> datetime:
    return _EPOCH + timedelta(microseconds=int(at))


@dataclass(frozen=True, slots=True)
class Begun:
    """An observation of a topic that is ours, and by the name of its set each figure of the topic as it moves."""

    seen: Observation
    figures: Mapping[str, Move]
    left: Mapping[str, Decimal]  # by set, where a worker that did not come to advance had moved the figure to
    silent_since: datetime | None  # None: nobody waits for that

    @classmethod
    def of(cls, seen: Observation, flat: Sequence[str], sets: Sequence[str], bases: Sequence[tuple[str, str]]) -> Begun:
        known = dict(zip(flat[::2], flat[1::2], strict=True))
        based = {over: Decimal(sample.partition("|")[2]) for over, sample in bases}
        windows = {name.partition("|")[0] for name in sets} - {"0", STALE}
        figures, left = {}, {}
        for name in (VALUE, *(f"{over}|{of}" for over in sorted(windows) for of in CHANGES)):
            over, _, of = name.partition("|")
            before = Decimal(known[name]) if name in known else None
            figures[name] = Move(before, change(seen.value, based.get(over), cast("Measure", of)))
            if f"new:{name}" in known:
                left[name] = Decimal(known[f"new:{name}"])
        watched = known.get("at", known.get("watched")) if STALE in sets else None
        return cls(seen, figures, left, moment(watched) if watched else None)

    def moves(self) -> dict[FigureKey, Move]:
        return {(self.seen.topic, *_figure(name)): move for name, move in self.figures.items()}

    def text(self, name: str) -> str:
        move = self.figures.get(name)
        return "" if move is None or move.now is None else str(move.now)

    def ranges(self, clock: Callable[[], datetime]) -> dict[str, tuple[str, str]]:
        """Where in each set the rules are that this touches. Whoever found the topic stale finds so no longer.

        Those too between which and now a worker has died: it may have moved some, and told nobody.
        """
        found = {name: _range(move, self.left.get(name)) for name, move in self.figures.items()}
        if self.silent_since is not None:
            silent = max(clock(), self.seen.observed_at) - self.silent_since
            found[STALE] = ("0", str(math.ceil(silent.total_seconds())))
        return found


def members_of(rule: Rule) -> bytes:
    """Where a rule is found: topic, set, score, member, as JSON; nowhere if it is not enabled."""
    if not rule.enabled:
        return b"[]"
    places = sorted({(*edge.figure, float(edge.level)) for edge in edges(rule.when)})
    found = [(topic, f"{over_s}|{of}", repr(level)) for topic, over_s, of, level in places]
    found += [
        (topic, STALE, str(over_s)) for topic, over_s in {(leaf.topic, leaf.over_s) for leaf in stale_leaves(rule.when)}
    ]
    return msgspec.json.encode([(*place, f"{rule.id}|{number}|{rule.user}") for number, place in enumerate(found)])


def _range(move: Move, left: Decimal | None) -> tuple[str, str]:
    """The scores between which a move finds rules: all when the figure was or is not known; none if it stayed."""
    if move.before == move.now and left in (None, move.now):
        return ("", "")
    if move.before is None or move.now is None:
        return _ALL
    met = [float(figure) for figure in (move.before, move.now, left) if figure is not None]
    low, high = min(met), max(met)
    return repr(math.nextafter(low, -math.inf)), repr(math.nextafter(high, math.inf))


def _figure(name: str) -> tuple[int, Measure]:
    over_s, _, of = name.partition("|")
    return int(over_s), cast("Measure", of)
