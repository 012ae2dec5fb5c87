"""The rules of an SQS event source mapping, case by case as the Lambda guide lists them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.eventsource import done_of, faults_of, split, to_event
from localcloud.functions import FunctionSpec

MESSAGES = [
    {"MessageId": name, "ReceiptHandle": f"r-{name}", "Body": "{}", "MD5OfBody": "99914b932bd37a50b983c5e7c90ae93b"}
    for name in ("a", "b", "c")
]


def left(answer):
    done = done_of(MESSAGES, answer, reports_failures=True)
    return "".join(message["MessageId"] for message in MESSAGES if message not in done)


@pytest.mark.parametrize(
    "answer", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}, {"statusCode": 200}]
)
def test_an_empty_answer_is_success(answer):
    assert left(answer) == ""


def test_listed_messages_stay():
    assert left({"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "c"}]}) == "ac"
    assert left({"batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "b"}]}) == "b"


@pytest.mark.parametrize(
    "answer",
    [
        {"batchItemFailures": [{"itemIdentifier": "unknown"}]},
        {"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "unknown"}]},
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"itemIdentifier": 1}]},
        {"batchItemFailures": [{"itemIdentifier": ["a"]}]},
        {"batchItemFailures": [{"itemidentifier": "a"}]},
        {"batchItemFailures": [{}]},
        {"batchItemFailures": ["a"]},
        {"batchItemFailures": [None]},
        {"batchItemFailures": {"itemIdentifier": "a"}},
        {"batchItemFailures": "a"},
        "not an object",
        ["a"],
        [],
        True,
        0,
    ],
)
def test_an_answer_that_cannot_be_understood_fails_the_whole_batch(answer):
    assert left(answer) == "abc"


@pytest.mark.parametrize("answer", [{"batchItemFailures": [{"itemIdentifier": "a"}]}, "anything", None])
def test_without_report_batch_item_failures_any_answer_is_success(answer):
    assert done_of(MESSAGES, answer, reports_failures=False) == MESSAGES


def faults(attributes=None, **fields):
    spec = FunctionSpec("process", "app.process", **{"timeout_s": 30, "queue": "events", **fields})
    return faults_of(spec, {"VisibilityTimeout": "180", **(attributes or {})})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"timeout_s": 180},
        {"batch_size": 10_000, "window_s": 300},
        {"batch_size": 11, "window_s": 1},
        {"maximum_concurrency": 2},
        {"maximum_concurrency": 1000},
    ],
)
def test_what_lambda_takes_is_taken(fields):
    assert faults(**fields) == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"timeout_s": 181}, "visibility timeout of 180"),
        ({"batch_size": 11}, "needs a batching window"),
        ({"batch_size": 0}, "within 1 and 10000"),
        ({"batch_size": 10_001, "window_s": 1}, "within 1 and 10000"),
        ({"window_s": 301}, "within 0 and 300"),
        ({"maximum_concurrency": 1}, "within 2 and 1000"),
        ({"maximum_concurrency": 1001}, "within 2 and 1000"),
        ({"attributes": {"FifoQueue": "true"}, "batch_size": 11}, "the most for a FIFO queue"),
        ({"attributes": {"FifoQueue": "true"}, "window_s": 1}, "no batching window"),
    ],
)
def test_what_lambda_refuses_is_refused_with_the_reason(fields, reason):
    [fault] = faults(**fields)
    assert reason in fault


def test_the_event_is_lambdas():
    message = MESSAGES[0] | {
        "Attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183"},
        "MessageAttributes": {
            "kind": {"DataType": "String", "StringValue": "price"},
            "raw": {"DataType": "Binary", "BinaryValue": "AQI="},
        },
        "MD5OfMessageAttributes": "e4e68fb7bd0e697a0ae8f1bb342846b3",
    }
    [record] = to_event([message], queue_arn="arn:aws:sqs:us-east-1:1:events", region="us-east-1")["Records"]
    assert record == {
        "messageId": "a",
        "receiptHandle": "r-a",
        "body": "{}",
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183"},
        "messageAttributes": {
            "kind": {"stringValue": "price", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
            "raw": {"binaryValue": "AQI=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
        },
        "md5OfBody": "99914b932bd37a50b983c5e7c90ae93b",
        "md5OfMessageAttributes": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:1:events",
        "awsRegion": "us-east-1",
    }


@given(st.lists(st.text(max_size=40), max_size=30), st.integers(1, 12))
def test_splitting_keeps_every_message_in_order(bodies, most):
    messages = [{"Body": body} for body in bodies]
    batches = list(split(messages, most=most, max_bytes=3 * 1024))
    assert [message for batch in batches for message in batch] == messages
    assert all(1 <= len(batch) <= min(most, 3) for batch in batches)
