"""A rule tried on the history that is kept."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from chalicelib.domain.observations import Observation
from chalicelib.errors import BadRuleError
from chalicelib.services.dry_run import DryRun
from tests.fake_history import FakeHistory
from tests.fakes import FakeClock
from tests.recorded import usdc_depeg

START = datetime(2023, 3, 10, tzinfo=UTC)
PEG = {"topic": "peg:usd-coin", "is": "below", "value": "0.98"}
DAYS = {"from": "2023-03-10T00:00:00Z", "to": "2023-03-12T09:00:00Z"}


@pytest.fixture
def history():
    return FakeHistory()


@pytest.fixture
def dry_run(history):
    clock = FakeClock(at=usdc_depeg()[-1].at + timedelta(hours=1))
    return lambda when, monotonic=lambda: 0.0, span=DAYS, **more: DryRun(
        reader=history, now=clock, months=61, fine_months=4, monotonic=monotonic
    ).run(json.dumps({"rule": {"name": "n", "when": when, **more}, **span}).encode(), user="ann")


def remember(history, seen):
    history.record([Observation(f"{each.at}", each.topic, each.value, each.at) for each in seen])


def quiet(history, start, count, step, topic="price:a"):
    history.record(
        [Observation(f"{topic} {index}", topic, Decimal(1 + index % 2), start + index * step) for index in range(count)]
    )


def test_the_depeg_would_have_fired_once(history, dry_run):
    remember(history, usdc_depeg())
    answer = dry_run({**PEG, "margin": "0.01"}, **{"for": "5m"})
    (fired,) = answer.fired
    assert (fired.at, fired.value, fired.topic) == ("2023-03-11T03:25:23.000Z", "0.97651903", "peg:usd-coin")
    assert fired.resolved_at is None
    assert (answer.interval, answer.observations, answer.truncated) == ("raw", 290, False)


def test_an_alert_that_was_over_says_when(history, dry_run):
    remember(history, usdc_depeg())
    answer = dry_run(PEG)
    assert len(answer.fired) == 7
    assert answer.fired[0].resolved_at == "2023-03-11T20:37:23.000Z"


def test_what_was_before_the_beginning_is_known_and_crosses_nothing(history, dry_run):
    remember(history, usdc_depeg())
    during = {**DAYS, "from": "2023-03-11T12:00:00Z"}
    assert dry_run({**PEG, "value": "0.99"}, span=during).fired[0].at == "2023-03-11T12:00:00.000Z"
    assert dry_run({**PEG, "value": "0.99", "is": "crosses_down"}, span=during).fired == []


def test_a_window_reaches_back_to_before_the_beginning(history, dry_run):
    remember(history, usdc_depeg())
    fall = {**PEG, "of": "change_pct", "over": "1h", "value": "-3"}
    answer = dry_run(fall, span={**DAYS, "from": "2023-03-11T03:30:00Z"})
    assert answer.fired[0].at == "2023-03-11T03:38:47.000Z"


def test_topics_are_looked_at_together_in_the_order_of_time(history, dry_run):
    remember(history, usdc_depeg())
    remember(history, usdc_depeg("peg:dai")[-100:])
    both = dry_run({"all": [PEG, {**PEG, "topic": "peg:dai"}]})
    assert both.fired[0].topic == "peg:dai"


def test_a_rule_that_is_muted_disabled_or_about_to_expire_is_tried_all_the_same(history, dry_run):
    remember(history, usdc_depeg())
    later = "2023-03-13T00:00:00Z"
    assert len(dry_run(PEG, enabled=False, muted_until="2023-03-12T12:00:00Z", expires_at=later).fired) == 7


def test_of_too_many_observations_the_candles_are_taken(history, dry_run):
    quiet(history, START, 20_001, timedelta(seconds=10))
    answer = dry_run({"topic": "price:a", "is": "above", "value": "1.5"}, cooldown="12h")
    assert (answer.interval, answer.truncated) == ("1m", False)
    assert [fired.at[8:16] for fired in answer.fired] == ["10T00:00", "10T12:00", "11T00:00", "11T12:00", "12T00:00"]


def test_of_observations_that_are_no_longer_kept_the_candles_are_taken(history, dry_run):
    quiet(history, START - timedelta(days=1900), 40, timedelta(hours=6))
    answer = dry_run({"topic": "price:a", "is": "above", "value": "1.5"}, span={
        "from": "2017-12-20T00:00:00Z", "to": "2018-01-20T00:00:00Z",
    })  # fmt: skip
    assert answer.interval == "1h"
    assert answer.fired[0].at == "2017-12-26T06:00:00.000Z"


def test_candles_do_not_say_what_was_stale(history, dry_run):
    quiet(history, START, 20_001, timedelta(seconds=10))
    with pytest.raises(BadRuleError, match="a shorter or a later one") as error:
        dry_run({"topic": "price:a", "is": "stale", "over": "2m"}, span={**DAYS, "from": "2022-12-10T00:00:00Z"})
    assert error.value.pointer == "/from"


def test_what_takes_too_long_is_told_as_far_as_it_came(history, dry_run):
    quiet(history, START, 1200, timedelta(minutes=1))
    seconds = iter([0.0, 1.0, 2.0, 10.0])
    answer = dry_run({"topic": "price:a", "is": "above", "value": "1.5"}, monotonic=lambda: next(seconds))
    assert answer.truncated
    assert answer.to == "2023-03-10T16:39:00.000Z"
    assert answer.observations == 1000


def test_no_more_alerts_than_a_page_are_told(history, dry_run):
    quiet(history, START, 3000, timedelta(seconds=30))
    answer = dry_run({"topic": "price:a", "is": "above", "value": "1.5"})
    assert (len(answer.fired), answer.truncated) == (1000, True)


@pytest.mark.parametrize(
    ("span", "pointer"),
    [
        ({"from": "2023-03-12T00:00:00Z", "to": "2023-03-11T00:00:00Z"}, "/from"),
        ({"from": "2024-03-12T00:00:00Z"}, "/from"),
        ({"from": "2021-03-12T00:00:00Z"}, "/from"),
        ({"from": "yesterday"}, "/from"),
        ({"to": "now"}, "/to"),
    ],
)
def test_a_past_that_cannot_be_looked_at_is_refused(dry_run, span, pointer):
    with pytest.raises(BadRuleError) as error:
        dry_run(PEG, span=span)
    assert error.value.pointer == pointer


def test_a_mistake_in_the_rule_is_told_with_its_place_in_the_request(dry_run):
    with pytest.raises(BadRuleError) as error:
        dry_run({**PEG, "value": "little"})
    assert error.value.pointer == "/rule/when/value"


def test_without_a_range_the_last_week_is_looked_at(history, dry_run):
    remember(history, usdc_depeg())
    answer = dry_run(PEG, span={})
    assert (answer.from_, answer.to) == ("2023-03-05T09:49:47.000Z", "2023-03-12T09:49:47.000Z")
    assert answer.observations == 291
