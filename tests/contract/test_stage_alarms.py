"""The alarms of a stage after a load test, read from CloudWatch's API as ministack has it."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from loadtests.stage_alarms import check_stage
from localcloud.ministack import Ministack

STACK = "load-test"


def alarm(metric: str, **more: object) -> dict[str, object]:
    watched = {"Namespace": "DefiStream", "MetricName": metric, "ExtendedStatistic": "p95", "Period": 60}
    compared = {"EvaluationPeriods": 3, "Threshold": 200, "ComparisonOperator": "GreaterThanThreshold"}
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": {**watched, **compared, **more}}


TEMPLATE = {
    "Resources": {
        "PushLatencyTooHigh": alarm("PublishedToSent", AlarmName="PushLatencyTooHigh"),
        "FrameBytesTooHigh": alarm("FrameBytes", AlarmName="FrameBytesTooHigh"),
    }
}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ministack]:
    server = Ministack(tmp_path_factory.mktemp("ministack"))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(server.start())
    loop.run_until_complete(server.deploy(TEMPLATE, stack=STACK, parameters={}))
    yield server
    loop.run_until_complete(server.stop())
    loop.close()


@pytest.fixture
def cloudwatch(aws: Ministack):
    client = aws.client("cloudwatch")
    for name in ("PushLatencyTooHigh", "FrameBytesTooHigh"):
        client.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="a test begins")
    return client


def checked(aws, cloudwatch, began, ended):
    return check_stage(cloudwatch, aws.client("cloudformation"), STACK, began, ended)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def test_only_latency_alarms_are_asked_and_a_quiet_one_has_not_fired(aws, cloudwatch):
    now = datetime.now(UTC) + minutes(1)
    (check,) = checked(aws, cloudwatch, now, now + minutes(10))
    assert (check.alarm, check.state, check.fired_at) == ("PushLatencyTooHigh", "OK", None)


def test_an_alarm_that_fired_and_was_over_is_named(aws, cloudwatch):
    began = datetime.now(UTC) - timedelta(seconds=1)
    cloudwatch.set_alarm_state(AlarmName="PushLatencyTooHigh", StateValue="ALARM", StateReason="p95 was 310")
    cloudwatch.set_alarm_state(AlarmName="PushLatencyTooHigh", StateValue="OK", StateReason="over")
    (check,) = checked(aws, cloudwatch, began, datetime.now(UTC) + minutes(1))
    assert check.state == "OK"
    assert check.fired_at is not None


def test_what_fired_before_the_run_and_was_over_is_not_its_fault(aws, cloudwatch):
    cloudwatch.set_alarm_state(AlarmName="PushLatencyTooHigh", StateValue="ALARM", StateReason="p95 was 310")
    cloudwatch.set_alarm_state(AlarmName="PushLatencyTooHigh", StateValue="OK", StateReason="over")
    later = datetime.now(UTC) + minutes(1)
    (check,) = checked(aws, cloudwatch, later, later + minutes(1))
    assert check.fired_at is None


def test_an_alarm_that_stands_all_the_time_counts_as_fired(aws, cloudwatch):
    cloudwatch.set_alarm_state(AlarmName="PushLatencyTooHigh", StateValue="ALARM", StateReason="p95 was 310")
    later = datetime.now(UTC) + minutes(1)
    (check,) = checked(aws, cloudwatch, later, later + minutes(10))
    assert check.fired_at == later


class Recorded:
    """CloudWatch and CloudFormation with recorded answers: with HistoryData, and with an alarm of metric math."""

    def __init__(self, history):
        self._history = history

    def get_paginator(self, name):
        pages = {
            "list_stack_resources": {
                "StackResourceSummaries": [
                    {"ResourceType": "AWS::CloudWatch::Alarm", "PhysicalResourceId": "Math"},
                    {"ResourceType": "AWS::SQS::Queue", "PhysicalResourceId": "Queue"},
                ]
            },
            "describe_alarm_history": {"AlarmHistoryItems": self._history},
        }
        return type("Pages", (), {"paginate": lambda _, **__: [pages[name]]})()

    def describe_alarms(self, AlarmNames, AlarmTypes):  # noqa: N803 - boto3's names
        assert AlarmNames == ["Math"]
        stat = {"Metric": {"MetricName": "SequencedToSent"}, "Period": 60, "Stat": "p95"}
        queries = [{"Id": "e", "Expression": "m * 1"}, {"Id": "m", "MetricStat": stat}]
        at = datetime(2026, 11, 1, tzinfo=UTC)
        return {
            "MetricAlarms": [{"AlarmName": "Math", "StateValue": "OK", "StateUpdatedTimestamp": at, "Metrics": queries}]
        }


def test_metric_math_is_looked_into_and_the_first_alarms_reason_is_told():
    began = datetime(2026, 11, 23, tzinfo=UTC)
    history = [
        {
            "Timestamp": began + minutes(number),
            "HistorySummary": f"Alarm updated from X to {state}",
            "HistoryData": json.dumps({"newState": {"stateValue": state, "stateReason": f"reason {number}"}}),
        }
        for number, state in [(9, "ALARM"), (5, "OK"), (3, "ALARM")]
    ]
    recorded = Recorded(history)
    (check,) = check_stage(recorded, recorded, "stack", began, began + minutes(10))
    assert (check.alarm, check.reason, check.fired_at) == ("Math", "reason 3", began + minutes(3))
