"""ministack hands the trace header of a request on to the messages that come of it, as SNS and SQS do."""

import pytest

SENT = "Root=1-65532500-000000000000000000000001;Parent=00000000000000aa;Sampled=1"
OTHER = "Root=1-65532500-000000000000000000000002;Parent=00000000000000bb;Sampled=1"


def with_header(client, header):
    """The client, whose calls carry a trace header as those of a traced function do."""

    def add(model, params, request_signer, **kwargs):
        params["headers"]["X-Amzn-Trace-Id"] = header

    client.meta.events.register_first("before-call", add)
    return client


@pytest.fixture
def queue(ministack, request):
    sqs = ministack.client("sqs")
    url = sqs.create_queue(QueueName=request.node.name[:40])["QueueUrl"]
    yield url
    sqs.delete_queue(QueueUrl=url)


def received(client, queue):
    answer = client.receive_message(QueueUrl=queue, AttributeNames=["All"], MaxNumberOfMessages=10)
    return [message["Attributes"].get("AWSTraceHeader") for message in answer["Messages"]]


@pytest.mark.parametrize("raw", ["true", "false"])
def test_a_publisher_is_known_to_who_reads_the_queue(ministack, queue, raw):
    sns, sqs = ministack.client("sns"), ministack.client("sqs")
    topic = sns.create_topic(Name=f"observations-{raw}")["TopicArn"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": raw})
    traced = with_header(ministack.client("sns"), SENT)
    traced.publish(TopicArn=topic, Message="{}")
    traced.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[{"Id": "1", "Message": "{}"}])
    assert received(sqs, queue) == [SENT, SENT]
    sns.publish(TopicArn=topic, Message="{}")
    assert received(with_header(ministack.client("sqs"), OTHER), queue) == [None]


def test_a_sender_is_known_by_its_request_and_first_by_what_it_says_of_a_message(ministack, queue):
    traced = with_header(ministack.client("sqs"), SENT)
    traced.send_message(QueueUrl=queue, MessageBody="{}")
    said = {"AWSTraceHeader": {"DataType": "String", "StringValue": OTHER}}
    traced.send_message(QueueUrl=queue, MessageBody="{}", MessageSystemAttributes=said)
    assert received(ministack.client("sqs"), queue) == [SENT, OTHER]


def test_without_a_header_there_is_none(ministack, queue):
    sqs = ministack.client("sqs")
    sqs.send_message(QueueUrl=queue, MessageBody="{}")
    assert received(sqs, queue) == [None]
