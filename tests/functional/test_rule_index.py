"""The index of rules on a real Redis: what a move selects, what is handed on, what is rebuilt and mended."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import redis as driver

from chalicelib.adapters.redis import rules as adapter
from chalicelib.domain.rules import All, AnyOf, Compared, Not, Rule, Stale
from chalicelib.protocol.evaluation import decode_evaluation
from chalicelib.protocol.signals import RecheckMessage
from chalicelib.services import evaluate, rule_index
from tests.functional.rules_world import RulesWorld, Worker, bodies, seen
from tests.functions_user import as_functions_user

START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


@pytest.fixture
def url(redis_url: str) -> str:
    return as_functions_user(redis_url)


@pytest.fixture
def world(url: str) -> RulesWorld:
    return RulesWorld(url, START)


def above(number: int, bound: str | Decimal, *, topic: str = "price:a", user: str = "u", **more: Any) -> Rule:
    when = Compared(topic, "above", Decimal(bound), margin=more.pop("margin", Decimal(0)))
    rule = {"id": f"ru_{number}", "user": user, "name": "n", "when": when, "created_at": START, "updated_at": START}
    return Rule(**{**rule, **more})


def touched(world: RulesWorld, value: str, topic: str = "price:a") -> set[str]:
    """The rules that a value of this second selects; it becomes the newest."""
    world.clock.forward(seconds=1)
    selected = world.worker.index.select([seen(topic, value, world.clock())])
    world.worker.index.advance(selected.touched)
    return set(selected.touched[0].rules)


# --- selection --------------------------------------------------------------------------------------


def test_a_first_sight_selects_all_rules_of_its_topic(world):
    world.make(above(1, 10), above(2, 20), above(3, 10, topic="price:b"))
    assert touched(world, "1") == {"ru_1", "ru_2"}


def test_a_move_selects_the_rules_that_it_crosses_and_no_other(world):
    world.make(*(above(number, number) for number in range(100)))
    touched(world, "10.5")
    assert touched(world, "13.5") == {"ru_11", "ru_12", "ru_13"}
    assert touched(world, "12.5") == {"ru_13"}
    assert touched(world, "12.6") == set()
    assert touched(world, "12.6") == set()


def test_a_move_to_from_and_over_the_edge_of_a_margin_selects_too(world):
    world.make(above(1, 10, margin=Decimal(2)))
    touched(world, "9")
    assert touched(world, "8") == {"ru_1"}
    assert touched(world, "7") == {"ru_1"}
    assert touched(world, "6") == set()


def test_figures_that_are_one_double_are_told_apart(world):
    """The bound and both values round to the same double: the rule is selected, and decimals decide."""
    low, bound, high = (Decimal("1.00000000000000000001") + Decimal(n) * Decimal("1E-20") for n in (0, 1, 2))
    world.observe("price:a", low)
    world.make(above(1, bound))
    world.settle()
    assert world.heard.of("ru_1") == []
    world.observe("price:a", high, START + timedelta(seconds=1))
    assert [state for state, _ in world.heard.of("ru_1")] == ["firing"]


def test_a_nested_rule_is_selected_by_each_of_its_topics(world):
    parts = (Compared("price:a", "above", Decimal(5)), Not(Compared("peg:b", "below", Decimal("0.98"))))
    world.make(above(1, 0, when=AnyOf((All(parts), Stale("feed:prices", 600)))))
    for topic in ("price:a", "peg:b", "feed:prices"):
        touched(world, "1", topic)
    assert touched(world, "6") == {"ru_1"}
    assert touched(world, "0.9", "peg:b") == {"ru_1"}
    world.clock.forward(seconds=600)
    assert touched(world, "2", "feed:prices") == {"ru_1"}


def test_an_older_observation_and_a_repeated_one_select_nothing(world):
    world.make(above(1, 10))
    touched(world, "1")
    again = seen("price:a", "1", world.clock())
    older = seen("price:a", "11", world.clock() - timedelta(seconds=1))
    assert world.worker.index.select([again]).touched == []
    assert world.worker.index.select([older]).touched == []


def test_a_move_that_crosses_more_than_a_page_selects_all_of_them(world, monkeypatch):
    monkeypatch.setattr(adapter, "MEMBERS_PER_PAGE", 3)
    world.make(*(above(number, 10) for number in range(10)), *(above(100 + number, number) for number in range(5)))
    touched(world, "-1")
    assert len(touched(world, "20")) == 15


def test_a_page_whose_place_is_lost_is_begun_again(world, monkeypatch):
    """Somebody removes a rule while a long list is read."""
    monkeypatch.setattr(adapter, "MEMBERS_PER_PAGE", 2)
    world.make(*(above(number, 10) for number in range(6)))
    touched(world, "-1")
    index = world.worker.index
    members = index._all("rules:price:a|0|value", "-inf", "+inf", index._page("rules:price:a|0|value", "-inf", "+inf"))
    first = [next(members), next(members)]
    for member in first:
        index.remove(member.split("|")[0])
    assert {member.split("|")[0] for member in members} == {f"ru_{number}" for number in range(2, 6)}


def test_the_newest_version_of_a_rule_counts_whatever_comes_later(world):
    world.make(above(1, 10))
    newer = above(1, 20, version=2)
    assert world.worker.index.put([newer]) == 1
    assert world.worker.index.put([above(1, 10)]) == 0
    touched(world, "1")
    assert touched(world, "15") == set()
    assert touched(world, "25") == {"ru_1"}
    assert world.worker.index.rules(["ru_1"]) == {"ru_1": newer}


def test_what_is_removed_disabled_or_retired_is_selected_no_longer(world):
    world.make(*(above(number, 10) for number in range(3)))
    world.worker.index.remove("ru_0")
    world.worker.index.put([above(1, 10, version=2, enabled=False)])
    world.worker.index.retire([above(2, 10)])
    assert touched(world, "1") == set()
    assert set(world.worker.index.rules(["ru_0", "ru_1", "ru_2"])) == {"ru_1", "ru_2"}


def test_a_rule_that_was_deleted_does_not_come_back_by_a_rebuild_that_read_it_before(world):
    world.make(above(1, 10))
    world.worker.index.remove("ru_1")
    assert world.worker.index.put([above(1, 10)]) == 0


def test_a_rule_that_has_ended_is_not_selected_again(world):
    world.observe("price:a", "1")
    world.make(above(1, 10, once=True))
    for second, value in enumerate(("11", "9"), 1):
        world.observe("price:a", value, START + timedelta(seconds=second))
    assert [state for state, _ in world.heard.of("ru_1")] == ["firing", "resolved"]
    world.clock.forward(seconds=1)
    assert touched(world, "11") == set()


def test_a_coin_that_only_a_rule_is_about_is_polled(world, url):
    from chalicelib.adapters.redis.ingest import RedisIngestStore

    world.make(above(1, 10, topic="price:base:0xabc"), above(2, 10, topic="price:ethereum"))
    coins = RedisIngestStore(world.redis, now=world.clock)
    assert coins.wanted_coins() == ["base:0xabc"]
    world.worker.index.remove("ru_1")
    assert coins.wanted_coins() == []


# --- many rules -------------------------------------------------------------------------------------


def rechecks(world: RulesWorld) -> list[RecheckMessage]:
    signals = [decode_evaluation(due.body) for due in world.timers.due if due.queue == "alerts"]
    return [signal for signal in signals if isinstance(signal, RecheckMessage)]


def crossing(number: int, user: str) -> Rule:
    return above(number, 0, user=user, when=Compared("price:a", "crosses_up", Decimal(10)))


def test_a_move_that_touches_many_rules_hands_the_rest_on_and_all_fire_once(world):
    """Crossings too, which later figures do not show; each user has his turn in the first message."""
    crowd = [crossing(number, "crowd") for number in range(300)]
    others = [crossing(1000 + number, f"user-{number}") for number in range(30)]
    world.observe("price:a", "1")
    world.make(*crowd, *others)
    world.settle()
    report = world.observe("price:a", "11", START + timedelta(seconds=1))
    assert (report.touched, report.handed_on) == (330, 200)
    fired = {alert.rule for alert in world.heard.published}
    assert {rule.id for rule in others} <= fired
    assert {len(recheck.rules) for recheck in rechecks(world)} == {100}
    world.observe("price:a", "9", START + timedelta(seconds=2))  # the figure goes back before they are looked at
    world.settle()
    at = START + timedelta(seconds=1)
    for rule in [*crowd, *others]:
        told = world.heard.of(rule.id)
        assert [state for state, _ in told] == ["firing", "resolved"], rule.id
        assert told[0] == ("firing", at)


def test_topics_that_move_at_once_share_what_one_turn_judges(world, monkeypatch):
    """A crash moves them all: the function that judges has thirty seconds, however many rules there are."""
    monkeypatch.setattr(evaluate, "AT_ONCE_OF_ALL", 10)
    topics = [f"price:coin{number}" for number in range(5)]
    rules = [
        above(4 * place + number, 0, user=f"user-{number}", when=Compared(topic, "crosses_up", Decimal(10)))
        for place, topic in enumerate(topics)
        for number in range(4)
    ]
    for topic in topics:
        world.observe(topic, "1")
    world.make(*rules)
    world.settle()
    at = world.clock.at = START + timedelta(seconds=1)
    report = world.worker.run(*bodies(*(seen(topic, "11", at) for topic in topics)))
    assert (report.touched, report.handed_on) == (20, 10)
    world.settle()
    assert all(world.heard.of(rule.id) == [("firing", at)] for rule in rules)


def test_what_is_handed_on_twice_tells_nothing_twice(world):
    world.observe("price:a", "1")
    world.make(*(crossing(number, "crowd") for number in range(150)))
    world.settle()
    world.observe("price:a", "11", START + timedelta(seconds=1))
    world.timers.due += list(world.timers.due)
    world.observe("price:a", "9", START + timedelta(seconds=2))
    world.settle()
    assert len(world.heard.published) == len(world.heard.alerts) == 300


# --- silence ----------------------------------------------------------------------------------------


def test_silence_is_found_by_the_sweep_each_rule_in_its_time(world):
    world.observe("feed:prices", "1")
    world.make(*(above(number, 0, when=Stale("feed:prices", 60 * number)) for number in (2, 5)))
    world.settle()
    world.wait(START + timedelta(minutes=6))
    assert world.heard.of("ru_2") == [("firing", START + timedelta(minutes=2))]
    assert world.heard.of("ru_5") == [("firing", START + timedelta(minutes=5))]
    world.observe("feed:prices", "1", START + timedelta(minutes=7))
    assert world.heard.of("ru_2")[1:] == [("resolved", START + timedelta(minutes=7))]


def test_a_topic_that_was_never_seen_is_silent_since_somebody_waits_for_it(world):
    """So a feed that is dead stays one after a flush of Redis."""
    world.make(above(1, 0, when=Stale("feed:prices", 600)))
    world.settle()
    world.wait(START + timedelta(minutes=20))
    assert world.heard.of("ru_1") == [("firing", START + timedelta(minutes=10))]


# --- rebuilding and mending -------------------------------------------------------------------------


def test_after_a_flush_nothing_is_lost_and_nothing_is_told_again(world, redis_url):
    """One alert was on, one rule was waiting; both go on."""
    world.observe("price:a", "11")
    world.make(above(1, 10), above(2, 20))
    world.settle()
    with driver.Redis.from_url(redis_url) as admin:
        admin.flushall()
    as_functions_user(redis_url)
    world.observe("price:a", "21", START + timedelta(seconds=1))
    assert [state for state, _ in world.heard.of("ru_1")] == ["firing"]
    assert [state for state, _ in world.heard.of("ru_2")] == ["firing"]
    assert len(world.heard.published) == 2


def test_a_rebuild_goes_on_where_another_worker_stopped(world, redis_url, monkeypatch):
    monkeypatch.setattr(rule_index, "PAGE", 10)
    world.make(*(above(number, 10) for number in range(95)))
    with driver.Redis.from_url(redis_url) as admin:
        admin.flushall()
    hasty = Worker(world)
    hasty.keeper._budget = timedelta(seconds=-1)  # one page, and no time is left
    world.clock.forward(seconds=1)
    assert [hasty.keeper.rebuild() for _ in range(9)] == [False] * 9
    assert hasty.run(*bodies(seen("price:a", "1", world.clock()))).failed == {}
    assert len(touched(world, "11")) == 95


def test_until_the_index_is_whole_nothing_is_evaluated(world, redis_url, monkeypatch):
    monkeypatch.setattr(rule_index, "PAGE", 10)
    world.make(*(above(number, 10) for number in range(95)))
    with driver.Redis.from_url(redis_url) as admin:
        admin.flushall()
    hasty = Worker(world)
    hasty.keeper._budget = timedelta(seconds=-1)
    assert hasty.run(*bodies(seen("price:a", "1", world.clock()))).failed == {"m0": 1}


def test_the_sweep_mends_what_the_index_lacks_has_too_old_or_too_long(world):
    """And looks at what moved meanwhile."""
    world.observe("price:a", "11")
    for rule in (above(1, 10), above(2, 10)):
        world.store.create(rule, limit=9)
    world.worker.index.put([above(2, 99), above(3, 10)])
    assert world.store.replace(above(2, 10, version=2))
    mended = sum(world.worker.keeper.sweep() for _ in range(3))
    world.settle()
    assert mended == 3
    assert [state for state, _ in world.heard.of("ru_1")] == ["firing"]
    assert [state for state, _ in world.heard.of("ru_2")] == ["firing"]
    assert world.worker.index.rules(["ru_3"]) == {}


def test_a_sweep_without_anything_wrong_mends_nothing(world):
    world.make(*(above(number, 10) for number in range(70)))
    assert [world.worker.keeper.sweep() for _ in range(4)] == [0, 0, 0, 0]


# --- changes and timers -----------------------------------------------------------------------------


def test_a_rule_that_is_changed_ends_its_alert_and_begins_anew(world):
    world.observe("price:a", "11")
    rule = above(1, 10)
    world.make(rule)
    world.settle()
    world.clock.forward(seconds=5)
    world.change(replace(rule, when=Compared("price:a", "above", Decimal(5))))
    world.settle()
    assert [state for state, _ in world.heard.of("ru_1")] == ["firing", "resolved", "firing"]
    assert len({alert.id for alert in world.heard.published}) == 2


def test_a_timer_whose_state_is_not_written_yet_comes_again(world):
    """Timers are put before states: one that is due at once may overtake its own."""
    world.make(above(1, 10, for_s=60))
    world.settle()
    world.observe("price:a", "11", START + timedelta(seconds=1))
    kept = world.states.kept.pop("ru_1")
    (due,) = [due for due in world.timers.due if due.queue == "alerts"]
    world.clock.at = due.at
    assert world.worker.run(due.body).failed == {"m0": 1}
    world.states.kept["ru_1"] = kept
    assert not world.worker.run(due.body).failed
    assert world.heard.of("ru_1") == [("firing", START + timedelta(seconds=61))]


def test_a_timer_of_a_state_that_never_came_is_given_up(world):
    world.make(above(1, 10, for_s=60))
    world.settle()
    world.observe("price:a", "11", START + timedelta(seconds=1))
    world.states.kept.pop("ru_1")
    (due,) = [due for due in world.timers.due if due.queue == "alerts"]
    world.clock.at = due.at
    assert not world.worker.run(due.body, receives=5).failed


def test_what_cannot_be_read_is_buried_with_its_reason_and_alone(world):
    world.make(above(1, 10))
    world.settle()
    report = world.worker.run(b'{"type":"unheard of"}', *bodies(seen("price:a", "11", START)))
    assert report.failed == {}
    ((body, reason, message_id),) = world.worker.dead_letters.buried
    assert (msgspec.json.decode(body), message_id) == ('{"type":"unheard of"}', "m0")
    assert "unheard of" in reason
    assert [state for state, _ in world.heard.of("ru_1")] == ["firing"]


def test_what_cannot_be_buried_either_comes_again_later_and_later(world):
    world.worker.dead_letters.down = True
    assert world.worker.run(b"not JSON").failed == {"m0": 1}
    assert world.worker.run(b"not JSON", receives=4).failed == {"m0": 8}


def test_a_rule_that_cannot_be_read_stops_no_other(world):
    world.make(above(1, 10), above(2, 10))
    world.settle()
    world.redis.call(lambda client: client.hset("rule:ru_1", "body", '{"when":{"type":"of another release"}}'))
    world.observe("price:a", "11", START + timedelta(seconds=1))
    assert [state for state, _ in world.heard.of("ru_2")] == ["firing"]
