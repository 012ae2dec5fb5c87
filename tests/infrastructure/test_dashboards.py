"""Dashboards: laid out without holes, labelled, and with the limits of the alarms."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import combinations
from typing import Any

import pytest

from tests.infrastructure import monitoring_model as model
from tests.infrastructure.kinds import of_type
from tests.infrastructure.monitoring_model import ALARM, DASHBOARD


@pytest.fixture
def drawn(monitored):
    """Every widget, with its dashboard."""
    return [(name, widget) for name, board in of_type(monitored, DASHBOARD).items() for widget in model.widgets(board)]


def test_there_are_five_pages(monitored, stage):
    names = model.named(monitored, DASHBOARD, "DashboardName")
    assert names == {f"defi-stream-{stage}-{page}" for page in ("websocket", "lambda", "redis", "sqs", "business")}


def test_pages_keep_to_cloudwatchs_bounds(monitored):
    for name, board in of_type(monitored, DASHBOARD).items():
        found = model.widgets(board)
        assert len(found) <= 500
        counts = [len(widget["properties"].get("metrics", [])) for widget in found]
        assert max(counts) <= 500, name
        assert sum(counts) <= 2500, name


def test_widgets_lie_side_by_side_in_24_columns(monitored):
    for name, board in of_type(monitored, DASHBOARD).items():
        found = model.widgets(board)
        for one, other in combinations(found, 2):
            assert not overlap(one, other), f"{name}: {one['properties']['title']} and {other['properties']['title']}"
        rows = Counter[int]()
        for widget in found:
            assert widget["x"] in range(25 - widget["width"]), name
            rows[widget["y"]] += widget["width"]
        assert set(rows.values()) == {24}, f"{name} has holes: {rows}"


def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(
        one[at] < other[at] + other[size] and other[at] < one[at] + one[size]
        for at, size in (("x", "width"), ("y", "height"))
    )


def test_every_graph_has_a_title_a_statistic_a_period_and_its_units(drawn):
    for name, widget in drawn:
        properties = widget["properties"]
        where = f"{name}, {properties.get('title')}"
        assert properties["title"], where
        assert properties["region"] == "us-east-1", where
        if widget["type"] == "metric":
            assert properties["stat"], where
            assert properties["period"] >= 60, where
        if properties["view"] == "timeSeries":
            assert properties["yAxis"]["left"]["label"], where
            sides = {row[-1].get("yAxis", "left") for row in properties["metrics"] if isinstance(row[-1], dict)}
            assert sides == properties["yAxis"].keys(), f"{where}: an axis without a line, or a line without one"


def test_the_titles_of_a_page_are_different(drawn):
    counted = Counter((name, widget["properties"]["title"]) for name, widget in drawn)
    assert [title for title, number in counted.items() if number > 1] == []


def test_every_drawn_limit_is_its_alarms(monitored, drawn):
    """By the name in its label; a limit that stands for parts of a formula is among the formula's numbers."""
    alarms = of_type(monitored, ALARM)
    checked = set()
    for name, widget in drawn:
        for line in widget["properties"].get("annotations", {}).get("horizontal", []):
            for alarm in re.findall(r"\w+Too(?:High|Low|Many|Few|Old)", line["label"]):
                numbers = {float(alarms[alarm]["Threshold"])}
                for each in model.expressions(alarms[alarm]):
                    numbers |= {float(number) for number in re.findall(r"\d+(?:\.\d+)?", each["Expression"])}
                if alarm == "DeadLettersTooMany":
                    numbers.add(1.0)  # more than none
                assert float(line["value"]) in numbers, f"{name}: {line['label']}"
                checked.add(alarm)
    assert len(checked) >= 20


def test_the_graphs_that_were_asked_for(monitored):
    """Latency and duration at three percentiles, and each topic's own metrics."""
    by_page: dict[str, set[tuple[str, str]]] = {}
    for use in model.dashboard_uses(monitored):
        by_page.setdefault(use.where.partition(",")[0], set()).add((use.name, use.stat))
    percentiles = ("p50", "p95", "p99")
    assert by_page["WebsocketDashboard"] >= {("PublishedToSent", stat) for stat in percentiles}
    assert by_page["LambdaDashboard"] >= {("Duration", stat) for stat in percentiles}
    names = {page: {name for name, _ in found} for page, found in by_page.items()}
    assert names["WebsocketDashboard"] >= {"ActiveConnections", "ConnectCount", "FramesDelivered", "ClientError"}
    assert names["LambdaDashboard"] >= {"Invocations", "Errors", "Throttles", "ConcurrentExecutions"}
    assert names["RedisDashboard"] >= {
        "EngineCPUUtilization",
        "DatabaseMemoryUsagePercentage",
        "CacheHitRate",
        "CurrConnections",
        "Evictions",
        "ReplicationLag",
    }
    assert names["QueuesDashboard"] >= {
        "ApproximateNumberOfMessagesVisible",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateAgeOfOldestMessage",
        "NumberOfMessagesSent",
    }


def test_every_function_and_queue_is_drawn(monitored):
    drawn = list(model.dashboard_uses(monitored))
    for kind, key in (("AWS::Lambda::Function", "FunctionName"), ("AWS::SQS::Queue", "QueueName")):
        assert model.named(monitored, kind, key) - {use.dimensions.get(key) for use in drawn} == set()


def test_a_graph_reads_what_it_names(drawn):
    """Ids are made, used, and once only; what is only an ingredient is not drawn."""
    for name, widget in drawn:
        options = [row[-1] for row in widget["properties"].get("metrics", []) if isinstance(row[-1], dict)]
        ids = [each["id"] for each in options if "id" in each]
        assert len(ids) == len(set(ids)), name
        words = {word for each in options for word in re.findall(r"\b[a-z]\w*", each.get("expression", ""))}
        assert words - set(ids) == set(), f"{name}: {widget['properties']['title']}"


def test_log_tables_read_groups_that_there_are(monitored, drawn):
    groups = model.named(monitored, "AWS::Logs::LogGroup", "LogGroupName")
    tables = [(name, widget["properties"]) for name, widget in drawn if widget["type"] == "log"]
    assert {name for name, _ in tables} == {"WebsocketDashboard", "LambdaDashboard", "BusinessDashboard"}
    for name, properties in tables:
        read = re.findall(r"SOURCE '([^']+)'", properties["query"])
        assert read, name
        assert set(read) <= groups, name


def test_memory_is_shown_of_every_function(monitored, drawn):
    (query,) = (w["properties"]["query"] for name, w in drawn if w["type"] == "log" and name == "LambdaDashboard")
    for function in model.named(monitored, "AWS::Lambda::Function", "FunctionName"):
        assert f"SOURCE '/aws/lambda/{function}'" in query


def test_the_bodies_are_json_as_written(transformed):
    """Before parameters are folded in, too: a value must not be what makes it monitored."""
    for name, board in of_type(transformed["Resources"], DASHBOARD).items():
        text = board["DashboardBody"]["Fn::Sub"]
        if isinstance(text, str):
            assert json.loads(re.sub(r"\$\{DeliverPostsPerSecond\}", "700", text))["widgets"], name
