"""Rules over a recording of years ago that is played fast, and over a source that is seconds late: on a real Redis."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.domain.observations import Observation
from chalicelib.domain.rules import Compared, Rule, Stale, Step
from tests.fake_alerts import rule_of
from tests.functional.rules_world import RulesWorld, bodies, seen
from tests.functions_user import as_functions_user
from tests.recorded import usdc_depeg

TODAY = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
THEN = datetime(2023, 3, 11, 0, 0, tzinfo=UTC)
SPEED = 600  # ten minutes a second
LATE = timedelta(seconds=30)


@pytest.fixture
def url(redis_url: str) -> str:
    return as_functions_user(redis_url)


@pytest.fixture
def played(url: str) -> RulesWorld:
    return RulesWorld(url, TODAY, speed=SPEED)


def then(minute: int) -> datetime:
    return THEN + timedelta(minutes=minute)


def recording(*values: tuple[int, str], topic: str = "price:a") -> list[Observation]:
    return [seen(topic, value, then(minute)) for minute, value in values]


def merged(*recordings: Iterable[Observation]) -> list[Observation]:
    return sorted((each for one in recordings for each in one), key=lambda each: each.observed_at)


def above_5(**more: Any) -> Rule:
    return rule_of("u", when=Compared("price:a", "above", Decimal(5)), **more)


DEPEG = Compared("peg:usd-coin", "below", Decimal("0.98"), margin=Decimal("0.01"))
FIRED = datetime(2023, 3, 11, 3, 25, 23, tzinfo=UTC)


def depeg() -> list[Observation]:
    return [seen(each.topic, each.value, each.at) for each in usdc_depeg()]


def test_the_recorded_collapse_of_usdc_fires_once_at_its_own_time(url):
    world = RulesWorld(url, TODAY, speed=10 * SPEED)
    world.make(rule_of("u", when=DEPEG, for_s=300))
    world.play(depeg())
    assert world.heard.of("ru_1") == [("firing", FIRED)]


def test_an_alert_of_a_recording_comes_when_the_recording_has_got_there(played):
    """And not when its five minutes have passed by our clock: the recording would be two days on by then."""
    played.make(rule_of("u", when=DEPEG, for_s=300))
    played.play([each for each in depeg() if THEN < each.observed_at < FIRED - timedelta(seconds=1)])
    assert played.heard.of("ru_1") == []
    played.play([seen("price:other", "1", FIRED + timedelta(minutes=minute)) for minute in (0, 20)])
    assert played.heard.of("ru_1") == [("firing", FIRED)]


def test_a_cool_down_is_over_at_the_recordings_time(played):
    played.make(above_5(cooldown_s=3600))
    others = recording(*((minute, "1") for minute in range(0, 100, 10)), topic="price:b")
    played.play(merged(recording((0, "6"), (10, "4"), (20, "6")), others))
    assert played.heard.of("ru_1") == [("firing", then(0)), ("resolved", then(10)), ("firing", then(60))]


def test_a_topic_of_a_recording_is_stale_when_others_have_gone_on_without_it(played):
    others = recording(*((minute, "1") for minute in range(0, 130, 10)), topic="price:b")
    played.play(recording((0, "1")))
    played.make(rule_of("u", when=Stale("price:a", 1800)))
    played.play(merged(recording((10, "1"), (120, "1")), others))
    looked_for = then(40) + timedelta(seconds=1)  # by the sweep that follows
    assert played.heard.of("ru_1") == [("firing", looked_for), ("resolved", then(120))]


def test_what_we_measure_ourselves_is_judged_in_the_recordings_time(played):
    """Our clock shows 2026 when it is measured."""
    played.make(rule_of("u", when=Compared("feed:prices", "above", Decimal(5)), for_s=1200))
    played.play(recording((0, "1")))
    played.worker.run(*bodies(seen("feed:prices", "6", TODAY)))
    played.play(recording(*((minute, "1") for minute in range(0, 40, 10))))
    assert played.heard.of("ru_1") == [("firing", then(20))]


def test_a_rule_that_is_changed_ends_its_alert_at_the_recordings_time(played):
    rule = above_5()
    played.make(rule)
    played.play(recording((0, "6"), (10, "7")))
    played.change(rule)
    assert played.heard.of("ru_1") == [("firing", then(0)), ("resolved", then(10))]


def test_a_rule_expires_at_the_recordings_time(played):
    played.make(above_5(expires_at=then(30)))
    played.play(merged(recording((0, "6")), recording(*((each, "1") for each in (0, 10, 20, 50, 60)), topic="price:b")))
    assert played.heard.of("ru_1") == [("firing", then(0)), ("resolved", then(30))]


def test_the_next_step_is_told_after_its_time_by_our_clock(played):
    steps = (Step("socket"), Step("webhook", "en_1"), Step("email", "en_2", after_s=600))
    played.make(above_5(notify=steps))
    played.play(recording((0, "6")))
    told = [due.at for due in played.timers.due if due.queue == "notifications"]
    assert told == [played.clock(), played.clock() + timedelta(minutes=10)]


def test_a_source_that_is_late_has_its_rules_fire_as_much_later(url):
    """As on AWS: five minutes after what set it off was made, when whatever was made meanwhile has come."""
    world = RulesWorld(url, TODAY)
    world.make(above_5(for_s=300))
    world.worker.run(*bodies(seen("price:a", "6", TODAY - LATE)))
    world.wait(TODAY + timedelta(seconds=300), inclusive=False)
    assert world.heard.of("ru_1") == []
    world.wait(TODAY + timedelta(seconds=300))
    assert world.heard.of("ru_1") == [("firing", TODAY - LATE + timedelta(seconds=300))]


def test_a_source_that_falls_silent_is_noticed_by_our_clock(url):
    world = RulesWorld(url, TODAY)
    world.worker.run(*bodies(seen("price:a", "6", TODAY - LATE)))
    world.make(rule_of("u", when=Stale("price:a", 600)))
    world.wait(TODAY + timedelta(seconds=600), inclusive=False)
    assert world.heard.of("ru_1") == []
    world.wait(TODAY + timedelta(seconds=600))
    assert world.heard.of("ru_1") == [("firing", TODAY - LATE + timedelta(seconds=600))]
