"""Alert rules as JSON: what a rule is written as, and how rules and dry runs are answered.

Values are decimal texts, times RFC 3339 in UTC, durations a whole number and its unit: ``90s``, ``5m``, ``4h``, ``2d``.
What a body means, and whether it means anything, is read in rule_reading.py and condition_reading.py.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from chalicelib.domain.alerts import AlertState, Phase
from chalicelib.domain.descriptions import describe, window
from chalicelib.domain.durations import duration
from chalicelib.domain.observations import plain
from chalicelib.domain.rules import All, AnyOf, Compared, Condition, Measure, Not, Rule, Stale
from chalicelib.protocol.pushes import rfc3339
from chalicelib.protocol.rest import AskedTime, DecimalText, Time

MAX_TOPICS = 10
MAX_CONDITIONS = 20
MAX_DEPTH = 4
MAX_STEPS = 8

ENDPOINT = "^en_[A-Za-z0-9_-]{1,60}$"
Is = Literal["above", "below", "crosses_up", "crosses_down", "stale"]
IntervalText = Literal["raw", "1m", "5m", "1h", "1d"]
Channel = Literal["socket", "webhook", "email"]
# Patterns that a person would not understand as the reason of a refusal are told to machines only.
DurationText = Annotated[str, Meta(max_length=12, examples=["5m"], extra_json_schema={"pattern": "^[0-9]{1,9}[smhd]$"})]
Asked = Annotated[
    Any,
    Meta(
        extra_json_schema={"anyOf": [{"type": "string", "maxLength": 64}, {"type": "number"}]},
        examples=["0.98"],
        description="A decimal number, as a text or a number; it is taken exactly as it is written.",
    ),
]


class ConditionBody(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Exactly one of ``all``, ``any``, ``not`` and a single condition: a ``topic`` and what it ``is``.

    ``above``, ``below``, ``crosses_up`` and ``crosses_down`` compare with ``value``; what is compared is the topic's
    value, or ``of`` it ``change_pct`` or ``change_abs`` ``over`` a window. ``margin``: how far back the figure must go
    until the condition is over. ``stale``: nothing was observed for as long as ``over``.
    """

    all: Annotated[list[ConditionBody], Meta(min_length=1, max_length=MAX_CONDITIONS)] | UnsetType = UNSET
    any: Annotated[list[ConditionBody], Meta(min_length=1, max_length=MAX_CONDITIONS)] | UnsetType = UNSET
    not_: ConditionBody | UnsetType = field(name="not", default=UNSET)
    topic: Annotated[str, Meta(max_length=128, examples=["peg:usd-coin"])] | UnsetType = UNSET
    of: Measure | UnsetType = UNSET
    over: DurationText | UnsetType = UNSET
    is_: Is | UnsetType = field(name="is", default=UNSET)
    value: Asked = UNSET
    margin: Asked = UNSET


class StepBody(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A way to be told: at once, or ``after`` a while if nobody has acknowledged the alert by then."""

    channel: Channel
    endpoint: Annotated[str, Meta(max_length=64, extra_json_schema={"pattern": ENDPOINT})] | UnsetType = UNSET
    after: DurationText | UnsetType = UNSET


Steps = Annotated[list[StepBody], Meta(min_length=1, max_length=MAX_STEPS)]
RuleName = Annotated[str, Meta(min_length=1, max_length=100, examples=["USDC loses its peg"])]


class RuleBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """A rule as its user writes it.

    ``for``: how long it has to hold until the alert fires; ``cooldown``: how long after one alert fired no other does;
    ``repeat`` once: the first alert is the only one. A muted rule's alerts are kept in its history and told to nobody.
    """

    name: RuleName
    when: ConditionBody
    for_: DurationText = field(name="for", default="0s")
    cooldown: DurationText = "0s"
    repeat: Literal["always", "once"] = "always"
    enabled: bool = True
    muted_until: AskedTime | None = None
    expires_at: AskedTime | None = None
    notify: Steps = field(default_factory=lambda: [StepBody("socket")])


class StateBody(Struct):
    """Where a rule is in its life, since when, and when that ends by itself (``due``). ``alert`` is the one that is on,
    or was last; ``value`` the figure that fired it, or made it pending."""

    phase: Phase
    since: Time | None
    due: Time | None
    alert: str | None
    fired_at: Time | None
    value: DecimalText | None


class RuleAnswer(Struct, kw_only=True):
    """A rule as it is kept. ``condition`` says what it waits for, for people."""

    id: str
    version: int
    name: RuleName
    when: ConditionBody
    for_: DurationText = field(name="for")
    cooldown: DurationText
    repeat: Literal["always", "once"]
    enabled: bool
    muted_until: Time | None
    expires_at: Time | None
    notify: list[StepBody]
    condition: str
    created_at: Time
    updated_at: Time
    state: StateBody


class DryRunBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which rule to try, and on which past: the last seven days unless it says."""

    rule: RuleBody
    from_: AskedTime | None = field(name="from", default=None)
    to: AskedTime | None = None


class FiredBody(Struct):
    """An alert that would have been told. ``resolved_at`` is null if it was still on in the end."""

    at: Time
    topic: str
    value: DecimalText | None
    resolved_at: Time | None


class DryRunAnswer(Struct, kw_only=True):
    """``interval``: of which figures the past was made: ``raw``, every observation, or the candles' opening, lowest,
    highest and closing values. ``truncated``: only until ``to`` was there room for."""

    from_: Time = field(name="from")
    to: Time
    interval: IntervalText
    observations: int
    fired: list[FiredBody]
    truncated: bool


def answer_of(rule: Rule, state: AlertState) -> RuleAnswer:
    """``state`` may still be that of an earlier version of the rule: this version has begun anew."""
    return RuleAnswer(
        id=rule.id,
        version=rule.version,
        name=rule.name,
        when=condition_body(rule.when),
        for_=duration(rule.for_s),
        cooldown=duration(rule.cooldown_s),
        repeat="once" if rule.once else "always",
        enabled=rule.enabled,
        muted_until=_time(rule.muted_until),
        expires_at=_time(rule.expires_at),
        notify=[_step_body(step.channel, step.endpoint, step.after_s) for step in rule.notify],
        condition=describe(rule),
        created_at=rfc3339(rule.created_at),
        updated_at=rfc3339(rule.updated_at),
        state=_state_body(rule, state),
    )


def condition_body(when: Condition) -> ConditionBody:
    """The inverse of reading it."""
    match when:
        case All(of):
            return ConditionBody(all=[condition_body(part) for part in of])
        case AnyOf(of):
            return ConditionBody(any=[condition_body(part) for part in of])
        case Not(of):
            return ConditionBody(not_=condition_body(of))
        case Stale(topic, over_s):
            return ConditionBody(topic=topic, is_="stale", over=duration(over_s))
        case Compared():
            return ConditionBody(
                topic=when.topic,
                of=UNSET if when.of == "value" else when.of,
                over=window(when.over_s) if when.over_s else UNSET,
                is_=when.is_,
                value=plain(when.value),
                margin=plain(when.margin) if when.margin else UNSET,
            )


def _step_body(channel: Channel, endpoint: str, after_s: int) -> StepBody:
    return StepBody(channel, endpoint or UNSET, duration(after_s) if after_s else UNSET)


def _state_body(rule: Rule, state: AlertState) -> StateBody:
    if state.rule_version != rule.version:
        state = AlertState(rule=rule.id, phase="armed" if rule.enabled else "ended")
    return StateBody(
        phase=state.phase,
        since=_time(state.since),
        due=_time(state.due),
        alert=state.alert or None,
        fired_at=_time(state.fired_at),
        value=None if state.value is None else plain(state.value),
    )


def _time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
