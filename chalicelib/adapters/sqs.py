"""The queues: deliveries, gone, ticks, and the dead letters of events."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import StoreDownError
from chalicelib.ports import Tick
from chalicelib.protocol.envelopes import GoneMessage, ObservationMessage, TickMessage, encode
from chalicelib.telemetry import tracing
from chalicelib.telemetry.outside import SQS, failed, outside

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import (
        ChangeMessageVisibilityBatchRequestEntryTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

ENTRIES = 10  # SendMessageBatch
BATCH_BYTES = 1_000_000  # SendMessageBatch takes 1 MiB in all
MAX_DELAY_S = 900
CONNECTIONS_PER_MESSAGE = 1000


class Queue:
    """One queue."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(
        self, bodies: Sequence[bytes], *, delays_s: Sequence[int] | None = None, tenants: Sequence[str] | None = None
    ) -> list[int]:
        """Enqueue all; returns the indices of those not taken (SendMessageBatch answers 200 with a Failed list).

        ``tenants``: SQS hands the messages of one who keeps many under way out after those of others (fair queues).
        """
        refused: list[int] = []
        for batch in _batches(bodies):
            try:
                with outside(SQS, "SendMessageBatch", queue_url=self._url):
                    entries = [
                        _entry(at, bodies[at], delays_s[at] if delays_s else 0, tenants[at] if tenants else "")
                        for at in batch
                    ]
                    answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
            except (BotoCoreError, ClientError):
                refused += batch
                continue
            if answer.get("Failed"):
                failed(SQS)
            refused += [int(entry["Id"]) for entry in answer.get("Failed", [])]
        return refused


def _entry(index: int, body: bytes, delay_s: int, tenant: str) -> SendMessageBatchRequestEntryTypeDef:
    entry: SendMessageBatchRequestEntryTypeDef = {
        "Id": str(index),
        "MessageBody": body.decode(),
        "DelaySeconds": min(MAX_DELAY_S, delay_s),
    }
    if tenant:  # as a digest: a user's name may have characters that SQS does not take
        entry["MessageGroupId"] = hashlib.sha256(tenant.encode()).hexdigest()[:32]
    if header := tracing.header():
        entry["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": header}}
    return entry


def _batches(bodies: Sequence[bytes]) -> list[list[int]]:
    batches: list[list[int]] = []
    size = 0
    for index, body in enumerate(bodies):
        if not batches or len(batches[-1]) == ENTRIES or size + len(body) > BATCH_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(index)
        size += len(body)
    return batches


class SqsJobQueue:
    """ports.JobQueue."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def send(self, bodies: Sequence[bytes], *, delay_s: int = 0) -> list[int]:
        return self._queue.send(bodies, delays_s=[delay_s] * len(bodies))


class SqsGoneQueue:
    """ports.GoneQueue."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def report(self, connections: Sequence[str]) -> None:
        starts = range(0, len(connections), CONNECTIONS_PER_MESSAGE)
        parts = [list(connections[start : start + CONNECTIONS_PER_MESSAGE]) for start in starts]
        if self._queue.send([encode(GoneMessage(connections=part)) for part in parts]):
            raise StoreDownError("the gone queue did not take every message")


class SqsTickQueue:
    """ports.TickQueue: a tick arrives at the end of its slot, up to a second late (delays are whole seconds)."""

    def __init__(self, queue: Queue, *, now: Callable[[], datetime]) -> None:
        self._queue = queue
        self._now = now

    def send(self, ticks: Sequence[Tick]) -> None:
        now = self._now().timestamp()
        bodies = [encode(TickMessage(rate=tick.rate_s, slot=tick.slot)) for tick in ticks]
        delays = [max(0, math.ceil(tick.rate_s * tick.slot - now)) for tick in ticks]
        if self._queue.send(bodies, delays_s=delays):
            raise StoreDownError("the ticks queue did not take every message")


class SqsDeadLetters:
    """ports.DeadLetters: the record as a message of its own, so that it can be redriven once it is understood."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def bury(self, record: bytes, *, reason: str, message_id: str) -> None:
        body = encode(ObservationMessage(records=[msgspec.Raw(record)])).decode(errors="replace")
        try:
            with outside(SQS, "SendMessage", queue_url=self._url):
                self._client.send_message(
                    QueueUrl=self._url,
                    MessageBody=body,
                    MessageAttributes={
                        "Reason": {"DataType": "String", "StringValue": reason[:1000] or "unknown"},
                        "SourceMessageId": {"DataType": "String", "StringValue": message_id},
                    },
                )
        except (BotoCoreError, ClientError) as error:
            raise StoreDownError(f"the dead-letter queue did not take a record: {type(error).__name__}") from error


class SqsRetries:
    """ports.Retries, since a visibility timeout, six times its function's, is long to wait for a passing fault."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def soon(self, delays_s: Mapping[str, int]) -> None:
        """Receipt handle → seconds. Best effort: without it they come back when their visibility ends."""
        handles = list(delays_s)
        for start in range(0, len(handles), ENTRIES):
            entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
                {"Id": str(index), "ReceiptHandle": handle, "VisibilityTimeout": delays_s[handle]}
                for index, handle in enumerate(handles[start : start + ENTRIES])
            ]
            try:
                with outside(SQS, "ChangeMessageVisibilityBatch", queue_url=self._url):
                    self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)
            except (BotoCoreError, ClientError):
                return
