"""The account's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from localcloud.account.clock import Clock

BEGAN = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
QUICK = Clock(minute_s=2, began=BEGAN)


def test_it_begins_at_the_whole_minute() -> None:
    assert QUICK.at(BEGAN) == BEGAN.replace(second=0)


def test_two_seconds_are_a_minute() -> None:
    assert QUICK.at(BEGAN + timedelta(seconds=10)) == BEGAN.replace(second=0) + timedelta(minutes=5)
    assert QUICK.seconds(5) == 10


def test_what_was_before_it_began_counts_as_then() -> None:
    assert QUICK.at(BEGAN - timedelta(hours=1)) == QUICK.origin


def test_the_way_to_a_minute_is_told_in_real_seconds() -> None:
    due = QUICK.origin + timedelta(minutes=3)
    assert QUICK.until(due, BEGAN + timedelta(seconds=1)) == 5


def test_alarms_are_looked_at_often_but_not_all_the_time() -> None:
    assert Clock(minute_s=60).poll_s == 1
    assert Clock(minute_s=0.1).poll_s == 0.02
