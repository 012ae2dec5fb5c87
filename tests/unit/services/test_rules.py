"""A user's rules: made once, changed by who read the newest, nobody else's business."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from chalicelib.domain.alerts import AlertState, Changed
from chalicelib.errors import BadRuleError, StoreDownError, TooManyRulesError, UnknownAlertError, VersionConflictError
from chalicelib.ports.endpoints import Endpoint
from tests.fake_alerts import MADE_AT
from tests.unit.services.socket_rig import SocketRig


@pytest.fixture
def rig():
    return SocketRig()


def body(**more):
    when = {"topic": "peg:usd-coin", "is": "below", "value": "0.98"}
    return json.dumps({"name": "USDC loses its peg", "when": when, **more}).encode()


def make(rig, user="ann", seed=b"1", **more):
    return rig.rules.create(body(**more), user=user, seed=seed, limit=3).rule


def change(rig, rule, *, user="ann", expected=None, **more):
    return rig.rules.change(body(**more), user=user, rule_id=rule.id, expected=expected)


def causes(rig):
    return [msgspec.json.decode(due.body)["cause"] for due in rig.timers.due]


def test_a_rule_that_was_made_is_indexed_and_looked_at_at_once(rig):
    rule = make(rig)
    assert rig.rule_index.indexed == {rule.id: rule}
    assert [(due.queue, due.at) for due in rig.timers.due] == [("alerts", rig.clock())]
    assert msgspec.json.decode(rig.timers.due[0].body)["rules"] == [rule.id]


def test_while_a_recording_is_played_a_rule_has_its_times_and_is_made_today(rig):
    rig.lag.lag = timedelta(days=1000)
    recorded = rig.clock() - rig.lag.lag
    rule = make(rig, expires_at=(recorded + timedelta(days=1)).isoformat())
    assert rule.created_at == rig.clock()
    with pytest.raises(BadRuleError, match="in the past"):
        change(rig, rule, expires_at=(recorded - timedelta(days=1)).isoformat())
    rig.rules.delete("ann", rule.id)
    assert [event.at for _, event in rig.life.events] == [recorded]


def test_of_one_seed_there_is_one_rule_as_it_was_changed_since(rig):
    changed = change(rig, make(rig), name="changed").rule
    assert make(rig) == changed
    assert rig.rule_index.indexed == {changed.id: changed}
    assert make(rig, seed=b"2").id != changed.id


def test_a_user_has_so_many_rules_and_no_more_whatever_others_have(rig):
    for seed in (b"1", b"2", b"3"):
        make(rig, "ann", seed)
    with pytest.raises(TooManyRulesError, match="3 rules"):
        make(rig, "ann", b"4")
    make(rig, "bob", b"5")
    assert len(rig.rule_index.indexed) == 4


def test_a_change_starts_the_rules_life_anew_and_has_it_looked_at(rig):
    rule = make(rig)
    rig.alert_states.put(AlertState(rule=rule.id, phase="firing", alert="al_1", version=4))
    watched = change(rig, rule, name="changed")
    assert (watched.rule.name, watched.rule.version, watched.state.phase) == ("changed", 2, "armed")
    assert rig.rule_index.indexed[rule.id] == watched.rule
    assert causes(rig) == [f"rule:{rule.id}:1", f"rule:{rule.id}:2"]


def test_of_two_changes_of_one_version_the_second_is_refused_and_changes_nothing(rig):
    rule = make(rig)
    change(rig, rule, expected=1, name="first")
    with pytest.raises(VersionConflictError, match="version 2, not 1"):
        change(rig, rule, expected=1, name="second")
    assert rig.rule_index.indexed[rule.id].name == "first"
    assert len(rig.life.events) == 1


def test_of_two_changes_at_once_the_slower_is_refused(rig, monkeypatch):
    rule = make(rig)
    monkeypatch.setattr(rig.rule_store, "replace", lambda rule: False)
    with pytest.raises(VersionConflictError, match="meanwhile"):
        change(rig, rule, name="second")
    assert rig.life.events == []


def test_a_rule_that_is_deleted_is_ended_and_indexed_no_longer(rig):
    rule = make(rig)
    rig.rules.delete("ann", rule.id)
    (ended, event) = rig.life.events[0]
    assert (ended.enabled, ended.version, type(event)) == (False, 2, Changed)
    assert (rig.rule_store.rules, rig.rule_index.indexed) == ({}, {})
    with pytest.raises(UnknownAlertError):
        rig.rules.delete("ann", rule.id)


@pytest.mark.parametrize(
    "deed",
    [
        lambda rules, id: rules.find("bob", id),
        lambda rules, id: rules.change(body(), user="bob", rule_id=id, expected=None),
        lambda rules, id: rules.delete("bob", id),
        lambda rules, id: rules.history("bob", id, after=None, limit=10),
        lambda rules, id: rules.acknowledge("bob", id, "al_1"),
    ],
)
def test_anothers_rule_is_as_one_that_is_not_there(rig, deed):
    rule = make(rig)
    with pytest.raises(UnknownAlertError):
        deed(rig.rules, rule.id)
    assert (rig.life.events, rig.rule_store.rules) == ([], {rule.id: rule})


def test_pages_of_rules_tell_each_once_with_its_state(rig):
    ids = sorted(make(rig, "ann", seed).id for seed in (b"1", b"2", b"3"))
    rig.alert_states.put(AlertState(rule=ids[2], phase="firing", alert="al_1", version=1))
    first, after = rig.rules.page("ann", after=None, limit=2)
    rest, end = rig.rules.page("ann", after=after, limit=2)
    told = [(each.rule.id, each.state.phase) for each in [*first, *rest]]
    assert told == [(ids[0], "armed"), (ids[1], "armed"), (ids[2], "firing")]
    assert end is None
    assert rig.rules.page("nobody", after=None, limit=2) == ([], None)


def test_a_step_leads_to_an_endpoint_of_ones_own_of_the_steps_kind(rig):
    mine = Endpoint(id="en_1", user="ann", kind="webhook", address="https://a.example", secrets=(), created_at=MADE_AT)
    for endpoint in (mine, replace(mine, id="en_2", user="bob")):
        rig.endpoints.create(endpoint, limit=9)
    rule = make(rig, notify=[{"channel": "socket"}, {"channel": "webhook", "endpoint": "en_1"}])
    for channel, endpoint in (("webhook", "en_2"), ("email", "en_1"), ("webhook", "en_3")):
        steps = [{"channel": "socket"}, {"channel": channel, "endpoint": endpoint}]
        for deed in (lambda: make(rig, seed=b"2", notify=steps), lambda: change(rig, rule, notify=steps)):  # noqa: B023
            with pytest.raises(BadRuleError) as refused:
                deed()
            assert refused.value.pointer == "/notify/1/endpoint"
    assert rig.rule_store.rules == {rule.id: rule}


def test_while_the_store_is_down_nothing_is_indexed(rig):
    rig.rule_store.is_down = True
    with pytest.raises(StoreDownError):
        make(rig)
    assert (rig.rule_index.indexed, rig.timers.due) == ({}, [])
