"""Event time: what it is after which observations, and when it reaches a time."""

from datetime import timedelta
from decimal import Decimal

import pytest

from chalicelib.domain.observations import Observation
from chalicelib.services.event_clock import EventClock
from tests.fake_alerts import FakeLag
from tests.fakes import FakeClock

SECOND = timedelta(seconds=1)
YEARS = timedelta(days=1000)


@pytest.fixture
def ours():
    return FakeClock()


@pytest.fixture
def clock(ours):
    return EventClock(FakeLag(), now=ours)


def seen(at, topic="price:a"):
    return Observation("id", topic, Decimal(1), at)


def test_it_is_our_time_until_something_is_heard(clock, ours):
    assert clock() == ours()


def test_it_is_the_newest_observations_and_goes_on_while_none_comes(clock, ours):
    newest = ours() - 5 * SECOND
    clock.hear([seen(newest - YEARS), seen(newest)])
    ours.forward(seconds=60)
    assert clock() == newest + 60 * SECOND


def test_it_is_never_ahead_of_our_time(clock, ours):
    clock.hear([seen(ours() + 10 * SECOND)])
    assert clock() == ours()


def test_what_comes_later_than_others_does_not_take_it_back(clock, ours):
    clock.hear([seen(ours() - 5 * SECOND)])
    clock.hear([seen(ours() - YEARS)])
    assert clock() == ours() - 5 * SECOND


def test_a_recording_takes_it_forward_as_fast_as_it_is_played(clock, ours):
    begun = ours() - YEARS
    for second in range(3):
        clock.hear([seen(begun + 600 * second * SECOND)])
        assert clock() == begun + 600 * second * SECOND
        ours.forward(seconds=1)


def test_what_we_measured_is_put_to_it_and_does_not_move_it(clock, ours):
    measured = seen(ours(), "feed:prices")
    assert clock.hear([measured]) == [measured]
    heard = clock.hear([seen(ours() - YEARS), measured])
    assert [each.observed_at for each in heard] == [ours() - YEARS] * 2
    assert clock() == ours() - YEARS


@pytest.mark.parametrize(("speed", "wait_s"), [(1, 300), (600, 0.5)])
def test_it_reaches_a_time_sooner_the_faster_the_source_is(ours, speed, wait_s):
    clock = EventClock(FakeLag(), now=ours, speed=speed)
    clock.hear([seen(ours() - YEARS)])
    assert clock.ours(clock() + 300 * SECOND) == ours() + wait_s * SECOND
    assert clock.ours(clock() - SECOND) == ours()
