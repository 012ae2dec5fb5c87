"""How rules are kept: in DynamoDB for good, in Redis for the index. Users never see this form (see alerts.py)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from chalicelib.domain.alerts import Alert, AlertState
from chalicelib.domain.rules import All, AnyOf, Compared, Comparison, Condition, Measure, Not, Rule, Stale, Step


class _Compared(msgspec.Struct, tag="c", omit_defaults=True):
    topic: str
    is_: Comparison
    value: Decimal
    of: Measure = "value"
    over_s: int = 0
    margin: Decimal = Decimal(0)


class _Stale(msgspec.Struct, tag="s"):
    topic: str
    over_s: int


class _All(msgspec.Struct, tag="all"):
    of: list[_Record]


class _AnyOf(msgspec.Struct, tag="any"):
    of: list[_Record]


class _Not(msgspec.Struct, tag="not"):
    of: _Record


_Record = _Compared | _Stale | _All | _AnyOf | _Not


class _Step(msgspec.Struct, omit_defaults=True):
    channel: Literal["socket", "webhook", "email"]
    endpoint: str = ""
    after_s: int = 0


class _Rule(msgspec.Struct, omit_defaults=True, kw_only=True):
    """As domain.rules.Rule; a field is added with a default, since both versions of a release read it."""

    id: str
    user: str
    name: str
    when: _Record
    for_s: int = 0
    cooldown_s: int = 0
    once: bool = False
    enabled: bool = True
    muted_until: datetime | None = None
    expires_at: datetime | None = None
    notify: list[_Step] = []
    version: int = 1
    created_at: datetime
    updated_at: datetime


_encoder = msgspec.json.Encoder()
_rule = msgspec.json.Decoder(_Rule)
_state = msgspec.json.Decoder(AlertState)
_alert = msgspec.json.Decoder(Alert)


def encode_rule(rule: Rule) -> bytes:
    """The same bytes for the same rule."""
    fields = {name: getattr(rule, name) for name in _Rule.__struct_fields__ if name not in ("when", "notify")}
    steps = [_Step(step.channel, step.endpoint, step.after_s) for step in rule.notify]
    return _encoder.encode(_Rule(**fields, when=_record(rule.when), notify=steps))


def decode_rule(raw: str | bytes) -> Rule:
    """What ``encode_rule`` was given. Raises msgspec.MsgspecError for anything else."""
    kept = _rule.decode(raw)
    fields = {name: getattr(kept, name) for name in _Rule.__struct_fields__ if name not in ("when", "notify")}
    steps = tuple(Step(step.channel, step.endpoint, step.after_s) for step in kept.notify)
    return Rule(**fields, when=_condition(kept.when), notify=steps)


def _record(when: Condition) -> _Record:
    match when:
        case All(of):
            return _All([_record(part) for part in of])
        case AnyOf(of):
            return _AnyOf([_record(part) for part in of])
        case Not(of):
            return _Not(_record(of))
        case Stale():
            return _Stale(when.topic, when.over_s)
        case Compared():
            return _Compared(when.topic, when.is_, when.value, when.of, when.over_s, when.margin)


def _condition(kept: _Record) -> Condition:
    match kept:
        case _All():
            return All(tuple(_condition(part) for part in kept.of))
        case _AnyOf():
            return AnyOf(tuple(_condition(part) for part in kept.of))
        case _Not():
            return Not(_condition(kept.of))
        case _Stale():
            return Stale(kept.topic, kept.over_s)
        case _Compared():
            return Compared(kept.topic, kept.is_, kept.value, kept.of, kept.over_s, kept.margin)


def encode_state(state: AlertState) -> bytes:
    return _encoder.encode(state)


def decode_state(raw: str | bytes) -> AlertState:
    return _state.decode(raw)


def encode_alert(alert: Alert) -> bytes:
    return _encoder.encode(alert)


def decode_alert(raw: str | bytes) -> Alert:
    return _alert.decode(raw)
