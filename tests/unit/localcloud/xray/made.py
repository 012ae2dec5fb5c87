"""Documents and stores for the tests of the laptop's X-Ray."""

from localcloud.xray.document import REFERENCE, Document, Link
from localcloud.xray.invocations import SENT, SOURCE
from localcloud.xray.store import TraceStore

START = 1_700_000_000.0


def trace_id(number):
    return f"1-65532500-{number:024x}"


def span_id(number):
    return f"{number:016x}"


def at(ms):
    return START + ms / 1000


def document(number, name="process", *, trace=1, start=0, end=10, parent=None, **fields):
    """A segment of trace ``trace``, with times in milliseconds after START."""
    return Document(
        id=span_id(number),
        name=name,
        trace_id=trace_id(trace),
        parent_id=None if parent is None else span_id(parent),
        start_time=at(start),
        end_time=None if end is None else at(end),
        **fields,
    )


def subsegment(number, name, *, parent, **fields):
    return document(number, name, parent=parent, type="subsegment", **fields)


def function(number, name, *, trace, start, end, links=(), queue=None, **fields):
    """The two segments of an invocation: ``number`` of the service, ``number + 1`` of the function."""
    metadata = {"localcloud": {SOURCE: f"arn:aws:sqs:us-east-1:000000000000:{queue}"}} if queue else {}
    common = {"trace": trace, "start": start, "end": end}
    return [
        document(number, name, **common, origin="AWS::Lambda", links=list(links), metadata=metadata),
        document(number + 1, name, **common, parent=number, origin="AWS::Lambda::Function", **fields),
    ]


def link(trace, span, sent=None):
    attributes = {REFERENCE: "parent"} | ({} if sent is None else {SENT: at(sent)})
    return Link(trace_id(trace), span_id(span), attributes)


def store_of(documents, **limits):
    store = TraceStore(**limits)
    for made in documents:
        store.put(made)
    return store


def a_changes_way():
    """poll publishes (0-50 ms), process sequences (60-80), two deliveries send (90-100, 95-110): traces 1 to 4."""
    sns = {"operation": "Publish", "topic_arn": "arn:aws:sns:us-east-1:000000000000:observations"}
    sqs = {"operation": "SendMessageBatch", "queue_url": "http://127.0.0.1:1/000000000000/deliveries"}
    return [
        *function(10, "poll", trace=1, start=0, end=50),
        subsegment(15, "SNS", trace=1, parent=11, start=40, end=48, namespace="aws", aws=sns),
        *function(20, "process", trace=2, start=60, end=80, links=[link(1, 15, sent=47)], queue="events"),
        subsegment(25, "Redis", trace=2, parent=21, start=61, end=64, namespace="remote"),
        subsegment(26, "SQS", trace=2, parent=21, start=70, end=78, namespace="aws", aws=sqs),
        *function(30, "deliver", trace=3, start=90, end=100, links=[link(2, 26, sent=75)], queue="deliveries"),
        *function(40, "deliver", trace=4, start=95, end=110, links=[link(2, 26, sent=76)], queue="deliveries"),
    ]
