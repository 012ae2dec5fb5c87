"""SQS batches in, partial batch failures out. A batch's good records never come again because of a bad one."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import structlog

from chalicelib.errors import DefiStreamError, PoisonError
from chalicelib.ports import Tick
from chalicelib.protocol.envelopes import DeliveryJob, GoneMessage, TickMessage, decode
from chalicelib.services.process import Message
from chalicelib.telemetry import invocation, metrics, tracing

if TYPE_CHECKING:
    from chalicelib.services.conflation import Conflation
    from chalicelib.services.delivery import Deliver
    from chalicelib.services.evaluate import EvaluateRules
    from chalicelib.services.history import RecordHistory
    from chalicelib.services.notify import Notify
    from chalicelib.services.process import ProcessObservations
    from chalicelib.services.sessions import ManageSessions

log = structlog.get_logger()

# What a delivery keeps of its 20 s for putting what is left back on the queue: at worst the queue's client takes 6 s.
REQUEUE_RESERVE_S = 7.0


def process(event: Any, service: ProcessObservations) -> dict[str, Any]:
    with invocation("process", **_fields(event)):
        return _failures(service.run(_messages(event)).failed)


def record(event: Any, service: RecordHistory) -> dict[str, Any]:
    with invocation("record", **_fields(event)):
        return _failures(service.run(_messages(event)).failed)


def evaluate(event: Any, service: EvaluateRules) -> dict[str, Any]:
    with invocation("evaluate", **_fields(event)):
        return _failures(service.run(_messages(event)).failed)


def tick(event: Any, service: Conflation) -> dict[str, Any]:
    with invocation("tick", **_fields(event)):
        failed: dict[str, str] = {}
        for record in event.to_dict()["Records"]:
            try:
                message = decode(TickMessage, record["body"])
                service.flush(Tick(message.rate, message.slot))
            except DefiStreamError as error:
                log.error("tick_failed", message_id=record["messageId"], reason=str(error))
                failed[record["messageId"]] = record["receiptHandle"]
        if failed:
            service.retry_soon(dict.fromkeys(failed.values(), 2))
        return _failures(failed)


def deliver(event: Any, service: Deliver) -> dict[str, Any]:
    with invocation("deliver", **_fields(event)):
        jobs, ids, failed = [], [], []
        for record in event.to_dict()["Records"]:
            try:
                jobs.append(decode(DeliveryJob, record["body"]))
                ids.append(record["messageId"])
            except PoisonError as error:
                log.error("job_undecodable", message_id=record["messageId"], reason=str(error))
                metrics.count("PoisonRecords")
                failed.append(record["messageId"])
        if jobs:
            left_s = event.context.get_remaining_time_in_millis() / 1000
            report = service.run(jobs, deadline=time.monotonic() + max(0.5, left_s - REQUEUE_RESERVE_S))
            failed += [ids[index] for index in report.failed_jobs]
        return _failures(failed)


def notify(event: Any, service: Notify) -> dict[str, Any]:
    with invocation("notify", **_fields(event)):
        return _failures(service.run(_messages(event)))


def prune(event: Any, service: ManageSessions) -> dict[str, Any]:
    with invocation("prune", **_fields(event)):
        failed = []
        for record in event.to_dict()["Records"]:
            try:
                connections = decode(GoneMessage, record["body"]).connections
                service.end(connections)
                log.info("pruned", connections=connections)
            except DefiStreamError as error:
                log.error("prune_failed", message_id=record["messageId"], reason=str(error))
                failed.append(record["messageId"])
        return _failures(failed)


def _messages(event: Any) -> list[Message]:
    return [
        Message(
            id=record["messageId"],
            body=record["body"],
            receipt=record["receiptHandle"],
            receives=int(record["attributes"]["ApproximateReceiveCount"]),
            sent_ms=int(record["attributes"].get("SentTimestamp", 0)),
        )
        for record in event.to_dict()["Records"]
    ]


def _failures(ids: Iterable[str]) -> dict[str, Any]:
    failed = sorted(ids)
    metrics.count("ProcessingErrors", len(failed))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _fields(event: Any) -> dict[str, Any]:
    headers = (record["attributes"].get("AWSTraceHeader") for record in event.to_dict()["Records"])
    return {
        "request_id": getattr(event.context, "aws_request_id", None),
        "caused_by": tracing.causes(headers) or None,  # traces of a queue are linked to ours, not part of it
    }
