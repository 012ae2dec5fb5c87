"""What leaves a traced invocation carries its trace, so that whoever it invokes is linked to it."""

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from chalicelib.adapters.sns import SnsPublisher
from chalicelib.adapters.sqs import Queue
from chalicelib.telemetry import invocation
from tests.fakes import FakeClock, seen
from tests.tracing import LINEAGE, ROOT, parts, traced

NOW = FakeClock()()


class FakeSqs:
    """Takes every message, but those whose ids are in ``refuses``; "down" takes none."""

    def __init__(self, *, refuses=(), down=False):
        self.entries = []
        self.refuses, self.down = refuses, down

    def send_message_batch(self, *, QueueUrl, Entries):  # noqa: N803 - boto3's names
        if self.down:
            raise ClientError({"Error": {"Code": "InternalError"}}, "SendMessageBatch")
        self.entries += Entries
        return {"Failed": [{"Id": name} for name in self.refuses]}


@pytest.fixture
def sns():
    """A real client; ``requests`` gets what it would send."""
    client = boto3.client(
        "sns", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s", endpoint_url="http://nowhere"
    )
    client.requests = []

    def answer(request, **_):
        client.requests.append(request)
        body = b"<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"
        response = AWSResponse(request.url, 200, {}, None)
        response._content = body
        return response

    client.meta.events.register("before-send.sns.Publish", answer)
    return client


def test_a_queues_message_names_the_call_that_sent_it(monkeypatch):
    client = FakeSqs()
    with traced(monkeypatch) as segment:
        Queue(client, "https://q").send([b"one", b"two"])
        sent = parts(segment)["SQS"]
    for entry in client.entries:
        attribute = entry["MessageSystemAttributes"]["AWSTraceHeader"]
        assert attribute == {
            "DataType": "String",
            "StringValue": f"Root={ROOT};Parent={sent['id']};Sampled=1;{LINEAGE}",
        }


def test_what_is_not_traced_leaves_as_it_was(monkeypatch):
    monkeypatch.delenv("_X_AMZN_TRACE_ID", raising=False)
    client = FakeSqs()
    Queue(client, "https://q").send([b"one"])
    assert client.entries == [{"Id": "0", "MessageBody": "one", "DelaySeconds": 0}]


def test_a_topics_message_carries_the_trace_in_its_request(monkeypatch, sns):
    publisher = SnsPublisher(sns, "arn:aws:sns:us-east-1:123456789012:observations")
    with traced(monkeypatch) as segment:
        publisher.publish([seen("price:a", "1", NOW)])
        publisher.publish([seen("price:a", "2", NOW)])
        calls = [part.id for part in segment.subsegments]
    headers = [request.headers["X-Amzn-Trace-Id"] for request in sns.requests]
    assert [header.decode() if isinstance(header, bytes) else header for header in headers] == [
        f"Root={ROOT};Parent={call};Sampled=1;{LINEAGE}" for call in calls
    ]


@pytest.mark.parametrize("options", [{"refuses": ["0"]}, {"down": True}])
def test_a_queue_that_does_not_take_everything_is_an_error_of_its_store(emf, options):
    with invocation("process"):
        Queue(FakeSqs(**options), "https://q").send([b"one"])
    (line,) = emf()
    assert (line["Store"], line["StoreErrors"]) == ("sqs", [1])
