"""Fakes of ports.alerts and ports.endpoints, in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from chalicelib.domain.alerts import Acknowledged, Alert, AlertState, Changed, Event
from chalicelib.domain.rules import Compared, Rule
from chalicelib.errors import StoreDownError
from chalicelib.ports.alerts import Due, Kept, RulePage
from chalicelib.ports.endpoints import Endpoint

MADE_AT = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)


def rule_of(user: str, name: str = "1", **more: Any) -> Rule:
    """Rule ``ru_{name}``: a stablecoin loses its peg."""
    when = Compared("peg:usd-coin", "below", Decimal("0.98"))
    fields = {"id": f"ru_{name}", "name": "USDC loses its peg", "when": when, "created_at": MADE_AT}
    return Rule(**{**fields, "user": user, "updated_at": MADE_AT, **more})


class FakeRuleStore:
    """ports.RuleStore; a page's ``after`` is the last id of the page before."""

    def __init__(self) -> None:
        self.rules: dict[str, Rule] = {}
        self.is_down = False

    def _check(self) -> None:
        if self.is_down:
            raise StoreDownError("the store is down")

    def create(self, rule: Rule, *, limit: int) -> bool:
        self._check()
        if rule.id in self.rules:
            return True
        if sum(each.user == rule.user for each in self.rules.values()) >= limit:
            return False
        self.rules[rule.id] = rule
        return True

    def replace(self, rule: Rule) -> bool:
        self._check()
        known = self.find(rule.user, rule.id)
        if known is None or known.version != rule.version - 1:
            return False
        self.rules[rule.id] = rule
        return True

    def find(self, user: str, rule_id: str) -> Rule | None:
        self._check()
        rule = self.rules.get(rule_id)
        return rule if rule and rule.user == user else None

    def delete(self, user: str, rule_id: str) -> bool:
        if self.find(user, rule_id) is None:
            return False
        del self.rules[rule_id]
        return True

    def of_user(self, user: str, *, after: str | None, limit: int) -> RulePage:
        self._check()
        return self._page([rule for rule in self.rules.values() if rule.user == user], after, limit)

    def all(self, *, after: str | None, limit: int) -> RulePage:
        self._check()
        return self._page(list(self.rules.values()), after, limit)

    @staticmethod
    def _page(rules: Sequence[Rule], after: str | None, limit: int) -> RulePage:
        following = sorted((rule for rule in rules if after is None or rule.id > after), key=lambda rule: rule.id)
        page = following[:limit]
        return RulePage(page, page[-1].id if len(following) > limit else None)


class FakeAlertStates:
    """ports.AlertStates."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self.told: dict[str, list[Alert]] = defaultdict(list)

    def put(self, state: AlertState) -> None:
        self.kept[state.rule] = Kept(state)

    def load(self, rule_ids: Sequence[str]) -> Mapping[str, Kept]:
        return {rule: self.kept.get(rule, Kept(AlertState(rule=rule))) for rule in rule_ids}

    def move(self, before: AlertState, after: AlertState, unsaid: Sequence[Alert], *, new: Sequence[Alert]) -> bool:
        if self.load([before.rule])[before.rule].state.version != before.version:
            return False
        self.kept[before.rule] = Kept(after, unsaid)
        self.told[before.rule] += new
        return True

    def said(self, state: AlertState) -> None:
        if self.kept[state.rule].state.version == state.version:
            self.kept[state.rule] = Kept(self.kept[state.rule].state)

    def history(self, rule_id: str, *, after: str | None, limit: int) -> tuple[Sequence[Alert], str | None]:
        start = int(after or 0)
        newest_first = self.told[rule_id][::-1]
        return newest_first[start : start + limit], str(start + limit) if len(newest_first) > start + limit else None


class FakeRuleIndex:
    """ports.RuleIndex, as far as users' own changes go."""

    def __init__(self) -> None:
        self.indexed: dict[str, Rule] = {}

    def put(self, rules: Sequence[Rule]) -> int:
        self.indexed.update({rule.id: rule for rule in rules})
        return len(rules)

    def remove(self, rule_id: str) -> None:
        self.indexed.pop(rule_id, None)

    def rules(self, rule_ids: Sequence[str]) -> Mapping[str, Rule]:
        return {rule: self.indexed[rule] for rule in rule_ids if rule in self.indexed}


class FakeLag:
    """ports.SourceLag."""

    def __init__(self) -> None:
        self.lag: timedelta | None = None

    def least(self, delay: timedelta | None = None) -> timedelta:
        if delay is not None and (self.lag is None or delay < self.lag):
            self.lag = delay
        return self.lag or timedelta(0)


class FakeTimers:
    """ports.Timers; ``due`` is what was put, in order."""

    def __init__(self) -> None:
        self.due: list[Due] = []

    def put(self, due: Sequence[Due]) -> None:
        self.due += due

    def sweep(self) -> int:
        return 0


class FakeLife:
    """services.lifecycle, as far as a user's own deeds go; ``events`` is what it was told."""

    def __init__(self, states: FakeAlertStates) -> None:
        self._states = states
        self.events: list[tuple[Rule, Event]] = []

    def apply(self, rule: Rule, event: Event) -> bool:
        self.events.append((rule, event))
        state = self._states.load([rule.id])[rule.id].state
        match event:
            case Acknowledged():
                after = replace(state, phase="acknowledged", version=state.version + 1, cause=event.id)
            case Changed():
                phase = "armed" if rule.enabled else "ended"
                after = replace(state, phase=phase, version=state.version + 1, cause=event.id)
            case _:
                return False
        return self._states.move(state, after, [], new=[])


class FakeEndpointStore:
    """ports.EndpointStore."""

    def __init__(self, *endpoints: Endpoint) -> None:
        self.endpoints = {endpoint.id: endpoint for endpoint in endpoints}

    def create(self, endpoint: Endpoint, *, limit: int) -> bool:
        if len(self.of_user(endpoint.user)) >= limit:
            return False
        self.endpoints[endpoint.id] = endpoint
        return True

    def find(self, user: str, endpoint_id: str) -> Endpoint | None:
        endpoint = self.endpoints.get(endpoint_id)
        return endpoint if endpoint and endpoint.user == user else None

    def of_user(self, user: str) -> Sequence[Endpoint]:
        return sorted((each for each in self.endpoints.values() if each.user == user), key=lambda each: each.id)

    def replace(self, endpoint: Endpoint) -> bool:
        known = self.find(endpoint.user, endpoint.id)
        if known is None or known.revision != endpoint.revision - 1:
            return False
        self.endpoints[endpoint.id] = endpoint
        return True

    def delete(self, user: str, endpoint_id: str) -> bool:
        return self.find(user, endpoint_id) is not None and self.endpoints.pop(endpoint_id) is not None
