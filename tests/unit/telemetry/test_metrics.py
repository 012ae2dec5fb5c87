"""Metrics: lines of the embedded format, with what the catalogue has and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.telemetry import invocation, metrics


def described(line):
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "DefiStream"
    return directive["Dimensions"], {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}


def test_an_invocations_sums_and_values_are_one_line(emf):
    with invocation("deliver"):
        metrics.count("FramesDelivered", 2)
        metrics.count("FramesDelivered", 3)
        metrics.record("PublishedToSent", 12.5)
        metrics.record("PublishedToSent", 7.5)
    (line,) = emf()
    assert described(line) == ([["Stage"]], {"FramesDelivered": "Count", "PublishedToSent": "Milliseconds"})
    assert (line["Stage"], line["FramesDelivered"], line["PublishedToSent"]) == ("staging", [5], [12.5, 7.5])


def test_each_value_of_a_second_dimension_has_a_line_that_counts_for_the_stage_too(emf):
    with invocation("process"):
        metrics.count("ChangesPublished", 2, Kind="price")
        metrics.count("ChangesPublished", 1, Kind="tvl")
        metrics.count("ChangesPublished", 1, Kind="price")
    lines = emf()
    assert {(line["Kind"], *line["ChangesPublished"]) for line in lines} == {("price", 3), ("tvl", 1)}
    assert [described(line)[0] for line in lines] == [[["Stage"], ["Stage", "Kind"]]] * 2


@given(st.lists(st.floats(0, 1e6), min_size=101, max_size=2000))
def test_of_more_values_than_a_line_holds_the_percentiles_stay(values):
    kept, ordered = metrics.thinned(values), sorted(values)
    assert len(kept) == metrics.VALUES_MAX
    assert (kept[0], kept[-1]) == (ordered[0], ordered[-1])
    near = len(values) // 99 + 1
    for share in (0.5, 0.95):
        place = round(share * (len(values) - 1))
        assert ordered[max(0, place - near)] <= kept[round(share * 99)] <= ordered[min(len(values) - 1, place + near)]


def test_a_sum_of_nothing_is_not_written(emf):
    with invocation("tick"):
        metrics.count("PostsDropped", 0)
    assert emf() == []


def test_what_a_failed_invocation_measured_is_written(emf):
    def fail():
        metrics.count("PoisonRecords")
        raise RuntimeError

    with pytest.raises(RuntimeError), invocation("process"):
        fail()
    (line,) = emf()
    assert line["PoisonRecords"] == [1]


@pytest.mark.parametrize(
    ("name", "dimensions"),
    [
        ("PostsSent", {}),
        ("ChangesPublished", {}),
        ("FramesDelivered", {"Kind": "price"}),
        ("ChangesPublished", {"Kind": "price:coingecko:ethereum"}),
    ],
)
class TestWhatTheCatalogueDoesNotHave:
    def test_is_a_clear_error_in_tests(self, name, dimensions):
        with pytest.raises(metrics.MetricError, match=name):
            metrics.count(name, **dimensions)

    def test_costs_production_a_line_and_not_the_invocation(self, name, dimensions, lines):
        metrics.configure(stage="staging", strict=False)
        try:
            with invocation("process"):
                metrics.count(name, **dimensions)
        finally:
            metrics.configure(stage="test", strict=True)
        assert [line["event"] for line in lines()] == ["metric_refused", "invocation_ended"]
