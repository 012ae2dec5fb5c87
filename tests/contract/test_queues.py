"""The queues and the topic: fakes, and SQS and SNS made from our template."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from chalicelib.adapters.sns import SnsPublisher
from chalicelib.adapters.sqs import Queue, SqsDeadLetters, SqsGoneQueue, SqsJobQueue, SqsRetries, SqsTickQueue
from chalicelib.errors import StoreDownError
from chalicelib.ports import DeadLetters, GoneQueue, JobQueue, ObservationPublisher, Tick, TickQueue
from chalicelib.protocol.envelopes import (
    DeliveryJob,
    Frame,
    GoneMessage,
    ObservationMessage,
    TickMessage,
    decode,
    decode_record,
    encode,
)
from tests.fakes import FakeDeadLetters, FakeGoneQueue, FakeJobQueue, FakePublisher, FakeTickQueue, seen

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


@dataclass
class Queues:
    """Every queue, and how to look at what is in it; ``unreachable`` are the same ports with nothing behind them."""

    jobs: JobQueue
    gone: GoneQueue
    ticks: TickQueue
    dead_letters: DeadLetters
    publisher: ObservationPublisher
    jobs_in: Callable[[int], list[DeliveryJob]]
    gone_in: Callable[[int], list[str]]
    ticks_in: Callable[[int], list[Tick]]
    buried_in: Callable[[int], list[tuple[bytes, str, str]]]
    observations_in: Callable[[int], list[Any]]


def fake_queues() -> Queues:
    jobs, gone, ticks, dead, topic = (
        FakeJobQueue(),
        FakeGoneQueue(),
        FakeTickQueue(),
        FakeDeadLetters(),
        FakePublisher(),
    )
    return Queues(
        *(jobs, gone, ticks, dead, topic),
        jobs_in=lambda _: jobs.jobs,
        gone_in=lambda _: gone.gone,
        ticks_in=lambda _: ticks.ticks,
        buried_in=lambda _: dead.buried,
        observations_in=lambda _: topic.of(""),
    )


class Taken:
    """Receives from a real queue until as many messages came as were waited for."""

    def __init__(self, client: Any, url: str) -> None:
        self.client = client
        self.url = url

    def __call__(self, count: int) -> list[Any]:
        messages: list[Any] = []
        until = time.monotonic() + 10
        while len(messages) < count and time.monotonic() < until:
            answer = self.client.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageAttributeNames=["All"]
            )
            for message in answer.get("Messages", []):
                messages.append(message)
                self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        assert len(messages) == count
        return messages


def sqs_queues(stack: Any) -> Queues:
    sqs, outputs = stack.aws.client("sqs"), stack.outputs
    taken = {name: Taken(sqs, url) for name, url in outputs.items() if name.endswith("Url")}

    def bodies(name: str, kind: type[Any], count: int) -> list[Any]:
        return [decode(kind, message["Body"]) for message in taken[name](count)]

    def buried(count: int) -> list[tuple[bytes, str, str]]:
        found = []
        for message in taken["EventsDeadLettersUrl"](count):
            attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
            (record,) = decode(ObservationMessage, message["Body"]).records
            found.append((bytes(record), attributes["Reason"], attributes["SourceMessageId"]))
        return found

    return Queues(
        jobs=SqsJobQueue(Queue(sqs, outputs["DeliveriesQueueUrl"])),
        gone=SqsGoneQueue(Queue(sqs, outputs["GoneQueueUrl"])),
        ticks=SqsTickQueue(Queue(sqs, outputs["TicksQueueUrl"]), now=lambda: NOW),
        dead_letters=SqsDeadLetters(sqs, outputs["EventsDeadLettersUrl"]),
        publisher=SnsPublisher(stack.aws.client("sns"), outputs["ObservationsTopicArn"]),
        jobs_in=lambda count: bodies("DeliveriesQueueUrl", DeliveryJob, count),
        gone_in=lambda count: [c for m in bodies("GoneQueueUrl", GoneMessage, count) for c in m.connections],
        ticks_in=lambda count: [Tick(m.rate, m.slot) for m in bodies("TicksQueueUrl", TickMessage, count)],
        buried_in=buried,
        observations_in=lambda count: [
            decode_record(record)
            for message in bodies("EventsQueueUrl", ObservationMessage, count)
            for record in message.records
        ],
    )


@pytest.fixture(params=["fake", "aws"])
def queues(request: pytest.FixtureRequest) -> Iterator[Queues]:
    if request.param == "fake":
        yield fake_queues()
        return
    stack = request.getfixturevalue("ministack")
    for name, url in stack.outputs.items():
        if name.endswith("Url"):
            stack.aws.client("sqs").purge_queue(QueueUrl=url)
    yield sqs_queues(stack)


def job(name: str, size: int = 0) -> DeliveryJob:
    update = msgspec.Raw(b'"' + b"x" * size + b'"')
    return DeliveryJob(id=name, frames=[Frame(to=["c"], updates=[0])], updates=[update])


def test_every_job_that_is_sent_arrives_as_it_was(queues):
    jobs = [job(f"j{n}") for n in range(23)]  # more than two batches of SendMessageBatch
    assert list(queues.jobs.send([encode(one) for one in jobs])) == []
    assert sorted(encode(one) for one in queues.jobs_in(23)) == sorted(encode(one) for one in jobs)


def test_large_jobs_are_sent_although_a_batch_has_a_limit(queues):
    jobs = [job(f"j{n}", size=190_000) for n in range(7)]  # 1.3 MB in all; a batch takes 1 MiB
    assert list(queues.jobs.send([encode(one) for one in jobs])) == []
    assert sorted(one.id for one in queues.jobs_in(7)) == [one.id for one in jobs]


def test_nothing_to_send_is_nothing_sent(queues):
    assert list(queues.jobs.send([])) == []
    queues.ticks.send([])
    assert queues.publisher.publish([]) == 0
    assert queues.jobs_in(0) == []


def test_gone_connections_are_reported_all(queues):
    queues.gone.report([f"c{n}" for n in range(2500)])
    assert sorted(queues.gone_in(3)) == sorted(f"c{n}" for n in range(2500))


def test_a_tick_whose_slot_has_ended_arrives_now(queues):
    slot = int(NOW.timestamp()) // 5
    queues.ticks.send([Tick(5, slot), Tick(15, 1)])
    assert sorted(queues.ticks_in(2), key=str) == [Tick(15, 1), Tick(5, slot)]


def test_a_poisoned_record_is_buried_with_its_reason_and_origin(queues):
    queues.dead_letters.bury(b'{"id":1}', reason="not an observation", message_id="m1")
    assert queues.buried_in(1) == [(b'{"id":1}', "not an observation", "m1")]


def test_observations_arrive_whole_and_in_messages_of_a_hundred(queues):
    observations = [seen(f"price:c{n}", "1.5", NOW, chains=("Base",), category="Dexes") for n in range(250)]
    assert queues.publisher.publish(observations) == 3
    assert sorted(queues.observations_in(3), key=lambda found: found.id) == sorted(observations, key=lambda o: o.id)


# --- only the real ones ---


def test_a_message_for_another_try_comes_back_when_it_is_said_to(ministack):
    sqs, url = ministack.aws.client("sqs"), ministack.outputs["EventsQueueUrl"]
    sqs.purge_queue(QueueUrl=url)
    sqs.send_message(QueueUrl=url, MessageBody="again")
    (first,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=0)  # hidden for a minute
    SqsRetries(sqs, url).soon({first["ReceiptHandle"]: 0})
    (second,) = Taken(sqs, url)(1)
    assert second["Body"] == "again"


def test_retries_are_best_effort(ministack):
    sqs = ministack.aws.client("sqs")
    assert SqsRetries(sqs, ministack.outputs["EventsQueueUrl"] + "-none").soon({"handle": 1}) is None


def test_a_queue_that_is_not_there_refuses_every_job_and_says_so_of_the_rest(ministack):
    sqs, url = ministack.aws.client("sqs"), ministack.outputs["GoneQueueUrl"] + "-none"
    assert SqsJobQueue(Queue(sqs, url)).send([encode(job(f"j{n}")) for n in range(12)]) == list(range(12))
    with pytest.raises(StoreDownError):
        SqsGoneQueue(Queue(sqs, url)).report(["c"])
    with pytest.raises(StoreDownError):
        SqsTickQueue(Queue(sqs, url), now=lambda: NOW).send([Tick(5, 1)])
    with pytest.raises(StoreDownError):
        SqsDeadLetters(sqs, url).bury(b"{}", reason="r", message_id="m")
    with pytest.raises(StoreDownError):
        SnsPublisher(ministack.aws.client("sns"), "arn:aws:sns:us-east-1:000000000000:none").publish(
            [seen("price:a", "1", NOW)]
        )
