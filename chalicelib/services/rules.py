"""Users' alert rules: made, changed, read, acknowledged."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Protocol

from chalicelib.domain.alerts import Acknowledged, Alert, AlertState, Changed, Event
from chalicelib.domain.rules import Rule
from chalicelib.errors import BadRuleError, TooManyRulesError, UnknownAlertError, VersionConflictError
from chalicelib.ports.alerts import AlertStates, Due, RuleIndex, RuleStore, Timers
from chalicelib.ports.endpoints import EndpointStore
from chalicelib.protocol.envelopes import encode
from chalicelib.protocol.rule_reading import read_rule
from chalicelib.protocol.signals import RecheckMessage
from chalicelib.services.event_clock import EventClock

_RULE_ID = re.compile(r"ru_[A-Za-z0-9_-]{1,60}\Z")  # anything else no store need be asked for


class Life(Protocol):
    """services.lifecycle, as far as rules need it."""

    def apply(self, rule: Rule, event: Event) -> bool: ...


@dataclass(frozen=True, slots=True)
class Watched:
    """A rule, and where it is in its life."""

    rule: Rule
    state: AlertState


class ManageRules:
    """Guarantees: nobody reads or touches another's rule; one that was answered is evaluated from then on, and judged
    by the newest figures at once; of two changes of one version one is refused; of one seed there is one rule, however
    often it is made.

    The store is written before the index: whatever is lost between the two, the index is mended from the store.
    """

    def __init__(
        self,
        *,
        rules: RuleStore,
        states: AlertStates,
        index: RuleIndex,
        timers: Timers,
        life: Life,
        endpoints: EndpointStore,
        clock: EventClock,
        now: Callable[[], datetime],
    ) -> None:
        self._rules, self._states, self._index = rules, states, index
        self._timers, self._life, self._endpoints = timers, life, endpoints
        self._clock, self._now = clock, now

    def create(self, body: bytes, *, user: str, seed: bytes, limit: int) -> Watched:
        """A rule from a request's body, whose id follows from ``seed``.

        Raises BadRuleError for what is no rule, or tells an endpoint that is not the user's, and TooManyRulesError.
        """
        rule = read_rule(body, id=_rule_id(seed), user=user, now=self._now(), clock=self._clock())
        self._check_steps(rule)
        if not self._rules.create(rule, limit=limit):
            raise TooManyRulesError(f"you have {limit} rules, which are all that your tier has: delete one")
        kept = self._rules.find(user, rule.id) or rule  # made before, it may have been changed since
        self._watch(kept)
        return self._watched(kept)

    def change(self, body: bytes, *, user: str, rule_id: str, expected: int | None) -> Watched:
        """Put a request's rule in the place of the newest version; ``expected`` is the version that the user read.

        Raises UnknownAlertError, VersionConflictError and as ``create``.
        """
        before = self._own(user, rule_id)
        if expected not in (None, before.version):
            raise VersionConflictError(f"the rule is at version {before.version}, not {expected}: read it again")
        rule = read_rule(body, id=rule_id, user=user, now=self._now(), clock=self._clock(), before=before)
        self._check_steps(rule)
        if not self._rules.replace(rule):
            raise VersionConflictError("the rule was changed or deleted meanwhile: read it again")
        self._life.apply(rule, Changed(id=_cause(rule), at=self._clock()))
        self._watch(rule)
        return self._watched(rule)

    def delete(self, user: str, rule_id: str) -> None:
        """An alert of it that is on is resolved first. Raises UnknownAlertError."""
        rule = self._own(user, rule_id)
        ended = replace(rule, enabled=False, version=rule.version + 1)
        self._life.apply(ended, Changed(id=_cause(ended), at=self._clock()))
        self._rules.delete(user, rule_id)
        self._index.remove(rule_id)

    def find(self, user: str, rule_id: str) -> Watched:
        """Raises UnknownAlertError."""
        return self._watched(self._own(user, rule_id))

    def page(self, user: str, *, after: str | None, limit: int) -> tuple[Sequence[Watched], str | None]:
        """Rules, and the ``after`` of the next page."""
        page = self._rules.of_user(user, after=after, limit=limit)
        states = self._states.load([rule.id for rule in page.rules]) if page.rules else {}
        return [Watched(rule, states[rule.id].state) for rule in page.rules], page.next

    def history(self, user: str, rule_id: str, *, after: str | None, limit: int) -> tuple[Sequence[Alert], str | None]:
        """What it told, newest first, and the ``after`` of the next page. Raises UnknownAlertError."""
        self._own(user, rule_id)
        return self._states.history(rule_id, after=after, limit=limit)

    def acknowledge(self, user: str, rule_id: str, alert: str) -> Watched:
        """The user has seen an alert; to say so again changes nothing. Raises UnknownAlertError if it is over."""
        rule = self._own(user, rule_id)
        state = self._state(rule_id)
        if state.alert != alert or not state.is_on:
            raise UnknownAlertError(f"no alert {alert!r:.60} of this rule is on: it is over, or never was")
        if state.phase == "firing":
            self._life.apply(rule, Acknowledged(id=f"ack:{alert}", at=self._clock(), alert=alert))
        return self._watched(rule)

    def _own(self, user: str, rule_id: str) -> Rule:
        rule = self._rules.find(user, rule_id) if _RULE_ID.match(rule_id) else None
        if rule is None:
            raise UnknownAlertError(f"you have no rule {rule_id!r:.60}")
        return rule

    def _check_steps(self, rule: Rule) -> None:
        for number, step in enumerate(rule.notify):
            if not step.endpoint:
                continue
            pointer = f"/notify/{number}/endpoint"
            endpoint = self._endpoints.find(rule.user, step.endpoint)
            if endpoint is None:
                raise BadRuleError(f"you have no endpoint {step.endpoint!r:.60}", pointer=pointer)
            if endpoint.kind != step.channel:
                raise BadRuleError(f"{step.endpoint} is of kind {endpoint.kind}, not {step.channel}", pointer=pointer)

    def _watch(self, rule: Rule) -> None:
        self._index.put([rule])
        recheck = RecheckMessage(rules=[rule.id], cause=_cause(rule))
        self._timers.put([Due(id=recheck.cause, queue="alerts", body=encode(recheck), at=self._now())])

    def _watched(self, rule: Rule) -> Watched:
        return Watched(rule, self._state(rule.id))

    def _state(self, rule_id: str) -> AlertState:
        return self._states.load([rule_id])[rule_id].state


def _rule_id(seed: bytes) -> str:
    """128 bits of SHA-256."""
    return "ru_" + urlsafe_b64encode(sha256(seed).digest()[:16]).decode().rstrip("=")


def _cause(rule: Rule) -> str:
    return f"rule:{rule.id}:{rule.version}"
