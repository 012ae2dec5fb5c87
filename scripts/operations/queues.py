"""A stage's queues as its stack names them, and what is done with dead letters."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from scripts.deployment.errors import RefusedError, StackError
from scripts.operations.place import Place

QUEUE = "AWS::SQS::Queue"
DEAD = "-dead-letters"
BATCH = 10  # SQS, of a receive, a send and a delete
BATCH_BYTES = 240 * 1024  # of a send; our own messages stay below 200 KB
AGE_MINUTES = 5  # CloudWatch has a queue's age some minutes late
HOLD_S = 60  # while a message is moved nobody else sees it
LOOK_S = 1
FRUITLESS_MAX = 2  # empty answers in a row before a queue counts as empty: SQS asks some of its servers only


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue now. ``source`` is the queue whose dead letters it takes; ``oldest_s`` is None where nobody tells it."""

    name: str
    url: str
    arn: str
    waiting: int
    in_flight: int
    delayed: int
    oldest_s: int | None
    dead_letters: str | None
    source: str | None = None

    @property
    def is_for_dead_letters(self) -> bool:
        return self.source is not None or self.name.endswith(DEAD)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "waiting": self.waiting,
            "in_flight": self.in_flight,
            "delayed": self.delayed,
            "oldest_s": self.oldest_s,
            "dead_letters": self.dead_letters,
            "source": self.source,
            "url": self.url,
        }


@dataclass(frozen=True, slots=True)
class Message:
    """A message as a peek finds it: it stays where it is."""

    id: str
    sent: datetime
    receives: int
    body: str

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "sent": self.sent.isoformat(), "receives": self.receives, "body": _decoded(self.body)}


class Queues:
    """Every queue of a stage's stack, whichever they are."""

    def __init__(self, place: Place, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._place = place
        self._sqs = place.client("sqs")
        self._sleep = sleep

    def all(self) -> list[Queue]:
        """By name, each with the queue of its dead letters after it. Raises RefusedError if there is no stack."""
        found = [self._queue(url) for url in self._place.of_type(QUEUE).values()]
        names = {queue.arn: queue.name for queue in found}
        sources = {queue.dead_letters: queue.name for queue in found if queue.dead_letters}
        ages = self._ages(found) if self._place.is_aws else {}
        queues = [
            replace(
                queue,
                dead_letters=names.get(queue.dead_letters or ""),
                source=sources.get(queue.arn),
                oldest_s=ages.get(queue.name, queue.oldest_s),
            )
            for queue in found
        ]
        return sorted(queues, key=lambda queue: (queue.source or queue.name, queue.name))

    def named(self, name: str) -> Queue:
        """Raises RefusedError, naming those that there are."""
        queues = {queue.name: queue for queue in self.all()}
        if name not in queues:
            raise RefusedError(f"no queue {name!r}; there are {', '.join(queues)}")
        return queues[name]

    def peek(self, queue: Queue, limit: int) -> list[Message]:
        """Up to ``limit`` messages, the oldest first as far as SQS knows; each counts as received once more."""
        held = {one["MessageId"]: one for batch in self._received(queue, limit) for one in batch}
        for batch in _batches(list(held.values())):
            handles = [one["ReceiptHandle"] for one in batch]
            shown = [{"Id": str(i), "ReceiptHandle": each, "VisibilityTimeout": 0} for i, each in enumerate(handles)]
            self._sqs.change_message_visibility_batch(QueueUrl=queue.url, Entries=shown)
        return sorted((_message(one) for one in held.values()), key=lambda message: message.sent)

    def redrive(
        self, dead: Queue, to: Queue, *, limit: int, per_s: float, moved: Callable[[int], None] = lambda _: None
    ) -> int:
        """Send up to ``limit`` dead letters back, at most ``per_s`` a second; returns how many.

        At least once: each is deleted only after it was sent, so that an interruption loses none. Raises StackError if
        SQS does not take one; those before it are moved.
        """
        count = 0
        for received in self._received(dead, limit):
            for batch in _batches(received):
                refused = self._send(to, batch)
                taken = [one for i, one in enumerate(batch) if str(i) not in refused]
                self._delete(dead, taken)
                count += len(taken)
                moved(count)
                if refused:
                    raise StackError(f"{to.name} did not take {len(refused)} messages: {next(iter(refused.values()))}")
                self._sleep(len(batch) / per_s)
        return count

    def purge(self, queue: Queue) -> None:
        """Delete every message. Raises RefusedError for a queue that is not for dead letters."""
        if not queue.is_for_dead_letters:
            raise RefusedError(f"{queue.name} is at work: only dead letters are purged")
        self._sqs.purge_queue(QueueUrl=queue.url)

    def _queue(self, url: str) -> Queue:
        told: Mapping[str, str] = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        age = told.get("ApproximateAgeOfOldestMessage")  # localcloud tells it; SQS tells CloudWatch alone
        return Queue(
            name=url.rpartition("/")[2].removeprefix(self._place.prefix),
            url=url,
            arn=told["QueueArn"],
            waiting=int(told["ApproximateNumberOfMessages"]),
            in_flight=int(told["ApproximateNumberOfMessagesNotVisible"]),
            delayed=int(told.get("ApproximateNumberOfMessagesDelayed", 0)),
            oldest_s=None if age is None else int(age),
            dead_letters=json.loads(told.get("RedrivePolicy", "{}")).get("deadLetterTargetArn"),
        )

    def _ages(self, queues: Sequence[Queue]) -> dict[str, int]:
        """By CloudWatch, of its newest minute: none of a queue that has been empty for long."""
        ids = {f"q{i}": queue.name for i, queue in enumerate(queues)}
        now = datetime.now(UTC)
        found = self._place.client("cloudwatch").get_metric_data(
            MetricDataQueries=[
                {"Id": key, "MetricStat": _age_metric(f"{self._place.prefix}{name}")} for key, name in ids.items()
            ],
            StartTime=now - timedelta(minutes=AGE_MINUTES),
            EndTime=now,
        )
        return {ids[each["Id"]]: int(each["Values"][0]) for each in found["MetricDataResults"] if each["Values"]}

    def _received(self, queue: Queue, limit: int) -> Iterator[list[Any]]:
        """Until the limit, or until the queue is empty."""
        left, fruitless = limit, 0
        while left and fruitless < FRUITLESS_MAX:
            batch = self._sqs.receive_message(
                QueueUrl=queue.url,
                MaxNumberOfMessages=min(BATCH, left),
                VisibilityTimeout=HOLD_S,
                WaitTimeSeconds=LOOK_S if fruitless else 0,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            fruitless = 0 if batch else fruitless + 1
            if batch:
                left -= len(batch)
                yield batch

    def _send(self, to: Queue, batch: Sequence[Any]) -> dict[str, str]:
        """Why some were not taken, by their place in the batch."""
        entries = []
        for i, one in enumerate(batch):
            attributes = one.get("MessageAttributes")
            more = {"MessageAttributes": attributes} if attributes else {}
            entries.append({"Id": str(i), "MessageBody": one["Body"], **more})
        failed = self._sqs.send_message_batch(QueueUrl=to.url, Entries=entries).get("Failed", [])
        return {each["Id"]: each.get("Message") or each["Code"] for each in failed}

    def _delete(self, queue: Queue, batch: Sequence[Any]) -> None:
        entries = [{"Id": str(i), "ReceiptHandle": one["ReceiptHandle"]} for i, one in enumerate(batch)]
        if entries:
            self._sqs.delete_message_batch(QueueUrl=queue.url, Entries=entries)


def _message(one: Mapping[str, Any]) -> Message:
    about = one.get("Attributes", {})
    sent = datetime.fromtimestamp(int(about.get("SentTimestamp", 0)) / 1000, UTC)
    return Message(one["MessageId"], sent, int(about.get("ApproximateReceiveCount", 1)), one["Body"])


def _decoded(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


def _batches(messages: Sequence[Any]) -> Iterator[list[Any]]:
    """As one request takes them: ten, of so many bytes together."""
    batch: list[Any] = []
    size = 0
    for one in messages:
        length = len(one["Body"].encode())
        if batch and (len(batch) == BATCH or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += length
    if batch:
        yield batch


def _age_metric(name: str) -> dict[str, Any]:
    return {
        "Metric": {
            "Namespace": "AWS/SQS",
            "MetricName": "ApproximateAgeOfOldestMessage",
            "Dimensions": [{"Name": "QueueName", "Value": name}],
        },
        "Period": 60,
        "Stat": "Maximum",
    }
