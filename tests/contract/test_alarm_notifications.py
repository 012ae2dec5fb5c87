"""A queue subscribed to the template's topic of alarms is told of each change of state once, as AWS tells it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from localcloud.ministack import REGION
from localcloud.observability import ACCOUNT, Observability
from localcloud.xray.api import XrayApi
from localcloud.xray.store import TraceStore

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms-major"
ALARM = "PushLatencyTooHigh"
FAST_MS, SLOW_MS = 40.0, 450.0

Notification = dict[str, Any]


@pytest.fixture
def received(ministack) -> Iterator[Callable[[], list[Notification]]]:
    """What has come since it was last asked for: the bodies of the messages of a queue of this test's own."""
    sns, sqs = ministack.aws.client("sns"), ministack.aws.client("sqs")
    url = sqs.create_queue(QueueName="on-call")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    subscription = sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=queue)["SubscriptionArn"]

    def taken() -> list[Notification]:
        found = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    yield taken
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def pushed(ministack) -> Callable[[int, float], Any]:
    """``pushed(minute, milliseconds)``: deliver logs how long its pushes took; the alarms are evaluated after it."""
    watching = Observability(ministack.aws, XrayApi(TraceStore()), stage="dev", parameters={})

    async def push(minute: int, delay_ms: float) -> None:
        at = NOON + timedelta(minutes=minute)
        metrics = [{"Name": "PublishedToSent", "Unit": "Milliseconds"}]
        directive = {"Namespace": "DefiStream", "Dimensions": [["Stage"]], "Metrics": metrics}
        metadata = {"Timestamp": int(at.timestamp() * 1000), "CloudWatchMetrics": [directive]}
        watching.heard("deliver", json.dumps({"_aws": metadata, "Stage": "dev", "PublishedToSent": [delay_ms] * 20}))
        await watching.monitor.evaluate(at + timedelta(minutes=1, seconds=5))

    return push


def of_alarm(notifications: list[Notification]) -> list[Notification]:
    """Those of the one alarm: nothing else runs here, and that is told to the same topic."""
    return [each for each in notifications if json.loads(each["Message"])["AlarmName"] == ALARM]


async def test_an_alarm_is_told_once_for_as_long_as_it_lasts_and_again_when_it_comes_back(pushed, received):
    told = []
    for minute, delay_ms in enumerate([*[SLOW_MS] * 3, *[FAST_MS] * 2, *[SLOW_MS] * 2]):
        await pushed(minute, delay_ms)
        changes = [json.loads(each["Message"]) for each in of_alarm(received())]
        told += [(minute, change["OldStateValue"], change["NewStateValue"]) for change in changes]
    assert told == [(1, "OK", "ALARM"), (6, "OK", "ALARM")]


async def test_the_queue_gets_what_sns_makes_of_cloudwatchs_message(pushed, received):
    """The envelope is SNS's, the message CloudWatch's: a subscriber that reads AWS's reads this."""
    for minute in range(2):
        await pushed(minute, SLOW_MS)
    (envelope,) = of_alarm(received())
    assert (envelope["Type"], envelope["TopicArn"]) == ("Notification", TOPIC)
    assert envelope["Subject"] == f'ALARM: "{ALARM}" in {REGION}'
    assert envelope["MessageId"]
    assert datetime.fromisoformat(envelope["Timestamp"])
    message = json.loads(envelope["Message"])
    assert message["AlarmArn"] == f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{ALARM}"
    assert (message["AWSAccountId"], message["AlarmActions"]) == (ACCOUNT, [TOPIC])
    assert (message["NewStateValue"], message["OldStateValue"]) == ("ALARM", "OK")
    assert message["NewStateReason"].startswith("Threshold Crossed: 2 datapoints [450.0 (23/11/26 12:01:00), 450.0")
    assert datetime.fromisoformat(message["StateChangeTime"]) == NOON + timedelta(minutes=2, seconds=5)
    assert f"docs/operations/alarms/{ALARM}.md" in message["AlarmDescription"]
    trigger = message["Trigger"]
    assert (trigger["Namespace"], trigger["MetricName"], trigger["Threshold"]) == ("DefiStream", "PublishedToSent", 200)
    assert trigger["Dimensions"] == [{"value": "dev", "name": "Stage"}]
