"""The lines of a widget, from its JSON to values."""

from datetime import UTC, datetime

import pytest

from localcloud.cloudwatch.errors import CloudWatchError
from localcloud.cloudwatch.store import MetricStore
from localcloud.console.graph import grid_of, lines
from localcloud.console.settled import SETTLED_S, SettledStore

START = 1_795_400_040  # a whole minute
END = START + 180


def at(second):
    return datetime.fromtimestamp(second, UTC)


@pytest.fixture
def store():
    store = MetricStore()
    for minute, values in enumerate(([10, 20], [30], [])):
        if values:
            store.put("Ours", "Latency", {"Stage": "x"}, at(START + minute * 60), values)
    store.put("Ours", "Errors", {"Stage": "x"}, at(START + 60), [1, 1])
    return store


def drawn(store, *metrics, measured=lambda _: True, **properties):
    given = {"metrics": list(metrics), "stat": "Sum", "period": 60, **properties}
    return lines(given, store, end_s=END, span_s=180, measured=measured)


def test_each_row_is_a_line_with_its_own_statistic_label_and_axis(store):
    found = drawn(
        store,
        ["Ours", "Latency", "Stage", "x", {"stat": "p95", "label": "p95", "yAxis": "right", "color": "#112233"}],
        ["Ours", "Latency", "Stage", "x"],
    )
    assert [line["values"] for line in found] == [[20, 30, None], [30, 30, None]]
    assert [(line["label"], line["axis"], line["color"]) for line in found] == [
        ("p95", "right", "#112233"),
        ("Latency", "left", None),
    ]
    assert {(line["start"], line["period"]) for line in found} == {(START, 60)}


def test_dots_repeat_the_row_above(store):
    found = drawn(store, ["Ours", "Latency", "Stage", "x"], [".", "Errors", ".", "."], ["...", {"stat": "Maximum"}])
    assert [line["values"] for line in found] == [[30, 30, None], [None, 2, None], [None, 1, None]]


def test_an_expression_is_computed_from_rows_that_are_not_drawn(store):
    found = drawn(
        store,
        [{"expression": "100 * FILL(e, 0) / l", "id": "rate", "label": "rate"}],
        ["Ours", "Latency", "Stage", "x", {"id": "l", "visible": False}],
        ["Ours", "Errors", "Stage", "x", {"id": "e", "visible": False}],
    )
    assert [(line["label"], line["values"]) for line in found] == [("rate", [0, 100 * 2 / 30, None])]


def test_a_row_may_have_a_period_of_its_own(store):
    [fine, coarse] = drawn(store, ["Ours", "Latency", "Stage", "x"], ["Ours", "Latency", "Stage", "x", {"period": 300}])
    assert (fine["period"], len(fine["values"])) == (60, 3)
    assert coarse["period"] == 300
    assert coarse["start"] % 300 == 0
    assert sum(filter(None, coarse["values"])) == 60


def test_a_line_is_awss_when_any_of_its_metrics_is(store):
    found = drawn(
        store,
        [{"expression": "SUM(METRICS())", "id": "all"}],
        [{"expression": "2 * here", "id": "twice"}],
        ["Ours", "Latency", "Stage", "x", {"id": "here"}],
        ["AWS/EC2", "CPU", {"id": "there"}],
        measured=lambda metric: metric.namespace == "Ours",
    )
    assert [line["source"] for line in found] == ["aws", "here", "here", "aws"]


def test_what_is_wrong_with_an_expression_is_told_in_its_place(store):
    [wrong, right] = drawn(store, [{"expression": "2 * nobody", "id": "bad"}], ["Ours", "Latency", "Stage", "x"])
    assert "nobody" in wrong["source"]
    assert wrong["values"] == []
    assert right["values"] == [30, 30, None]


@pytest.mark.parametrize("row", [["Ours"], ["Ours", "Latency", "Stage"], ["Ours", "Latency", {"stat": "middle"}]])
def test_a_row_that_is_no_metric_is_refused(store, row):
    with pytest.raises(CloudWatchError):
        drawn(store, row)


def test_a_graph_has_every_period_that_reaches_into_its_time():
    grid = grid_of(START + 61, 120, 60)
    assert list(grid.starts_s) == [START - 60, START, START + 60]


def test_what_is_over_is_computed_once_and_what_is_not_again(store):
    now = END + SETTLED_S - 60  # the first two minutes have settled
    settled = SettledStore(store, now=lambda: now)
    row = ["Ours", "Latency", "Stage", "x"]
    assert drawn(settled, row)[0]["values"] == [30, 30, None]
    for minute in range(3):
        store.put("Ours", "Latency", {"Stage": "x"}, at(START + minute * 60), [5])
    assert drawn(settled, row)[0]["values"] == [30, 30, 5]
    assert drawn(settled, [*row, {"stat": "Maximum"}])[0]["values"] == [20, 30, 5]
