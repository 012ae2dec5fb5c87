"""A condition in words and signs, as alerts and pages show it: ``value < 0.98 for 5m``."""

from __future__ import annotations

from chalicelib.domain.durations import duration
from chalicelib.domain.observations import plain
from chalicelib.domain.rules import All, AnyOf, Compared, Condition, Not, Rule, Stale, topics_of

_SIGNS = {"above": ">", "below": "<", "crosses_up": "crosses above", "crosses_down": "crosses below"}


def describe(rule: Rule) -> str:
    """The topics are named only if there are several. Margins are left out: they say when it ends."""
    text = _text(rule.when, named=len(topics_of(rule)) > 1, nested=False)
    return f"{text} for {duration(rule.for_s)}" if rule.for_s else text


def _text(when: Condition, *, named: bool, nested: bool) -> str:
    match when:
        case All(of) | AnyOf(of):
            joint = " and " if isinstance(when, All) else " or "
            text = joint.join(_text(part, named=named, nested=True) for part in of)
            return f"({text})" if nested and len(of) > 1 else text
        case Not(of):
            return f"not ({_text(of, named=named, nested=False)})"
        case Stale(topic, over_s):
            return f"{_subject(topic, named)}nothing new for {duration(over_s)}"
        case Compared():
            return f"{_subject(when.topic, named)}{_compared(when)}"


def _subject(topic: str, named: bool) -> str:
    return f"{topic} " if named else ""


def _compared(leaf: Compared) -> str:
    if leaf.of == "value":
        return f"value {_SIGNS[leaf.is_]} {plain(leaf.value)}"
    unit = " %" if leaf.of == "change_pct" else ""
    return f"change over {window(leaf.over_s)} {_SIGNS[leaf.is_]} {plain(leaf.value)}{unit}"


def window(over_s: int) -> str:
    """A window of a change by the name that it has in rules."""
    return "24h" if over_s == 86_400 else duration(over_s)
