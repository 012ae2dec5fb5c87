"""The alarms' clock over a short run."""

from datetime import UTC, datetime, timedelta

import pytest

from loadtests.clock import Clock, fitting_minute_s

BEGAN = datetime(2026, 11, 23, 6, 51, 37, 250000, UTC)


def test_a_run_begins_at_a_whole_minute_of_the_alarms():
    assert Clock(BEGAN, 10).stretched(BEGAN) == datetime(2026, 11, 23, 6, 51, tzinfo=UTC)


def test_ten_seconds_are_a_minute_if_it_is_told_so():
    clock = Clock(BEGAN, 10)
    assert clock.stretched(BEGAN + timedelta(seconds=10)) - clock.origin == timedelta(minutes=1)


def test_a_moment_is_found_again():
    clock = Clock(BEGAN, 5)
    at = BEGAN + timedelta(seconds=12.5)
    assert clock.moment(clock.stretched(at)) == at


@pytest.mark.parametrize(("seconds", "minutes"), [(60, 6), (59, 6), (61, 7), (1, 1)])
def test_every_moment_of_the_run_is_in_a_minute_that_is_looked_at(seconds, minutes):
    clock = Clock(BEGAN, 10)
    ended = BEGAN + timedelta(seconds=seconds)
    ends = clock.minutes(ended)
    assert len(ends) == minutes
    assert clock.stretched(ended) <= ends[-1]


@pytest.mark.parametrize(("run_s", "minute_s"), [(3600, 60), (360, 60), (359, 30), (60, 10), (12, 2), (5, 2)])
def test_a_minute_is_as_long_as_six_of_them_allow(run_s, minute_s):
    assert fitting_minute_s(run_s) == minute_s
