"""What a change is measured against, and how much is kept for that."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.windows import BUCKETS, Sample, add, base, change
from tests.rule_strategies import START


def sample(seconds, value):
    return Sample(START + timedelta(seconds=seconds), Decimal(value))


def kept(*samples, over_s=3600):
    found = ()
    for each in samples:
        found = add(found, over_s, each)
    return found


def test_there_is_no_figure_until_the_window_has_a_beginning():
    samples = kept(sample(0, 1), sample(3599, 2))
    assert base(samples, 3600, START + timedelta(seconds=3599)) is None
    assert base(samples, 3600, START + timedelta(seconds=3600)) == 1


def test_the_base_is_the_last_value_at_or_before_the_windows_beginning():
    samples = kept(sample(0, 1), sample(60, 2), sample(121, 3))
    assert base(samples, 3600, START + timedelta(seconds=3600 + 120)) == 2


def test_of_a_bucket_its_last_value_is_kept():
    assert kept(sample(0, 1), sample(59, 2), sample(60, 3)) == (sample(59, 2), sample(60, 3))


def test_where_a_later_value_took_its_place_the_bucket_before_is_the_base():
    samples = kept(sample(0, 1), sample(60, 2), sample(90, 3))
    assert base(samples, 3600, START + timedelta(seconds=3600 + 70)) == 1


def test_after_a_long_silence_the_last_value_is_the_base():
    samples = kept(sample(0, 1), sample(90_000, 2))
    assert base(samples, 3600, START + timedelta(seconds=90_000)) == 1


@settings(max_examples=50, deadline=None)
@given(steps=st.lists(st.integers(0, 90), max_size=300))
def test_a_window_keeps_no_more_than_its_buckets(steps):
    samples, seconds = (), 0
    for step in steps:
        seconds += step
        samples = add(samples, 3600, sample(seconds, seconds))
        assert len(samples) <= BUCKETS + 2


@pytest.mark.parametrize(
    ("value", "since", "of", "figure"),
    [
        ("3", None, "value", "3"),
        ("3", "2", "change_abs", "1"),
        ("3", "2", "change_pct", "50"),
        ("-3", "-2", "change_pct", "-50"),
        ("3", "-2", "change_pct", "250"),
        ("1", "0", "change_abs", "1"),
    ],
)
def test_a_change_is_the_difference_or_its_share_of_the_base(value, since, of, figure):
    assert change(Decimal(value), None if since is None else Decimal(since), of) == Decimal(figure)


def test_there_is_no_change_without_a_base_nor_a_share_of_nothing():
    assert change(Decimal(1), None, "change_abs") is None
    assert change(Decimal(1), Decimal(0), "change_pct") is None
