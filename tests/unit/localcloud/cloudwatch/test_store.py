"""Data points in, statistics by period out."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.cloudwatch.errors import CloudWatchError
from localcloud.cloudwatch.store import Metric, MetricStore

START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def at(seconds):
    return START + timedelta(seconds=seconds)


def _sums(store, *, period_s=60, seconds=600, unit=None, stage="dev"):
    found = store.statistics(
        *("Shop", "Orders", {"Stage": stage}, "Sum"), start=START, end=at(seconds), period_s=period_s, unit=unit
    )
    return {int((point.timestamp - START).total_seconds()): point.value for point in found}


@given(st.lists(st.tuples(st.integers(0, 599), st.integers(0, 9)), max_size=40), st.sampled_from([10, 60, 120, 300]))
def test_every_value_is_in_the_one_period_that_holds_its_second(points, period_s):
    store, expected = MetricStore(), defaultdict(float)
    for second, value in points:
        store.put("Shop", "Orders", {"Stage": "dev"}, at(second), [value], resolution_s=1)
        expected[second // period_s * period_s] += value
    assert _sums(store, period_s=period_s) == expected


def test_a_metric_of_sixty_seconds_is_kept_by_the_minute():
    store = MetricStore()
    store.put("Shop", "Orders", {"Stage": "dev"}, at(59.9), [1, 2])
    assert _sums(store, period_s=10) == {0: 3}


def test_every_combination_of_dimensions_is_a_metric_of_its_own():
    store = MetricStore()
    store.put("Shop", "Orders", {"Stage": "dev"}, START, [1])
    store.put("Shop", "Orders", {"Stage": "dev", "Kind": "sale"}, START, [2])
    assert _sums(store) == {0: 1}
    assert list(store.metrics("Shop")) == [
        Metric("Shop", "Orders", (("Stage", "dev"),)),
        Metric("Shop", "Orders", (("Kind", "sale"), ("Stage", "dev"))),
    ]


def test_units_are_kept_apart_and_seen_together_where_none_is_asked_for():
    store = MetricStore()
    store.put("Shop", "Orders", {"Stage": "dev"}, START, [1], "Count")
    store.put("Shop", "Orders", {"Stage": "dev"}, START, [2], "Seconds")
    assert (_sums(store, unit="Count"), _sums(store, unit="Bytes"), _sums(store)) == ({0: 1}, {}, {0: 3})


def test_a_value_of_an_unknown_unit_is_seen_whatever_unit_is_asked_for():
    store = MetricStore()
    store.put("Shop", "Orders", {"Stage": "dev"}, START, [1], "Count")
    store.put("Shop", "Orders", {"Stage": "dev"}, START, [2], None)
    store.put("Shop", "Orders", {"Stage": "dev"}, START, [4], "None")
    found = [_sums(store, unit=unit) for unit in ("Count", "Bytes", "None", None)]
    assert found == [{0: 3}, {0: 2}, {0: 6}, {0: 7}]


def test_a_statistic_asked_for_again_knows_what_came_meanwhile():
    store = MetricStore()
    store.put("Shop", "Orders", {"Stage": "dev"}, START, [1])
    assert _sums(store) == {0: 1}
    store.put("Shop", "Orders", {"Stage": "dev"}, START, [1])
    assert _sums(store) == {0: 2}


def test_what_is_older_than_the_retention_is_forgotten():
    store = MetricStore(retention=timedelta(minutes=5))
    for second in (0, 60, 400):
        store.put("Shop", "Orders", {"Stage": "dev"}, at(second), [1])
    assert _sums(store) == {60: 1, 360: 1}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_no_number_is_refused(value):
    with pytest.raises(CloudWatchError, match="Shop Orders"):
        MetricStore().put("Shop", "Orders", {}, START, [value])
