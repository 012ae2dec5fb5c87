"""From a rule as it was sent to one that means something; if it does not: what is wrong, where, and what is right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar, get_args

import msgspec
from msgspec import UnsetType

from chalicelib.domain.contradictions import contradiction
from chalicelib.domain.durations import duration
from chalicelib.domain.rules import Compared, Measure, Rule, Step, leaves
from chalicelib.errors import BadRuleError
from chalicelib.protocol.alerts import ENDPOINT, Channel, DryRunBody, Is, RuleBody, StepBody
from chalicelib.protocol.bodies import decode_body
from chalicelib.protocol.condition_reading import duration_of, read_condition, time_at

T = TypeVar("T")

MAX_RULE_BYTES = 16 * 1024
MAX_NESTING = 32  # brackets; the depth of conditions is bounded by itself
MAX_FOR_S = 7 * 86_400
MAX_COOLDOWN_S = 30 * 86_400
MAX_AFTER_S = 86_400

_CHOICES = {
    "is": get_args(Is),
    "of": get_args(Measure),
    "channel": get_args(Channel),
    "repeat": ("always", "once"),
}
# Numbers stay what was written: 0.1 is no binary fraction.
_rules = msgspec.json.Decoder(RuleBody, float_hook=Decimal)
_dry_runs = msgspec.json.Decoder(DryRunBody, float_hook=Decimal)


def read_rule(
    body: bytes, *, id: str, user: str, now: datetime, clock: datetime | None = None, before: Rule | None = None
) -> Rule:
    """A rule from a request's body: a new one, or the next version of ``before``. ``clock`` is the present of its times
    if it is not ``now``.

    Raises TooLargeError, NotJsonError, or BadRuleError with a pointer to what is wrong.
    """
    return rule_of(_decode(body, _rules), id=id, user=user, now=now, clock=clock, before=before)


def read_dry_run(body: bytes) -> DryRunBody:
    """Raises as ``read_rule``; what its parts mean is read by ``rule_of`` and ``time_of``."""
    return _decode(body, _dry_runs)


def rule_of(
    body: RuleBody,
    *,
    id: str,
    user: str,
    now: datetime,
    clock: datetime | None = None,
    before: Rule | None = None,
    pointer: str = "",
) -> Rule:
    """As ``read_rule``; ``pointer`` is where the rule is in what was sent. Raises BadRuleError."""
    when = read_condition(body.when, f"{pointer}/when")
    wrong = contradiction(when)
    if wrong is not None:
        raise BadRuleError(wrong.message, pointer=f"{pointer}/when{wrong.pointer}")
    rule = Rule(
        id=id,
        user=user,
        name=_name(body.name, f"{pointer}/name"),
        when=when,
        for_s=duration_of(body.for_, f"{pointer}/for", most=MAX_FOR_S),
        cooldown_s=duration_of(body.cooldown, f"{pointer}/cooldown", most=MAX_COOLDOWN_S),
        once=body.repeat == "once",
        enabled=body.enabled,
        muted_until=time_of(body.muted_until, f"{pointer}/muted_until"),
        expires_at=time_of(body.expires_at, f"{pointer}/expires_at"),
        notify=_steps(body.notify, f"{pointer}/notify"),
        version=before.version + 1 if before else 1,
        created_at=before.created_at if before else now,
        updated_at=now,
    )
    _check_life(rule, clock or now, pointer)
    return rule


def time_of(raw: str | None, pointer: str) -> datetime | None:
    """Raises BadRuleError."""
    return None if raw is None else time_at(raw, pointer)


def _check_life(rule: Rule, now: datetime, pointer: str) -> None:
    if rule.for_s and any(isinstance(leaf, Compared) and leaf.is_crossing for leaf in leaves(rule.when)):
        raise BadRuleError(
            "a crossing is over at once and cannot hold for a while: use above or below, or leave for out",
            pointer=f"{pointer}/for",
        )
    if rule.once and rule.cooldown_s:
        raise BadRuleError("an alert that fires once needs no cooldown: leave it out", pointer=f"{pointer}/cooldown")
    if rule.expires_at is not None and rule.expires_at <= now:
        raise BadRuleError("expires_at is in the past: give a later time, or null", pointer=f"{pointer}/expires_at")
    if rule.expires_at is not None and rule.muted_until is not None and rule.muted_until >= rule.expires_at:
        raise BadRuleError(
            "muted until it expires it would never be heard: let muted_until be before expires_at",
            pointer=f"{pointer}/muted_until",
        )
    if rule.expires_at is not None and now + timedelta(seconds=rule.for_s) >= rule.expires_at:
        raise BadRuleError(
            f"it expires before it can have held for {duration(rule.for_s)}: give a later expires_at",
            pointer=f"{pointer}/expires_at",
        )


def _name(name: str, pointer: str) -> str:
    shown = name.strip()
    if not shown or not shown.isprintable():
        raise BadRuleError("a name is of characters that can be seen, on one line", pointer=pointer)
    return shown


def _steps(bodies: Sequence[StepBody], pointer: str) -> tuple[Step, ...]:
    steps = tuple(_step(body, f"{pointer}/{index}") for index, body in enumerate(bodies))
    if steps[0].after_s:
        raise BadRuleError(
            "the first step is told at once, so that somebody can acknowledge it: leave after out",
            pointer=f"{pointer}/0/after",
        )
    for index, step in enumerate(steps):
        if (step.channel, step.endpoint) in ((other.channel, other.endpoint) for other in steps[:index]):
            raise BadRuleError("the same way twice: leave one of them out", pointer=f"{pointer}/{index}")
    return steps


def _step(body: StepBody, pointer: str) -> Step:
    endpoint = "" if isinstance(body.endpoint, UnsetType) else body.endpoint
    after_s = 0
    if not isinstance(body.after, UnsetType):
        after_s = duration_of(body.after, f"{pointer}/after", least=1, most=MAX_AFTER_S)
    if body.channel == "socket" and endpoint:
        raise BadRuleError("the socket has no endpoint: leave it out", pointer=f"{pointer}/endpoint")
    if body.channel == "socket" and after_s:
        raise BadRuleError("the socket is told at once: leave after out", pointer=f"{pointer}/after")
    if body.channel != "socket" and not endpoint:
        raise BadRuleError(f"which {body.channel}? Give its endpoint, an id of /v1/endpoints", pointer=pointer)
    if endpoint and not re.match(ENDPOINT, endpoint):
        raise BadRuleError("an endpoint is an id of /v1/endpoints, as en_…", pointer=f"{pointer}/endpoint")
    return Step(body.channel, endpoint, after_s)


def _decode(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    return decode_body(
        body,
        decoder,
        what="a rule",
        refused=BadRuleError,
        max_bytes=MAX_RULE_BYTES,
        max_nesting=MAX_NESTING,
        choices=_CHOICES,
    )
