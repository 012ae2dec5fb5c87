"""The laptop's CloudWatch: from log lines to a notification."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from localcloud.cloudwatch.alarms import read_alarm
from localcloud.cloudwatch.verdict import State
from localcloud.holdings import hand_written
from localcloud.monitor import Monitor, QueueDepth, queue_depths, template_alarms

PARTS = sorted((Path(__file__).resolve().parents[3] / "cfn").glob("*.yaml"))
TOPICS = "arn:aws:sns:us-east-1:000000000000:"
NOW = datetime(2026, 11, 23, 10, 0, 30, tzinfo=UTC)
SLOW = {
    "Namespace": "DefiStream",
    "MetricName": "PublishedToSent",
    "Dimensions": [{"Name": "Stage", "Value": "dev"}],
    "ExtendedStatistic": "p95",
    "Period": 60,
    "EvaluationPeriods": 1,
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 200,
    "AlarmActions": ["arn:broken", "arn:major"],
}


def line(*values):
    metrics = [{"Name": "PublishedToSent", "Unit": "Milliseconds"}]
    directive = {"Namespace": "DefiStream", "Dimensions": [["Stage"]], "Metrics": metrics}
    metadata = {"Timestamp": int(NOW.timestamp() * 1000), "CloudWatchMetrics": [directive]}
    return json.dumps({"_aws": metadata, "Stage": "dev", "PublishedToSent": values})


@pytest.fixture
def told():
    return []


@pytest.fixture
def monitor(told):
    async def publish(topic, subject, message):
        if topic == "arn:broken":
            raise ConnectionError("no such topic")
        told.append((topic, subject, json.loads(message)["NewStateValue"]))

    async def depths():
        return {"events": QueueDepth(visible=7, in_flight=2, oldest_s=4)}

    alarms = [read_alarm("AWS::CloudWatch::Alarm", "PushLatencyTooHigh", SLOW)]
    return Monitor(alarms, publish=publish, depths=depths, account="000000000000", region="us-east-1", now=lambda: NOW)


class Queues:
    """A client of SQS with one queue."""

    def list_queues(self):
        return {"QueueUrls": ["http://127.0.0.1:4566/000000000000/events"]}

    def get_queue_attributes(self, *, QueueUrl, AttributeNames):  # noqa: N803 - boto3's names
        counts = {
            "ApproximateNumberOfMessages": "7",
            "ApproximateNumberOfMessagesNotVisible": "2",
            "ApproximateAgeOfOldestMessage": "4",
        }
        return {"Attributes": {name: counts[name] for name in AttributeNames}}


def _sums(monitor, namespace):
    """Of every metric of a namespace in the minute of NOW, by name."""
    return {
        metric.name: monitor.store.statistics(
            *(namespace, metric.name, dict(metric.dimensions), "Sum"),
            start=NOW.replace(second=0),
            end=NOW + timedelta(minutes=1),
            period_s=60,
        )[0].value
        for metric in monitor.store.metrics(namespace)
    }


async def test_slow_pushes_in_the_log_reach_the_alarms_topics_once(monitor, told):
    monitor.on_log("deliver", line(120, 450))
    monitor.on_log("deliver", '{"event": "delivered"}')
    for minute in (1, 2):
        await monitor.evaluate(NOW + timedelta(minutes=minute))
    assert told == [("arn:major", 'ALARM: "PushLatencyTooHigh" in us-east-1', "ALARM")]
    assert [result.state for result in monitor.latest] == [State.ALARM]


async def test_a_line_of_metrics_that_cloudwatch_would_drop_is_counted(monitor):
    monitor.on_log("deliver", line())
    assert list(monitor.dropped.values()) == [1]
    assert list(monitor.store.metrics()) == []


async def test_what_samplers_measure_belongs_to_the_minute_that_is_over(monitor):
    async def sampler(store, at):
        store.put("AWS/ElastiCache", "CurrConnections", {}, at, [3.0], "Count")

    async def broken(_store, _at):
        raise ConnectionError("no Redis")

    monitor.samplers += [broken, sampler]
    await monitor.evaluate(NOW + timedelta(minutes=1))
    assert _sums(monitor, "AWS/ElastiCache") == {"CurrConnections": 3}


async def test_the_queues_are_measured_for_the_minute_that_is_over(monitor):
    await monitor.evaluate(NOW + timedelta(minutes=1))
    assert _sums(monitor, "AWS/SQS") == {
        "ApproximateNumberOfMessagesVisible": 7,
        "ApproximateNumberOfMessagesNotVisible": 2,
        "ApproximateAgeOfOldestMessage": 4,
    }


async def test_queues_that_cannot_be_measured_stop_nothing():
    async def depths():
        raise ConnectionError("no SQS")

    monitor = Monitor([], publish=None, depths=depths, account="000000000000", region="us-east-1")
    await monitor.evaluate(NOW)
    assert list(monitor.store.metrics()) == []


def test_the_depth_of_a_queue_is_what_sqs_says_of_it():
    assert queue_depths(Queues()) == {"events": QueueDepth(visible=7, in_flight=2, oldest_s=4)}


async def test_it_can_be_stopped_before_and_after_it_was_started(monitor):
    await monitor.stop()
    await monitor.start()
    await monitor.stop()


@pytest.mark.parametrize("stage", ["dev", "production"])
async def test_every_alarm_of_the_template_can_be_evaluated_here(stage):
    parameters = {"Stage": stage, "NamePrefix": ""}
    alarms = template_alarms(hand_written(PARTS), parameters=parameters, topic_arn=TOPICS)
    monitor = Monitor(alarms, publish=None, depths=None, account="000000000000", region="us-east-1")
    assert "PushLatencyTooHigh" in monitor.evaluator.alarms
    assert {arn for alarm in alarms for arn in alarm.actions.of[State.ALARM]} >= {f"{TOPICS}alarms-major"}
