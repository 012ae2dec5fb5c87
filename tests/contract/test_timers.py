"""ports.Timers and ports.AlertStream on SQS and DynamoDB made from our template."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.adapters.alert_stream import QueueAlertStream
from chalicelib.adapters.sqs import Queue
from chalicelib.adapters.table import Table
from chalicelib.adapters.timers import QueueTimers
from chalicelib.errors import StoreDownError
from chalicelib.ports.alerts import Due
from chalicelib.protocol.envelopes import ObservationMessage, decode, decode_record
from tests.contract.test_rule_stores import alert
from tests.fakes import FakeClock


@dataclass
class Waiting:
    """Timers on empty queues of the test's own."""

    timers: QueueTimers
    clock: FakeClock
    sqs: Any
    urls: dict[Any, str]

    def came(self, queue: str, number: int) -> list[bytes]:
        """As many messages, or fewer when no more come within seconds."""
        found: list[bytes] = []
        until = time.monotonic() + 5
        while len(found) < number and time.monotonic() < until:
            answer = self.sqs.receive_message(QueueUrl=self.urls[queue], MaxNumberOfMessages=10, WaitTimeSeconds=1)
            found += [message["Body"].encode() for message in answer.get("Messages", [])]
        return found

    def held_back(self, queue: str) -> int:
        name = "ApproximateNumberOfMessagesDelayed"
        answer = self.sqs.get_queue_attributes(QueueUrl=self.urls[queue], AttributeNames=[name])
        return int(answer["Attributes"][name])

    def in_s(self, seconds: float, name: str = "one", queue: Any = "alerts") -> Due:
        return Due(f"{name}-{uuid.uuid4()}", queue, name.encode(), self.clock() + timedelta(seconds=seconds))


@pytest.fixture
def waiting(ministack: Any) -> Iterator[Waiting]:
    sqs, clock = ministack.aws.client("sqs"), FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    urls = {
        name: sqs.create_queue(QueueName=f"{name}-{uuid.uuid4().hex[:8]}")["QueueUrl"]
        for name in ("alerts", "notifications")
    }
    table = Table(ministack.aws.client("dynamodb"), ministack.outputs["DueTable"])
    queues = {name: Queue(sqs, url) for name, url in urls.items()}
    yield Waiting(QueueTimers(table, queues, now=clock), clock, sqs, urls)
    for url in urls.values():
        sqs.delete_queue(QueueUrl=url)


def test_what_is_due_arrives_at_once_on_its_queue(waiting):
    waiting.timers.put([waiting.in_s(0, "a"), waiting.in_s(-5, "b"), waiting.in_s(0, "c", "notifications")])
    assert sorted(waiting.came("alerts", 2)) == [b"a", b"b"]
    assert waiting.came("notifications", 1) == [b"c"]


def test_a_quarter_of_an_hour_is_held_back_by_the_queue(waiting):
    waiting.timers.put([waiting.in_s(900), waiting.in_s(0.2)])
    assert waiting.held_back("alerts") == 2  # never early: a part of a second is a second


def test_longer_ones_wait_in_the_table_until_a_sweep_finds_them(waiting):
    waiting.timers.put([waiting.in_s(901, f"{number}") for number in range(30)])
    assert waiting.timers.sweep() == 0
    waiting.clock.forward(seconds=2)
    assert waiting.timers.sweep() == 30
    assert waiting.held_back("alerts") == 30
    assert waiting.timers.sweep() == 0


def test_a_sweep_hands_over_what_is_overdue_with_its_body(waiting):
    waiting.timers.put([waiting.in_s(7 * 86_400, "a"), waiting.in_s(3 * 86_400, "b", "notifications")])
    waiting.clock.forward(days=8)
    assert waiting.timers.sweep() == 2
    assert (waiting.came("alerts", 1), waiting.came("notifications", 1)) == ([b"a"], [b"b"])


def test_a_timer_that_is_put_twice_waits_once(waiting):
    due = waiting.in_s(86_400)
    waiting.timers.put([due, due])
    waiting.timers.put([due])
    waiting.clock.forward(days=2)
    assert waiting.timers.sweep() == 1


def test_what_a_queue_does_not_take_stays_in_the_table(waiting, ministack):
    waiting.timers.put([waiting.in_s(86_400)])
    waiting.clock.forward(days=1)
    table = Table(ministack.aws.client("dynamodb"), ministack.outputs["DueTable"])
    broken = QueueTimers(table, {"alerts": Queue(waiting.sqs, waiting.urls["alerts"] + "-none")}, now=waiting.clock)
    with pytest.raises(StoreDownError):
        broken.sweep()
    assert waiting.timers.sweep() == 1


def test_an_alert_is_an_observation_of_its_user_with_one_id_however_often_it_is_told(waiting):
    stream = QueueAlertStream(Queue(waiting.sqs, waiting.urls["alerts"]), now=waiting.clock)
    stream.publish([alert("ru_1"), alert("ru_1", "resolved")])
    stream.publish([alert("ru_1")])
    records = [
        decode_record(raw) for body in waiting.came("alerts", 2) for raw in decode(ObservationMessage, body).records
    ]
    assert {seen.topic for seen in records} == {"alerts:u"}
    states = {seen.id: msgspec.json.decode(seen.alert or "")["state"] for seen in records}
    assert (len(records), sorted(states.values())) == (3, ["firing", "resolved"])


def test_an_alert_that_the_queue_does_not_take_is_not_told(waiting):
    stream = QueueAlertStream(Queue(waiting.sqs, waiting.urls["alerts"] + "-none"), now=waiting.clock)
    with pytest.raises(StoreDownError):
        stream.publish([alert("ru_1")])


def test_a_queue_knows_whose_a_message_is_now_and_after_a_sweep(waiting):
    """By it SQS lets the many messages of one wait behind the few of others; a name of any characters will do."""
    due = [replace(waiting.in_s(0, "now"), tenant="é user"), replace(waiting.in_s(3600, "later"), tenant="é user")]
    waiting.timers.put([*due, waiting.in_s(0, "nobody's")])
    waiting.clock.forward(seconds=3600)
    waiting.timers.sweep()
    groups = {}
    while len(groups) < 3:
        answer = waiting.sqs.receive_message(
            QueueUrl=waiting.urls["alerts"],
            MaxNumberOfMessages=10,
            WaitTimeSeconds=1,
            MessageSystemAttributeNames=["MessageGroupId"],
        )
        groups |= {each["Body"]: each.get("Attributes", {}).get("MessageGroupId") for each in answer["Messages"]}
    assert groups["now"] == groups["later"] != groups["nobody's"] is None
