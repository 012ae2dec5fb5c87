"""Segment documents: what the daemon is sent, and the spans that are kept of it.

The fields are those of X-Ray's developer guide, "AWS X-Ray segment documents". ``links`` is not on that page; its
shape is the one that the OpenTelemetry exporter for X-Ray writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

from localcloud.xray.header import SEGMENT_ID, TRACE_ID

MAX_DOCUMENT_BYTES = 64 * 1024  # "A segment document can be up to 64 kB"
REFERENCE = "aws.xray.reserved.reference_type"  # of a link: "parent" on the side of the consumer

Id = Annotated[str, msgspec.Meta(pattern=SEGMENT_ID)]
TraceId = Annotated[str, msgspec.Meta(pattern=TRACE_ID)]


class DocumentError(ValueError):
    """This is no segment document; the message says why."""


class Link(msgspec.Struct, frozen=True):
    """Another trace that led to this one; ``id`` is the span in it that sent the message."""

    trace_id: TraceId
    id: Id | None = None
    attributes: dict[str, Any] = {}


class Document(msgspec.Struct):
    """A segment with its subsegments, or one subsegment that was sent by itself. Times are seconds since 1970."""

    id: Id
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    start_time: float
    trace_id: TraceId | None = None
    parent_id: Id | None = None
    end_time: float | None = None
    in_progress: bool = False
    type: str | None = None
    namespace: str | None = None
    origin: str | None = None
    resource_arn: str | None = None
    error: bool = False
    fault: bool = False
    throttle: bool = False
    http: dict[str, Any] = {}
    aws: dict[str, Any] = {}
    sql: dict[str, Any] = {}
    annotations: dict[str, str | int | float | bool] = {}
    metadata: dict[str, Any] = {}
    cause: dict[str, Any] | str = {}
    links: list[Link] = []
    subsegments: list[Document] = []


@dataclass(frozen=True, slots=True)
class Span:
    """One segment or subsegment of a trace. ``end`` is None while it is in progress."""

    trace_id: str
    id: str
    parent_id: str | None
    name: str
    start: float
    end: float | None
    segment: bool
    document: Document = field(repr=False)

    @property
    def origin(self) -> str | None:
        return self.document.origin

    @property
    def duration_ms(self) -> float | None:
        return None if self.end is None else round((self.end - self.start) * 1000, 3)

    def told_here(self, name: str) -> Any:
        """What localcloud wrote into its metadata, or None."""
        ours = self.document.metadata.get("localcloud")
        return ours.get(name) if isinstance(ours, dict) else None

    @property
    def failed(self) -> bool:
        return self.document.error or self.document.fault or self.document.throttle


_decode = msgspec.json.Decoder(Document).decode
_decode_header = msgspec.json.Decoder(dict[str, Any]).decode


def read_datagram(data: bytes) -> Document:
    """The document of one datagram of the daemon's protocol: a line of header, then JSON. Raises DocumentError."""
    line, found, body = data.partition(b"\n")
    if not found:
        raise DocumentError("no header line")
    try:
        header = _decode_header(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DocumentError(f"the header is no JSON object: {error}") from None
    if header.get("format") != "json" or header.get("version") != 1:
        raise DocumentError(f"the header asks for {header.get('format')!r}, version {header.get('version')!r}")
    return read_document(body)


def read_document(body: bytes) -> Document:
    """A document that stands for itself. Raises DocumentError."""
    if len(body) > MAX_DOCUMENT_BYTES:
        raise DocumentError(f"{len(body)} bytes are more than {MAX_DOCUMENT_BYTES}")
    try:
        document = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DocumentError(str(error)) from None
    if document.trace_id is None:
        raise DocumentError("no trace_id")
    if document.type == "subsegment" and document.parent_id is None:
        raise DocumentError("a subsegment that is sent by itself needs a parent_id")
    return document


def spans_of(document: Document) -> Iterator[Span]:
    """The document's segment and all subsegments below it, parents first."""
    assert document.trace_id is not None  # noqa: S101 - read_document has seen to it
    waiting = [(document, document.parent_id, document.type != "subsegment")]
    while waiting:
        part, parent_id, segment = waiting.pop()
        end = None if part.end_time is None else max(part.start_time, part.end_time)
        yield Span(document.trace_id, part.id, parent_id, part.name, part.start_time, end, segment, part)
        waiting += [(below, part.id, False) for below in reversed(part.subsegments)]
