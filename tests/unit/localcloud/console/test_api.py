"""What the page is told: dashboards of the real template, alarms, runbooks, logs."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from localcloud.cloudwatch.alarms import read_alarm
from localcloud.cloudwatch.evaluator import Evaluator
from localcloud.cloudwatch.store import MetricStore
from localcloud.console.api import ConsoleApi, Sources
from localcloud.console.boards import Dashboard, read_dashboards
from localcloud.console.logbook import LogBook
from localcloud.console.settled import SettledStore
from localcloud.holdings import hand_written
from localcloud.xray.api import XrayApi
from localcloud.xray.store import TraceStore

ROOT = Path(__file__).resolve().parents[4]
TEMPLATE = hand_written(sorted((ROOT / "cfn").glob("*.yaml")))
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
STAGE = {"Stage": "local"}
SLOW = {
    "AlarmDescription": "P2. Slow. docs/operations/alarms/PushLatencyTooHigh.md",
    "Namespace": "DefiStream",
    "MetricName": "PublishedToSent",
    "Dimensions": [{"Name": "Stage", "Value": "local"}],
    "ExtendedStatistic": "p95",
    "Period": 60,
    "EvaluationPeriods": 3,
    "DatapointsToAlarm": 2,
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 200,
    "AlarmActions": ["arn:aws:sns:us-east-1:0:alarms-major"],
}


@pytest.fixture
def store():
    return MetricStore()


@pytest.fixture
def logs():
    return LogBook(now=NOW.timestamp)


@pytest.fixture
def api(store, logs):
    alarms = [
        read_alarm("AWS::CloudWatch::Alarm", "PushLatencyTooHigh", SLOW),
        read_alarm("AWS::CloudWatch::Alarm", "Elsewhere", {**SLOW, "Namespace": "AWS/RDS"}),
        read_alarm("AWS::CloudWatch::CompositeAlarm", "Degraded", {"AlarmRule": 'ALARM("PushLatencyTooHigh")'}),
    ]
    evaluator = Evaluator(alarms, store)
    for minute in (1, 2, 3):
        store.put("DefiStream", "PublishedToSent", STAGE, NOW - timedelta(minutes=minute), [500.0])
    latest = evaluator.evaluate(NOW)
    widgets = [
        {"type": "text", "properties": {"markdown": "# Hello"}},
        {"type": "log", "properties": {"query": "dedup x"}},
        {"type": "alarm", "properties": {"alarms": ["arn:aws:cloudwatch:us-east-1:0:alarm:Degraded"]}},
        {"type": "metric", "properties": {"metrics": [["half"]]}},
    ]
    sources = Sources(
        boards=[*read_dashboards(TEMPLATE, {**STAGE, "NamePrefix": ""}), Dashboard("others", widgets)],
        store=SettledStore(store, now=NOW.timestamp),
        evaluator=evaluator,
        latest=lambda: latest,
        measured=lambda metric: metric.namespace != "AWS/RDS",
        logs=logs,
        xray=XrayApi(TraceStore()),
        runbooks=ROOT / "docs" / "operations" / "alarms",
        now=NOW.timestamp,
    )
    return ConsoleApi(sources)


async def told(api, path, **query):
    status, body = await api.answer(path, query)
    assert status == 200, body
    json.dumps(body)
    return body


async def test_every_widget_of_the_templates_dashboards_can_be_drawn(api):
    *names, _ = (await told(api, "boards"))["boards"]
    assert names == ["websocket", "lambda", "redis", "sqs", "business"]
    for name in names:
        for widget in (await told(api, f"boards/{name}", minutes="180"))["widgets"]:
            title = widget["properties"]["title"]
            if widget["type"] == "metric":
                assert {line["source"] for line in widget["lines"]} <= {"here", "aws"}, title
                assert widget["lines"], title


async def test_a_widgets_place_and_properties_are_those_of_its_json(api):
    first, second, *_ = (await told(api, "boards/websocket"))["widgets"]
    assert [(each["x"], each["y"], each["width"], each["height"]) for each in (first, second)] == [
        (0, 0, 6, 4),
        (6, 0, 6, 4),
    ]
    assert second["properties"]["stat"] == "p95"
    assert second["lines"][0]["values"][-4:] == [None, 500, 500, 500]


async def test_what_cannot_be_shown_here_says_why(api):
    _, query, states, broken = (await told(api, "boards/others"))["widgets"]
    assert query["problem"] == "This query needs CloudWatch Logs: “dedup x” is not understood here."
    assert [(alarm["name"], alarm["state"]) for alarm in states["alarms"]] == [("Degraded", "ALARM")]
    assert broken["problem"] == "not a metric: ['half']"


async def test_an_alarm_in_the_list_has_its_state_severity_condition_and_runbook(api):
    [slow] = [alarm for alarm in (await told(api, "alarms"))["alarms"] if alarm["name"] == "PushLatencyTooHigh"]
    assert (slow["state"], slow["severity"], slow["runbook"]) == ("ALARM", "P2", "PushLatencyTooHigh")
    assert slow["condition"] == "PublishedToSent p95 > 200, 2 of 3 times 1 min"
    assert slow["description"] == "P2. Slow."
    assert (slow["value"], slow["since"]) == (500, NOW.timestamp())


async def test_an_alarm_on_what_only_aws_measures_says_so(api):
    assert {alarm["name"]: alarm["source"] for alarm in (await told(api, "alarms"))["alarms"]} == {
        "PushLatencyTooHigh": "here",
        "Elsewhere": "aws",
        "Degraded": "here",
    }


async def test_one_alarm_has_graph_threshold_and_history(api):
    slow = await told(api, "alarms/PushLatencyTooHigh", minutes="5")
    assert slow["graph"]["values"] == [None, None, 500, 500, 500]
    assert slow["threshold"] == 200
    [change] = slow["history"]
    assert (change["from"], change["to"]) == ("INSUFFICIENT_DATA", "ALARM")
    assert change["actions"] == ["arn:aws:sns:us-east-1:0:alarms-major"]


async def test_a_composite_has_its_children_with_their_states(api):
    assert (await told(api, "alarms/Degraded"))["children"] == {"PushLatencyTooHigh": "ALARM"}


async def test_a_runbook_is_its_page(api):
    assert (await told(api, "runbooks/PushLatencyTooHigh"))["markdown"].startswith("# PushLatencyTooHigh\n")


@pytest.mark.parametrize(
    "path", ["boards/none", "alarms/none", "runbooks/None", "runbooks/../README", "nothing", "xray/no"]
)
async def test_what_is_not_there_is_not_found(api, path):
    assert (await api.answer(path, {}))[0] == 404


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("boards/lambda", {"minutes": "0"}),
        ("boards/lambda", {"minutes": "many"}),
        ("logs", {"level": "loud"}),
        ("logs", {"before": "x"}),
    ],
)
async def test_a_query_that_makes_no_sense_is_refused_with_a_reason(api, path, query):
    status, body = await api.answer(path, query)
    assert status == 400
    assert body["message"]


async def test_logs_are_searched_by_what_the_query_names(api, logs):
    logs.add("deliver", '{"event": "posted", "connection_id": "c1"}')
    logs.add("poll", '{"event": "polled"}')
    found = await told(api, "logs", connection="c1", limit="5")
    assert [line["fields"]["event"] for line in found["lines"]] == ["posted"]
    assert found["functions"] == ["deliver", "poll"]
