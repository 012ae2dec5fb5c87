"""The statistics of one period's values; the examples are those of "CloudWatch statistics definitions"."""

import math
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.cloudwatch.errors import StatisticError
from localcloud.cloudwatch.statistics import samples_needed, statistic

TEN = [float(value) for value in range(1, 11)]
values = st.lists(st.floats(0, 1e6), min_size=1, max_size=300).map(sorted)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("Sum", 55), ("Average", 5.5), ("Minimum", 1), ("Maximum", 10), ("SampleCount", 10)),
        *(("p50", 5), ("p90", 9), ("p91", 10), ("p99.9", 10), ("p100", 10), ("p0", 1), ("p10", 1), ("p10.0001", 2)),
        *(("tm90", 5), ("TM(:90%)", 5), ("TM(10%:90%)", 5.5), ("TM(20%:)", 6.5), ("TM(3:5)", 4.5)),
        *(("tc90", 9), ("TC(3:5)", 2), ("TC(:5)", 5), ("TC(8:)", 2), ("ts90", 45), ("TS(80%:)", 19)),
        *(("wm90", 5.4), ("WM(10%:90%)", 5.5), ("WM(3:8)", 5.5), ("PR(:3)", 30), ("PR(3:5)", 20), ("PR(9:)", 10)),
        *(("IQM", 5.5), ("iqm", 5.5)),
    ],
)
def test_a_statistic_has_its_defined_value(name, expected):
    assert statistic(name).compute(TEN) == pytest.approx(expected)


@given(values, st.integers(1, 100))
def test_a_percentile_is_the_greatest_value_without_the_highest_rest(ordered, percentile):
    """The guide: p99 is the maximum of the remaining 99 %."""
    dropped = len(ordered) * (100 - percentile) // 100
    assert statistic(f"p{percentile}").compute(ordered) == ordered[: len(ordered) - dropped][-1]


@given(values, st.integers(1, 99))
def test_trimmed_sum_is_trimmed_mean_times_trimmed_count(ordered, percentile):
    mean, count, total = (statistic(f"{kind}{percentile}").compute(ordered) for kind in ("tm", "tc", "ts"))
    assert math.isclose(mean * count, total, rel_tol=1e-9, abs_tol=1e-9)


@given(values)
def test_the_interquartile_mean_is_the_trimmed_mean_of_the_middle_half(ordered):
    assert statistic("IQM").compute(ordered) == statistic("TM(25%:75%)").compute(ordered)


def test_a_trimmed_statistic_of_nothing_has_no_value():
    assert statistic("TM(100:200)").compute(TEN) is None
    assert statistic("TC(100:200)").compute(TEN) == 0


def test_percentiles_of_a_metric_with_negative_values_are_not_available():
    assert statistic("p50").compute([-1.0, 2.0]) is None
    assert statistic("Average").compute([-1.0, 2.0]) == 0.5


@pytest.mark.parametrize(
    "name",
    [
        *("", "sum", "P99", "p", "p101", "p99.", "Median", "TM90", "tm(1:2)", "TM(:)", "TM(1%:2)", "TM(2:1)"),
        *("TM(0%:101%)", "PR(1%:2%)", "p-1", "p1e1", "WM()"),
    ],
)
def test_what_cloudwatch_does_not_have_is_refused_by_name(name):
    with pytest.raises(StatisticError, match=re.escape(repr(name))):
        statistic(name)


@pytest.mark.parametrize(("percentile", "samples"), [(99, 1000), (95, 200), (90, 100), (50, 20), (10, 100), (100, 0)])
def test_a_percentile_needs_ten_values_in_its_tail(percentile, samples):
    """The guide's example is 1,000 samples for p99."""
    assert samples_needed(Fraction(percentile)) == samples
