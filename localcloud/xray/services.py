"""Who a span speaks of: the nodes of the service map.

A subsegment in the namespace ``aws`` or ``remote`` is a call of something that sends no segments of its own; X-Ray
infers a node for it. All other subsegments are a function's own parts.
"""

from __future__ import annotations

from typing import NamedTuple

from localcloud.xray.document import Document, Span

QUEUE = "AWS::SQS::Queue"
FUNCTION = "AWS::Lambda::Function"
_SERVICE = "AWS::Lambda"  # the time in the service around a function; on the map it is the function

# By the name that the SDK gives a call: the node's type, and where the document names the resource.
_RESOURCES = {
    "SQS": (QUEUE, "queue_url"),
    "SNS": ("AWS::SNS", "topic_arn"),
    "DynamoDB": ("AWS::DynamoDB::Table", "table_name"),
}


class Service(NamedTuple):
    """A node: its name, and its type as X-Ray writes it."""

    name: str
    type: str


def of_segment(span: Span) -> Service:
    """Who sent a segment."""
    kind = FUNCTION if span.origin in (None, _SERVICE) else span.origin
    return Service(span.name, kind)


def is_function(span: Span) -> bool:
    """Whether this is what a function did, without the time in the service around it."""
    return span.segment and span.origin != _SERVICE


def called(span: Span) -> Service | None:
    """Whom a subsegment called, or None when it tells of work of the function's own."""
    document = span.document
    if span.segment or document.namespace not in ("aws", "remote"):
        return None
    if document.namespace == "aws":
        return _of_aws(document)
    return Service(document.name, "Database::SQL" if document.sql else "remote")


def queue(arn: str) -> Service:
    """A queue by its ARN or its URL."""
    return Service(arn.replace("/", ":").rpartition(":")[2], QUEUE)


def _of_aws(document: Document) -> Service:
    kind, key = _RESOURCES.get(document.name, (f"AWS::{document.name}", ""))
    resource = str(document.aws.get(key) or document.name)
    return Service(resource.replace("/", ":").rpartition(":")[2], kind)
