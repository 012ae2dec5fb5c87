"""Log lines in the embedded metric format."""

import json
from datetime import UTC, datetime

import pytest

from localcloud.cloudwatch.emf import read_emf
from localcloud.cloudwatch.errors import EmfError
from localcloud.cloudwatch.store import MetricStore

AT_MS = 1_763_892_000_123


def line(*, values=None, dimensions=(("Stage",),), metric=None, timestamp=AT_MS, **root):
    metrics = [metric or {"Name": "Latency", "Unit": "Milliseconds"}]
    directive = {"Namespace": "Shop", "Dimensions": [list(keys) for keys in dimensions], "Metrics": metrics}
    metadata = {"Timestamp": timestamp, "CloudWatchMetrics": [directive]}
    return json.dumps({"_aws": metadata, "Stage": "dev", "Latency": 5 if values is None else values, **root})


def test_a_line_holds_every_metric_under_every_dimension_set():
    data = read_emf(line(values=[5, 7.5], dimensions=[("Stage",), ("Stage", "Kind"), ()], Kind="sale"))
    assert [dict(datum.dimensions) for datum in data] == [{"Stage": "dev"}, {"Stage": "dev", "Kind": "sale"}, {}]
    assert {datum.values for datum in data} == {(5.0, 7.5)}
    assert data[0].timestamp == datetime.fromtimestamp(AT_MS / 1000, UTC)
    assert (data[0].unit, data[0].resolution_s) == ("Milliseconds", 60)


def test_a_metric_of_one_second_keeps_its_second():
    (datum,) = read_emf(line(metric={"Name": "Latency", "StorageResolution": 1}))
    assert (datum.unit, datum.resolution_s) == ("None", 1)


@pytest.mark.parametrize(
    "other", ["", "START RequestId: 1", '{"event": "changed"}', '{"_aws": {}}', '["_aws"]', '{"_aws": ']
)
def test_other_lines_hold_no_metrics(other):
    assert read_emf(other) == []


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (line(timestamp="2026-11-23"), "Timestamp"),
        (line(values="5"), "Latency"),
        (line(values=[]), "Latency"),
        (line(values=[True]), "Latency"),
        (line(values=[1] * 101), "101 values"),
        (line(dimensions=[("Region",)]), "Region"),
        (line(dimensions=[]), "no dimension set"),
        (line(dimensions=[[f"d{n}" for n in range(31)]]), "31 dimensions"),
        (line(Stage="x" * 1025), "Stage"),
        (line(metric={"Name": "Latency", "StorageResolution": 5}), "StorageResolution"),
        (line(metric={"Unit": "Count"}), "Name"),
        (line(metric={"Name": ""}), "Name"),
        ('{"_aws": {"CloudWatchMetrics": [{}]}}', "Timestamp"),
    ],
)
def test_a_line_that_cloudwatch_would_drop_is_refused_with_what_is_wrong(wrong, named):
    with pytest.raises(EmfError, match=named):
        read_emf(wrong)


def test_a_stored_line_says_how_many_data_it_held_and_twice_is_twice():
    store = MetricStore()
    assert [store.ingest_emf(line(values=[5, 7])) for _ in range(2)] == [1, 1]
    start = datetime.fromtimestamp(AT_MS // 60_000 * 60, UTC)
    (point,) = store.statistics(
        *("Shop", "Latency", {"Stage": "dev"}, "SampleCount"), start=start, end=start.replace(hour=23), period_s=60
    )
    assert (point.timestamp, point.value) == (start, 4)
