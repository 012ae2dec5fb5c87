"""Conditions that can never hold, or always do: refused, since nobody means them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from chalicelib.domain.rules import All, AnyOf, Compared, Condition, FigureKey, Not, Stale


@dataclass(frozen=True, slots=True)
class Contradiction:
    """``pointer``: where in the condition, as a JSON Pointer; ``message``: what is wrong and what would be right."""

    message: str
    pointer: str = ""


@dataclass(frozen=True, slots=True)
class _Fact:
    """A single condition that has to be true (or, ``negated``, false) for a whole to be."""

    leaf: Compared | Stale
    negated: bool
    pointer: str


def contradiction(when: Condition) -> Contradiction | None:
    """The first that is found, from the outside in."""
    return next(_found(when, ""), None)


def _found(when: Condition, pointer: str) -> Iterator[Contradiction]:
    match when:
        case All(of) | AnyOf(of):
            word = "all" if isinstance(when, All) else "any"
            yield from _twice(of, f"{pointer}/{word}")
            yield from _crossings(_facts(when, pointer, negated=False))
            yield from _impossible(_facts(when, pointer, negated=False), "can never hold together")
            yield from _impossible(_facts(when, pointer, negated=True), "one of them always holds")
            for index, part in enumerate(of):
                yield from _found(part, f"{pointer}/{word}/{index}")
        case Not(of):
            yield from _negated_crossings(of, f"{pointer}/not")
            yield from _found(of, f"{pointer}/not")


def _facts(when: Condition, pointer: str, *, negated: bool) -> list[_Fact]:
    """What has to be so if ``when`` (``negated``: its opposite) is to hold; of alternatives nothing has."""
    match when:
        case Not(of):
            return _facts(of, f"{pointer}/not", negated=not negated)
        case All(of) if not negated:
            return [fact for i, part in enumerate(of) for fact in _facts(part, f"{pointer}/all/{i}", negated=False)]
        case AnyOf(of) if negated:
            return [fact for i, part in enumerate(of) for fact in _facts(part, f"{pointer}/any/{i}", negated=True)]
        case Compared() | Stale():
            return [_Fact(when, negated, pointer)]
        case _:
            return []


def _twice(parts: Sequence[Condition], pointer: str) -> Iterator[Contradiction]:
    for index, part in enumerate(parts):
        if part in parts[:index]:
            yield Contradiction("the same condition twice: leave one of them out", f"{pointer}/{index}")


def _crossings(facts: Sequence[_Fact]) -> Iterator[Contradiction]:
    crossings = [fact for fact in facts if isinstance(fact.leaf, Compared) and fact.leaf.is_crossing]
    for fact in crossings[1:]:
        yield Contradiction("two crossings do not happen at once: use any, or above and below", fact.pointer)
    stale = {fact.leaf.topic for fact in facts if isinstance(fact.leaf, Stale) and not fact.negated}
    for fact in crossings:
        if fact.leaf.topic in stale:
            yield Contradiction("a topic that is stale crosses nothing: use above or below", fact.pointer)


def _negated_crossings(when: Condition, pointer: str) -> Iterator[Contradiction]:
    match when:
        case All(of) | AnyOf(of):
            word = "all" if isinstance(when, All) else "any"
            for index, part in enumerate(of):
                yield from _negated_crossings(part, f"{pointer}/{word}/{index}")
        case Not(of):
            yield from _negated_crossings(of, f"{pointer}/not")
        case Compared() if when.is_crossing:
            yield Contradiction("nearly everything is no crossing: use above or below within not", pointer)


def _impossible(facts: Sequence[_Fact], why: str) -> Iterator[Contradiction]:
    compared: defaultdict[FigureKey, list[_Fact]] = defaultdict(list)
    stale: defaultdict[str, list[_Fact]] = defaultdict(list)
    for fact in facts:
        if isinstance(fact.leaf, Compared):
            if not (fact.leaf.is_crossing and fact.negated):  # it says nothing of where the figure is
                compared[fact.leaf.figure].append(fact)
        else:
            stale[fact.leaf.topic].append(fact)
    for of_figure in compared.values():
        yield from _no_room(of_figure, why)
    for of_topic in stale.values():
        yield from _no_time(of_topic, why)


def _no_room(facts: Sequence[_Fact], why: str) -> Iterator[Contradiction]:
    """Between the highest of the lower bounds and the lowest of the upper: each is (bound, is it excluded)."""
    lower: list[tuple[Decimal, bool, _Fact]] = []
    upper: list[tuple[Decimal, bool, _Fact]] = []
    for fact in facts:
        if isinstance(fact.leaf, Compared):
            side = lower if fact.leaf.is_upward != fact.negated else upper
            side.append((fact.leaf.value, not fact.negated, fact))
    if not lower or not upper:
        return
    low = max(lower, key=lambda bound: bound[:2])
    high = min(upper, key=lambda bound: (bound[0], not bound[1]))
    if low[0] > high[0] or (low[0] == high[0] and (low[1] or high[1])):
        told = f"{_told(low[2])} and {_told(high[2])}"
        yield Contradiction(f"{told} of one figure: {why}", max(low[2].pointer, high[2].pointer))


def _no_time(facts: Sequence[_Fact], why: str) -> Iterator[Contradiction]:
    ages = [(fact.leaf.over_s, fact) for fact in facts if isinstance(fact.leaf, Stale)]
    least = max((age for age in ages if not age[1].negated), key=lambda age: age[0], default=None)
    most = min((age for age in ages if age[1].negated), key=lambda age: age[0], default=None)
    if least is not None and most is not None and least[0] >= most[0]:
        yield Contradiction(f"stale and not stale: {why}", max(least[1].pointer, most[1].pointer))


def _told(fact: _Fact) -> str:
    """As it was written: its opposite may be what the reasoning was about."""
    leaf = fact.leaf
    return f"{leaf.is_} {leaf.value:f}" if isinstance(leaf, Compared) else "stale"
