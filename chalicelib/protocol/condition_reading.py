"""From conditions as they were sent to conditions that mean something; what is wrong is told with what is right."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, get_args

from msgspec import UNSET, UnsetType

from chalicelib.domain.durations import duration, seconds_of
from chalicelib.domain.observations import MAX_MAGNITUDE
from chalicelib.domain.rules import WINDOWS_S, All, AnyOf, Compared, Condition, Measure, Not, Stale, leaves
from chalicelib.domain.topics import KINDS, PRIVATE_KINDS, is_topic, is_wildcard, kind_of
from chalicelib.errors import BadQueryError, BadRuleError
from chalicelib.protocol.alerts import MAX_CONDITIONS, MAX_DEPTH, MAX_TOPICS, ConditionBody, Is
from chalicelib.protocol.values import MAX_DECIMALS, time_value, value_of

MIN_STALE_S, MAX_STALE_S = 120, 7 * 86_400  # stale topics are looked for once a minute


def read_condition(body: ConditionBody, pointer: str) -> Condition:
    """``pointer`` is where the condition is in what was sent. Raises BadRuleError."""
    return _Conditions(pointer).read(body)


class _Conditions:
    """Reads a tree of conditions, counting what it holds."""

    def __init__(self, pointer: str) -> None:
        self._pointer = pointer
        self._singles = 0

    def read(self, body: ConditionBody) -> Condition:
        when = self._read(body, self._pointer, 1)
        topics = dict.fromkeys(leaf.topic for leaf in leaves(when))
        if len(topics) > MAX_TOPICS:
            raise BadRuleError(f"{len(topics)} topics: a rule has at most {MAX_TOPICS}", pointer=self._pointer)
        return when

    def _read(self, body: ConditionBody, pointer: str, depth: int) -> Condition:
        if depth > MAX_DEPTH:
            raise BadRuleError(f"conditions nest at most {MAX_DEPTH} deep", pointer=pointer)
        given = [name for name, part in _kinds(body) if part is not UNSET]
        if len(given) != 1 or (given != ["topic"] and _has_single_fields(body)):
            raise BadRuleError("a condition is one of all, any, not, and a topic with what it is", pointer=pointer)
        if isinstance(body.all, list):
            return All(self._parts(body.all, f"{pointer}/all", depth))
        if isinstance(body.any, list):
            return AnyOf(self._parts(body.any, f"{pointer}/any", depth))
        if isinstance(body.not_, ConditionBody):
            return Not(self._read(body.not_, f"{pointer}/not", depth + 1))
        self._singles += 1
        if self._singles > MAX_CONDITIONS:
            raise BadRuleError(f"a rule has at most {MAX_CONDITIONS} single conditions", pointer=pointer)
        return _single(body, pointer)

    def _parts(self, bodies: Sequence[ConditionBody], pointer: str, depth: int) -> tuple[Condition, ...]:
        return tuple(self._read(part, f"{pointer}/{index}", depth + 1) for index, part in enumerate(bodies))


def _kinds(body: ConditionBody) -> tuple[tuple[str, Any], ...]:
    return (("all", body.all), ("any", body.any), ("not", body.not_), ("topic", body.topic))


def _has_single_fields(body: ConditionBody) -> bool:
    return any(part is not UNSET for part in (body.of, body.over, body.is_, body.value, body.margin))


def _single(body: ConditionBody, pointer: str) -> Compared | Stale:
    topic = _topic(str(body.topic), f"{pointer}/topic")
    if isinstance(body.is_, UnsetType):
        raise BadRuleError(f"what about {topic}? Give is: one of {', '.join(get_args(Is))}", pointer=pointer)
    if body.is_ == "stale":
        return _stale(topic, body, pointer)
    if body.value is UNSET:
        raise BadRuleError(f"{body.is_} what? Give a value", pointer=pointer)
    of: Measure = "value" if isinstance(body.of, UnsetType) else body.of
    return Compared(
        topic=topic,
        is_=body.is_,
        value=_number(body.value, f"{pointer}/value"),
        of=of,
        over_s=_window(body, of, pointer),
        margin=_margin(body.margin, f"{pointer}/margin"),
    )


def _topic(topic: str, pointer: str) -> str:
    if is_wildcard(topic):
        raise BadRuleError("a rule watches single topics: make one of each, or use any", pointer=pointer)
    if not is_topic(topic):
        kinds = ", ".join(kind for kind in KINDS if kind not in PRIVATE_KINDS)
        raise BadRuleError(
            f"no topic {topic!r:.150}: write a kind ({kinds}) and a name, as price:ethereum", pointer=pointer
        )
    if kind_of(topic) in PRIVATE_KINDS:
        raise BadRuleError("alerts cannot be watched by rules", pointer=pointer)
    return topic


def _stale(topic: str, body: ConditionBody, pointer: str) -> Stale:
    for name, part in (("of", body.of), ("value", body.value), ("margin", body.margin)):
        if part is not UNSET:
            raise BadRuleError(f"stale has no {name}: leave it out", pointer=f"{pointer}/{name}")
    if isinstance(body.over, UnsetType):
        raise BadRuleError("stale for how long? Give over, like 10m", pointer=pointer)
    return Stale(topic, duration_of(body.over, f"{pointer}/over", least=MIN_STALE_S, most=MAX_STALE_S))


def _window(body: ConditionBody, of: Measure, pointer: str) -> int:
    windows = ", ".join(WINDOWS_S)
    if isinstance(body.over, UnsetType):
        if of == "value":
            return 0
        raise BadRuleError(f"a change over which window? Give over: one of {windows}", pointer=pointer)
    if of == "value":
        raise BadRuleError(
            "over is for changes: say of (change_pct or change_abs); if it has to hold for a while, use the rule's for",
            pointer=f"{pointer}/over",
        )
    if body.over not in WINDOWS_S:
        raise BadRuleError(f"a window is one of {windows}", pointer=f"{pointer}/over")
    return WINDOWS_S[body.over]


def _margin(raw: Any, pointer: str) -> Decimal:
    if raw is UNSET:
        return Decimal(0)
    margin = _number(raw, pointer)
    if margin < 0:
        raise BadRuleError("a margin is not negative: it is how far back the figure has to go", pointer=pointer)
    return margin


def _number(raw: Any, pointer: str) -> Decimal:
    try:
        value = value_of(raw, "number", pointer)
    except BadQueryError:
        value = None
    if not isinstance(value, Decimal) or value.copy_abs() > MAX_MAGNITUDE:
        raise BadRuleError(
            f"write a number like 0.98, at most {MAX_MAGNITUDE:f} and with at most {MAX_DECIMALS} decimals",
            pointer=pointer,
        )
    return value


def time_at(raw: str, pointer: str) -> datetime:
    """Raises BadRuleError."""
    try:
        return time_value(raw, pointer)
    except BadQueryError as error:
        raise BadRuleError(str(error), pointer=pointer) from error


def duration_of(text: str, pointer: str, *, most: int, least: int = 0) -> int:
    """Seconds. Raises BadRuleError."""
    seconds = seconds_of(text)
    if seconds is None:
        raise BadRuleError("a duration is a whole number and s, m, h or d, like 90s or 5m", pointer=pointer)
    if not least <= seconds <= most:
        raise BadRuleError(f"from {duration(least)} to {duration(most)}", pointer=pointer)
    return seconds
