"""The rules of an SQS event source mapping, without any I/O: which mapping Lambda refuses, the event that a
batch becomes, and what the function's answer means for its messages.

The rules are those of the Lambda guide, "Handling errors for an SQS event source in Lambda" and "Using Lambda
with Amazon SQS".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from localcloud.functions import FunctionSpec

Message = dict[str, Any]  # as ReceiveMessage gives it

MAX_EVENT_BYTES = 6 * 1024 * 1024  # the quota of an invocation's payload ends a batch early
_ENVELOPE_BYTES = 1024  # a record's attributes, receipt and names, generously


class EventSourceError(ValueError):
    """Lambda would refuse this event source mapping; the message has every reason."""


def faults_of(spec: FunctionSpec, attributes: Mapping[str, str]) -> list[str]:
    """Why Lambda would refuse the mapping of a queue with these attributes; an empty list if it would not."""
    fifo = attributes.get("FifoQueue") == "true"
    visibility_s = int(attributes.get("VisibilityTimeout", 30))
    most = spec.maximum_concurrency
    checks = {
        f"the function's timeout of {spec.timeout_s:g} s is above the queue's visibility timeout of {visibility_s} s": (
            spec.timeout_s > visibility_s
        ),
        f"a batch size of {spec.batch_size} is not within 1 and 10000": not 1 <= spec.batch_size <= 10_000,
        f"a batch size of {spec.batch_size}, above 10, needs a batching window of at least 1 s": (
            spec.batch_size > 10 and spec.window_s < 1 and not fifo
        ),
        f"a batch size of {spec.batch_size} is above 10, the most for a FIFO queue": fifo and spec.batch_size > 10,
        f"a batching window of {spec.window_s} s is not within 0 and 300": not 0 <= spec.window_s <= 300,
        "a FIFO queue has no batching window": fifo and spec.window_s > 0,
        f"a maximum concurrency of {most} is not within 2 and 1000": most is not None and not 2 <= most <= 1000,
    }
    return [fault for fault, holds in checks.items() if holds]


def to_event(messages: Iterable[Message], *, queue_arn: str, region: str) -> dict[str, Any]:
    """The event that Lambda invokes a function with."""
    return {"Records": [_record(message, queue_arn, region) for message in messages]}


def _record(message: Message, queue_arn: str, region: str) -> dict[str, Any]:
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: _attribute(value) for name, value in (message.get("MessageAttributes") or {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": region,
    }
    if "MD5OfMessageAttributes" in message:
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return record


def _attribute(value: dict[str, Any]) -> dict[str, Any]:
    """SQS writes StringValue, Lambda writes stringValue, and lists that SQS does not use are there but empty."""
    attribute = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if value.get("StringValue") is not None:
        attribute["stringValue"] = value["StringValue"]
    if value.get("BinaryValue") is not None:
        attribute["binaryValue"] = value["BinaryValue"]  # base64 already, on the JSON protocol
    return attribute


def split(messages: Iterable[Message], *, most: int, max_bytes: int = MAX_EVENT_BYTES) -> Iterator[list[Message]]:
    """Batches of at most ``most`` messages and about ``max_bytes``, in order; one message always fits."""
    batch: list[Message] = []
    size = 0
    for message in messages:
        added = len(message["Body"].encode()) + _ENVELOPE_BYTES
        if batch and (len(batch) == most or size + added > max_bytes):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += added
    if batch:
        yield batch


def done_of(messages: Sequence[Message], answer: Any, *, reports_failures: bool) -> list[Message]:
    """The messages to delete after an answer that was no error.

    Without ReportBatchItemFailures: all. With it: a null answer, an empty object and an absent, null or empty
    ``batchItemFailures`` are success, listed ids stay in the queue. Anything that cannot be understood (an
    answer or a list of another type, an item without ``itemIdentifier``, an empty, null or unknown id) fails
    the whole batch, so that nothing is lost to a slip in a handler.
    """
    if not reports_failures or answer is None:
        return list(messages)
    if not isinstance(answer, dict):
        return []
    failures = answer.get("batchItemFailures")
    if failures is None:
        return list(messages)
    if not isinstance(failures, list):
        return []
    listed = [failure.get("itemIdentifier") if isinstance(failure, dict) else None for failure in failures]
    known = {message["MessageId"] for message in messages}
    if any(not isinstance(name, str) or name not in known for name in listed):
        return []
    return [message for message in messages if message["MessageId"] not in listed]
