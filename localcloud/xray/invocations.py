"""Lambda's part of a trace: the header that a function finds, and the segments of each invocation.

The function's own segments (``AWS::Lambda`` for the time in the service, ``AWS::Lambda::Function`` below it) are made
here; what the SDK sends from inside the function are subsegments of the second. A caller's header is followed. A
batch of messages begins a trace of its own, linked to the traces of its messages: X-Ray's developer guide, "Tracing
event-driven applications".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from localcloud.xray.document import REFERENCE, Document, Link
from localcloud.xray.header import TraceHeader, new_segment_id, new_trace_id
from localcloud.xray.invokers import INVOKED_BY, invoker
from localcloud.xray.sampling import NOTHING, Sampler

MAX_LINKS = 20  # "Each trace segment can be linked to up to 20 traces"
SENT = "localcloud.sent_timestamp"  # of a link: when SQS took the message, in seconds since 1970
SOURCE = "event_source"  # in the metadata of a segment under "localcloud": the queue's ARN


@dataclass(frozen=True, slots=True)
class _Caller:
    """What an event says of the traces before it."""

    header: TraceHeader
    links: tuple[Link, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)  # metadata of the segment


class Tracer:
    """Gives every invocation its trace; ``put`` takes the segments of those that are sampled."""

    def __init__(
        self,
        put: Callable[[Document], None] = lambda _: None,
        *,
        sampler: Sampler | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._put = put
        self._sampler = sampler or Sampler([NOTHING])
        self._now = now

    def begin(
        self, function: str, event: Any, *, arn: str, request_id: str, header: str | None = None
    ) -> InvocationTrace:
        """The trace of an invocation that Lambda has just received; ``header`` is its caller's, if it sent one."""
        caller = _of_messages(event) or _Caller(TraceHeader.parse(header), told={INVOKED_BY: invoker(event)})
        sampled = caller.header.sampled
        if sampled is None:
            sampled = self._sampler.decide(service=function, arn=arn)
        root = caller.header.root or new_trace_id(self._now())
        segment = Document(
            id=new_segment_id(),
            name=function,
            trace_id=root,
            parent_id=caller.header.parent,
            start_time=self._now(),
            origin="AWS::Lambda",
            resource_arn=arn,
            aws={"request_id": request_id},
            links=list(caller.links),
            metadata={"localcloud": dict(caller.told)},
        )
        return InvocationTrace(segment, sampled=sampled, put=self._put, now=self._now)


class InvocationTrace:
    """``header`` is what the function finds in ``_X_AMZN_TRACE_ID``."""

    def __init__(
        self, segment: Document, *, sampled: bool, put: Callable[[Document], None], now: Callable[[], float]
    ) -> None:
        self._service = segment
        self._sampled = sampled
        self._put = put
        self._now = now
        self._function_id = new_segment_id()
        self._cold = False
        self._worked_from = segment.start_time
        self.header = str(TraceHeader(segment.trace_id, self._function_id, sampled))

    def work(self, *, cold: bool) -> None:
        """The function is about to be called, in a worker that was made for it if ``cold``."""
        self._worked_from = self._now()
        self._cold = cold

    def end(self, error: Mapping[str, Any] | None) -> None:
        """It has answered; ``error`` is Lambda's object of a function that failed."""
        if not self._sampled:
            return
        self._service.end_time = self._now()
        self._service.http = {"response": {"status": 200}}  # Lambda's own answer: also a failed function was run
        self._put(self._service)
        self._put(self._function(error))

    def _function(self, error: Mapping[str, Any] | None) -> Document:
        service = self._service
        parts = [self._part("Invocation", self._worked_from, service.end_time)]
        if self._cold:
            parts.insert(0, self._part("Initialization", service.start_time, self._worked_from))
        return Document(
            id=self._function_id,
            name=service.name,
            trace_id=service.trace_id,
            parent_id=service.id,
            start_time=parts[0].start_time,
            end_time=service.end_time,
            origin="AWS::Lambda::Function",
            resource_arn=service.resource_arn,
            aws={**service.aws, "cold_start": self._cold},
            fault=error is not None,
            cause=_cause(error) if error else {},
            subsegments=parts,
        )

    @staticmethod
    def _part(name: str, start: float, end: float | None) -> Document:
        return Document(id=new_segment_id(), name=name, start_time=start, end_time=end)


def _of_messages(event: Any) -> _Caller | None:
    """What an event of SQS says; None for any other event.

    Traced if a message's sender was; where every sender says no, not; where none says anything it is to be decided.
    """
    records = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(records, list) or not records or not all(_is_of_sqs(record) for record in records):
        return None
    said = [TraceHeader.parse(record["attributes"].get("AWSTraceHeader")).sampled for record in records]
    sampled = True if True in said else False if False in said else None
    links: dict[str, Link] = {}
    for link in _links(records):
        links.setdefault(link.trace_id, link)  # of the messages of one trace the first
    told = {SOURCE: records[0].get("eventSourceARN")}
    return _Caller(TraceHeader(sampled=sampled), tuple(islice(links.values(), MAX_LINKS)), told)


def _is_of_sqs(record: Any) -> bool:
    return (
        isinstance(record, dict)
        and record.get("eventSource") == "aws:sqs"
        and isinstance(record.get("attributes"), dict)
    )


def _links(records: list[dict[str, Any]]) -> Iterator[Link]:
    for record in records:
        header = TraceHeader.parse(record["attributes"].get("AWSTraceHeader"))
        if header.root and header.sampled:
            attributes: dict[str, Any] = {REFERENCE: "parent"}
            if sent_ms := record["attributes"].get("SentTimestamp"):
                attributes[SENT] = int(sent_ms) / 1000
            yield Link(header.root, header.parent, attributes)


def _cause(error: Mapping[str, Any]) -> dict[str, Any]:
    exception = {
        "id": new_segment_id(),
        "type": error.get("errorType"),
        "message": error.get("errorMessage"),
        "remote": False,
    }
    return {"exceptions": [exception]}
