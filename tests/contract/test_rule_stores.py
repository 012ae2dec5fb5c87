"""ports.RuleStore and ports.AlertStates: the fakes, and DynamoDB made from our template."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.adapters.rules import DynamoRuleStore
from chalicelib.adapters.states import DynamoAlertStates
from chalicelib.adapters.table import Table
from chalicelib.domain.alerts import Alert, AlertState, Judged
from chalicelib.domain.rules import All, AnyOf, Compared, Not, Rule, Stale, Step
from chalicelib.errors import StoreDownError
from chalicelib.ports.alerts import AlertStates, Kept, RuleStore
from chalicelib.services.event_clock import EventClock
from chalicelib.services.lifecycle import Lifecycle
from tests.fake_alerts import FakeAlertStates, FakeLag, FakeRuleStore, FakeTimers, rule_of
from tests.functional.rules_world import Heard

AT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


@dataclass
class Stores:
    rules: RuleStore
    states: AlertStates


@pytest.fixture(params=["fake", "dynamodb"])
def stores(request: pytest.FixtureRequest) -> Stores:
    if request.param == "fake":
        return Stores(FakeRuleStore(), FakeAlertStates())
    return on_dynamodb(request.getfixturevalue("ministack"))


def on_dynamodb(stack: Any) -> Stores:
    client = stack.aws.client("dynamodb")
    alerts, deliveries = (Table(client, stack.outputs[name]) for name in ("AlertsTable", "DeliveriesTable"))
    return Stores(DynamoRuleStore(alerts, now=lambda: AT), DynamoAlertStates(alerts, deliveries))


@pytest.fixture
def user() -> str:
    return f"user-{uuid.uuid4()}"


def rule(user: str, number: int = 1, **more: Any) -> Rule:
    return rule_of(user, f"{user}-{number}", **more)


def ids(rules: Any) -> list[str]:
    return [each.id for each in rules]


# --- rules ------------------------------------------------------------------------------------------


def test_a_rule_comes_back_as_it_was(stores, user):
    """Every kind of condition, every figure to its last digit."""
    price = Compared("price:a", "crosses_up", Decimal("0.10000000000000000000000001"), margin=Decimal("1E-30"))
    change = Compared("tvl:b", "below", Decimal(-5), "change_pct", 3600)
    made = rule(
        user,
        when=All((price, AnyOf((change, Not(Stale("feed:prices", 600)))))),
        for_s=300,
        cooldown_s=60,
        muted_until=AT,
        expires_at=AT + timedelta(days=1),
        notify=(Step("socket"), Step("webhook", "en_1", 600)),
    )
    assert stores.rules.create(made, limit=5)
    assert stores.rules.find(user, made.id) == made


def test_another_user_does_not_find_it(stores, user):
    stores.rules.create(rule(user), limit=5)
    assert stores.rules.find("somebody else", rule(user).id) is None
    assert not stores.rules.delete("somebody else", rule(user).id)


def test_a_user_has_no_more_rules_than_the_limit(stores, user):
    assert [stores.rules.create(rule(user, number), limit=2) for number in range(3)] == [True, True, False]
    assert stores.rules.delete(user, rule(user, 0).id)
    assert stores.rules.create(rule(user, 3), limit=2)


def test_a_rule_made_twice_is_made_once_even_at_the_limit(stores, user):
    made = rule(user)
    assert stores.rules.create(made, limit=1)
    assert stores.rules.create(replace(made, name="another"), limit=1)
    assert stores.rules.find(user, made.id) == made


def test_only_the_next_version_takes_the_place_of_a_rule(stores, user):
    made = rule(user)
    stores.rules.create(made, limit=5)
    second = replace(made, version=2, name="second")
    assert stores.rules.replace(second)
    assert not stores.rules.replace(replace(second, name="too late"))
    assert not stores.rules.replace(replace(second, version=4))
    assert stores.rules.find(user, made.id) == second


def test_a_rule_that_is_not_there_is_neither_replaced_nor_deleted(stores, user):
    assert not stores.rules.replace(rule(user, version=2))
    assert not stores.rules.delete(user, rule(user).id)


def test_a_users_rules_come_by_pages(stores, user):
    for number in range(5):
        stores.rules.create(rule(user, number), limit=9)
    first = stores.rules.of_user(user, after=None, limit=2)
    second = stores.rules.of_user(user, after=first.next, limit=2)
    third = stores.rules.of_user(user, after=second.next, limit=2)
    assert ids([*first.rules, *second.rules, *third.rules]) == [rule(user, number).id for number in range(5)]
    assert third.next is None
    assert stores.rules.of_user(user, after=None, limit=5).next is None


def test_all_rules_come_by_pages_whoever_they_belong_to(stores, user):
    """Among what else is in the table."""
    wanted = {rule(f"{user}{number}").id for number in range(7)}
    for number in range(7):
        stores.rules.create(rule(f"{user}{number}"), limit=9)
        before = AlertState(rule=rule(f"{user}{number}").id)
        stores.states.move(before, replace(before, version=1), [], new=[])
    found, after = set(), None
    while True:
        page = stores.rules.all(after=after, limit=3)
        found |= {each.id for each in page.rules}
        after = page.next
        if after is None:
            break
    assert wanted <= found


# --- states -----------------------------------------------------------------------------------------


def firing(rule_id: str, **more: Any) -> AlertState:
    figures = {"topic": "price:a", "value": Decimal("1.10"), "fired_at": AT, "due": AT + timedelta(hours=1)}
    state = AlertState(rule=rule_id, phase="firing", version=1, rule_version=1, cause="o1", since=AT, alert="al_1")
    return replace(state, **{**figures, **more})


def alert(rule_id: str, state: Any = "firing", at: datetime = AT, name: str = "al_1") -> Alert:
    told = {"name": "n", "topic": "price:a", "value": Decimal("1.10"), "condition": "value > 1", "fired_at": AT}
    return Alert(id=name, rule=rule_id, user="u", state=state, at=at, **told)


def test_a_rule_that_never_moved_is_armed(stores, user):
    assert stores.states.load([user]) == {user: Kept(AlertState(rule=user))}


def test_a_state_comes_back_with_what_is_unsaid(stores, user):
    told = [alert(user)]
    assert stores.states.move(AlertState(rule=user), firing(user), told, new=told)
    kept = stores.states.load([user])[user]
    assert (kept.state, list(kept.unsaid)) == (firing(user), told)


def test_of_two_moves_from_one_state_one_is_made(stores, user):
    """And only its alerts are in the history."""
    first, second = alert(user), alert(user, name="al_2")
    assert stores.states.move(AlertState(rule=user), firing(user), [first], new=[first])
    assert not stores.states.move(AlertState(rule=user), firing(user, alert="al_2"), [second], new=[second])
    assert stores.states.load([user])[user].state.alert == "al_1"
    assert stores.states.history(user, after=None, limit=9) == ([first], None)


def test_what_was_said_is_unsaid_no_longer(stores, user):
    stores.states.move(AlertState(rule=user), firing(user), [alert(user)], new=[alert(user)])
    stores.states.said(firing(user))
    assert list(stores.states.load([user])[user].unsaid) == []


def test_who_says_late_takes_nothing_away_from_the_next_transition(stores, user):
    stores.states.move(AlertState(rule=user), firing(user), [alert(user)], new=[alert(user)])
    later = replace(firing(user), version=2, phase="armed")
    both = [alert(user), alert(user, "resolved")]
    assert stores.states.move(firing(user), later, both, new=both[1:])
    stores.states.said(firing(user))
    assert list(stores.states.load([user])[user].unsaid) == both


def test_many_states_are_read_at_once(stores, user):
    """More than BatchGetItem takes, some of them twice."""
    names = [f"{user}-{number}" for number in range(130)]
    for name in names[:3]:
        stores.states.move(AlertState(rule=name), firing(name), [], new=[])
    kept = stores.states.load([*names, names[0]])
    assert {name for name in names if kept[name].state.version} == set(names[:3])


def test_the_history_is_read_newest_first_and_by_pages(stores, user):
    state, told = AlertState(rule=user), []
    for number in range(3):
        at = AT + timedelta(minutes=number)
        new = [alert(user, "firing", at, f"al_{number}"), alert(user, "resolved", at, f"al_{number}")]
        after = replace(state, version=state.version + 1)
        assert stores.states.move(state, after, [], new=new)
        state, told = after, told + new
    first, following = stores.states.history(user, after=None, limit=4)
    second, end = stores.states.history(user, after=following, limit=4)
    assert ([*first, *second], end) == (told[::-1], None)


def test_a_rule_that_was_deleted_does_not_fire_for_a_worker_that_still_has_it(ministack, user):
    """Only of DynamoDB: the fakes keep rules and states apart."""
    stores, made = on_dynamodb(ministack), rule(user)
    heard, clock = Heard(), EventClock(FakeLag(), now=lambda: AT)
    life = Lifecycle(states=stores.states, timers=FakeTimers(), stream=heard, clock=clock, now=lambda: AT)
    stores.rules.create(made, limit=5)
    assert stores.rules.delete(user, made.id)
    assert not life.apply(made, Judged(id="o1", at=AT, holds=True, lingers=True, topic="peg:usd-coin"))
    assert heard.alerts == {}


def test_a_rule_that_is_made_again_lives_again(ministack, user):
    """By a request that is repeated a day after: it has the same id."""
    stores = on_dynamodb(ministack)
    stores.rules.create(rule(user), limit=5)
    stores.rules.delete(user, rule(user).id)
    assert stores.rules.create(rule(user), limit=5)
    assert stores.states.load([rule(user).id])[rule(user).id] == Kept(AlertState(rule=rule(user).id))


def test_a_table_that_is_not_there_is_a_store_that_is_down(ministack, user):
    nowhere = Table(ministack.aws.client("dynamodb"), "never-made")
    states = DynamoAlertStates(nowhere, nowhere)
    for ask in (
        lambda: states.load([user]),
        lambda: states.move(AlertState(rule=user), firing(user), [], new=[]),
        lambda: states.history(user, after=None, limit=1),
        lambda: DynamoRuleStore(nowhere, now=lambda: AT).create(rule(user), limit=1),
        lambda: DynamoRuleStore(nowhere, now=lambda: AT).all(after=None, limit=1),
    ):
        with pytest.raises(StoreDownError, match="ResourceNotFoundException"):
            ask()
