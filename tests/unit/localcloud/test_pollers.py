"""Queues invoke functions by Lambda's rules, against the real SQS API of ministack."""

import asyncio
import hashlib
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from localcloud.eventsource import EventSourceError
from localcloud.functions import FunctionSpec
from localcloud.ministack import ACCESS_KEY, REGION, SECRET_KEY
from localcloud.pollers import Pollers
from localcloud.processes import free_port
from localcloud.runtime import Runtime
from localcloud.sqs import SqsClient, SqsError


@pytest.fixture(scope="module")
def sqs(ministack):
    return ministack.client("sqs")


@pytest.fixture
def queue(sqs, request):
    """A queue of this test's own, whose messages are dead after three receives."""
    name = f"q{abs(hash(request.node.name))}"
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "3"})
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "30", "RedrivePolicy": redrive})["QueueUrl"]
    yield name
    sqs.delete_queue(QueueUrl=url)
    sqs.delete_queue(QueueUrl=dead)


@dataclass
class Answer:
    payload: Any = None
    error: dict | None = None


class Function:
    """Stands for the runtime: records the events, answers by ``answer(event)``."""

    def __init__(self, answer=lambda event: Answer()):
        self.events = []
        self.running = self.most = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._answer = answer
        self._changed = asyncio.Condition()

    async def __call__(self, function, event):
        self.running += 1
        self.most = max(self.most, self.running)
        async with self._changed:
            self.events.append(event)
            self._changed.notify_all()
        try:
            await self.gate.wait()
            return self._answer(event)
        finally:
            self.running -= 1

    @property
    def bodies(self):
        return [record["body"] for event in self.events for record in event["Records"]]

    async def until(self, condition, timeout_s=15):
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(condition)


@pytest.fixture
async def polled(ministack, queue):
    """Start pollers of this test's queue; they are stopped at its end."""
    started = []

    async def start(invoke, *, reports=True, slots=10, url=ministack.url, **fields):
        spec = FunctionSpec("process", "app.process", **{"timeout_s": 1, "queue": queue, **fields})
        pollers = Pollers(
            [spec, FunctionSpec("other", "app.other")],
            sqs_url=url,
            region=REGION,
            invoke=invoke,
            slots={"process": slots},
            reports_failures=["process"] if reports else [],
            credentials=(ACCESS_KEY, SECRET_KEY),
        )
        await pollers.start()
        started.append(pollers)
        return pollers.by_function["process"]

    yield start
    for pollers in started:
        await pollers.stop(grace_s=0)  # the queue goes with the test: what a cut poll takes is not missed


@pytest.fixture
def send(sqs, queue):
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]

    async def send(*bodies, **options):
        for body in bodies:
            await asyncio.to_thread(sqs.send_message, QueueUrl=url, MessageBody=body, **options)

    return send


@pytest.fixture
def depth(sqs, queue):
    """Messages in the queue, visible or not, and in its dead-letter queue."""

    def count(name):
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return sum(int(found[f"ApproximateNumberOfMessages{kind}"]) for kind in ("", "NotVisible"))

    async def depth():
        return await asyncio.to_thread(lambda: (count(queue), count(f"{queue}-dead")))

    return depth


@pytest.fixture
def impatient(sqs, queue):
    """What fails comes back after a second."""
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})


@pytest.fixture
def hurry(sqs, queue):
    """Ends the invisibility of what was last received with this body: it comes back at once, however slow we are."""
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]

    async def hurry(function, body):
        records = [record for event in function.events for record in event["Records"] if record["body"] == body]
        handle = records[-1]["receiptHandle"]
        await asyncio.to_thread(sqs.change_message_visibility, QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)

    return hurry


async def becomes(depth, wanted, timeout_s=15):
    async with asyncio.timeout(timeout_s):
        while await depth() != wanted:  # noqa: ASYNC110 - the queue is in another process
            await asyncio.sleep(0.02)


async def counts(poller, *, deleted, left):
    """The queue is empty a moment before the poller has read so."""
    async with asyncio.timeout(5):
        while poller.in_flight:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert (poller.counts.deleted, poller.counts.left) == (deleted, left)


def failing(*bodies):
    """Answers that report the messages with these bodies."""

    def answer(event):
        failed = [record["messageId"] for record in event["Records"] if record["body"] in bodies]
        return Answer({"batchItemFailures": [{"itemIdentifier": name} for name in failed]})

    return answer


async def test_messages_become_lambdas_event_and_are_deleted(polled, send, depth, queue):
    function = Function()
    await polled(function)
    attributes = {
        "kind": {"DataType": "String", "StringValue": "price"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x01\x02"},
    }
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    await send('{"n": 1}', MessageAttributes=attributes, MessageSystemAttributes=trace)
    await function.until(lambda: function.events)
    [record] = function.events[0]["Records"]
    assert record["body"] == '{"n": 1}'
    assert record["md5OfBody"] == hashlib.md5(b'{"n": 1}').hexdigest()
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == f"arn:aws:sqs:{REGION}:000000000000:{queue}"
    assert record["awsRegion"] == REGION
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert {"SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} <= record["attributes"].keys()
    assert record["messageAttributes"]["kind"]["stringValue"] == "price"
    assert record["messageAttributes"]["raw"]["binaryValue"] == "AQI="
    assert record["attributes"]["AWSTraceHeader"] == "Root=1-5759e988-bd862e3fe1be46a994272793"
    await becomes(depth, (0, 0))


async def test_only_the_reported_message_comes_back_and_dies_after_its_receives(polled, send, depth, hurry):
    """Not with a short time-out: where its second is over before they are deleted, the good ones come back too."""
    function = Function(failing("bad"))
    poller = await polled(function)
    await send("good", "bad", "fine")
    for count in (1, 2, 3):
        await function.until(lambda count=count: function.bodies.count("bad") == count)
        await hurry(function, "bad")
    receives = [
        record["attributes"]["ApproximateReceiveCount"]
        for event in function.events
        for record in event["Records"]
        if record["body"] == "bad"
    ]
    assert receives == ["1", "2", "3"]
    await becomes(depth, (0, 1))
    assert sorted(function.bodies) == ["bad", "bad", "bad", "fine", "good"]
    await counts(poller, deleted=2, left=3)


@pytest.mark.usefixtures("impatient")
async def test_a_failed_message_is_invisible_until_its_timeout_ends(polled, send):
    function = Function(failing("bad"))
    times = []
    await polled(function)
    await send("bad")
    for count in (1, 2):
        await function.until(lambda count=count: function.bodies.count("bad") == count)
        times.append(time.monotonic())
    assert times[1] - times[0] > 0.9


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "answer",
    [
        Answer({"batchItemFailures": [{"itemIdentifier": "unknown"}]}),
        Answer({"batchItemFailures": [{"id": "x"}]}),
        Answer("nonsense"),
        Answer(error={"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out"}),
    ],
)
async def test_a_batch_that_fails_whole_comes_back_whole(polled, send, depth, answer):
    answers = iter([answer])
    function = Function(lambda event: next(answers, Answer()))
    poller = await polled(function)
    await send("only")
    await function.until(lambda: len(function.bodies) == 2)
    await becomes(depth, (0, 0))
    await counts(poller, deleted=1, left=1)


async def test_without_reporting_any_answer_deletes_all(polled, send, depth):
    function = Function(failing("bad"))
    await polled(function, reports=False)
    await send("bad", "good")
    await becomes(depth, (0, 0))
    assert sorted(function.bodies) == ["bad", "good"]


@pytest.mark.usefixtures("impatient")
async def test_a_crash_of_the_runtime_loses_nothing(polled, send, depth):
    answers = iter([ConnectionError()])

    def answer(event):
        for error in answers:
            raise error
        return Answer()

    function = Function(answer)
    await polled(function)
    await send("only")
    await function.until(lambda: len(function.bodies) == 2)
    await becomes(depth, (0, 0))


async def test_no_more_batches_at_work_than_slots(polled, send, depth):
    """The rest waits in the queue, visible, and is never lost."""
    function = Function()
    function.gate.clear()
    poller = await polled(function, batch_size=1, slots=5, maximum_concurrency=2)
    await send(*map(str, range(6)))
    await function.until(lambda: len(function.events) == 2)
    with pytest.raises(TimeoutError):
        await function.until(lambda: len(function.events) > 2, timeout_s=0.3)
    assert poller.in_flight == 2
    function.gate.set()
    await becomes(depth, (0, 0))
    assert sorted(function.bodies) == list("012345")
    assert function.most == 2


async def test_a_window_gathers_a_large_batch(polled, send, depth):
    function = Function()
    await polled(function, batch_size=25, window_s=3)
    await send(*(str(n) for n in range(25)))
    await function.until(lambda: len(function.bodies) == 25, timeout_s=6)
    await becomes(depth, (0, 0))
    assert len(function.events) == 1


async def test_a_window_that_closes_invokes_with_what_there_is(polled, send, depth):
    function = Function()
    await polled(function, batch_size=25, window_s=1)
    await send("a", "b")
    await becomes(depth, (0, 0))
    assert sorted(function.bodies) == ["a", "b"]


async def test_a_paused_poller_takes_nothing(polled, send, depth):
    function = Function()
    poller = await polled(function)
    await poller.pause()
    await send("waits")
    with pytest.raises(TimeoutError):
        await function.until(lambda: function.events, timeout_s=0.3)
    assert await depth() == (1, 0)
    poller.resume()
    await becomes(depth, (0, 0))
    assert function.bodies == ["waits"]


async def test_stop_lets_work_end_and_leaves_no_task(polled, send, depth):
    function = Function()
    function.gate.clear()
    poller = await polled(function)
    await send("slow")
    await function.until(lambda: function.events)
    stopping = asyncio.create_task(poller.stop())
    asyncio.get_running_loop().call_later(0.05, function.gate.set)
    await stopping
    assert await depth() == (0, 0)
    assert not [task for task in asyncio.all_tasks() if "process" in task.get_name()]


async def test_stop_does_not_wait_for_ever(polled, send, depth):
    function = Function()
    function.gate.clear()
    poller = await polled(function)
    await send("stuck")
    await function.until(lambda: function.events)
    await poller.stop(grace_s=0.05)
    assert await depth() == (1, 0)
    assert poller.in_flight == 0


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"timeout_s": 31}, "visibility timeout of 30 s"),
        ({"batch_size": 11}, "batching window"),
        ({"maximum_concurrency": 1}, "within 2 and 1000"),
        ({"queue": "absent"}, "QueueDoesNotExist"),
    ],
)
async def test_start_refuses_what_lambda_refuses(polled, fields, reason):
    with pytest.raises(EventSourceError, match=reason):
        await polled(Function(), **fields)


class Relay:
    """A TCP relay in front of ministack that can be cut; it counts who tried meanwhile."""

    def __init__(self, target):
        self._target = target
        self._server = None
        self._open = set()
        self.port = free_port()
        self.up = True
        self.tries = 0

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_):
        self.cut()
        self._server.close()
        await self._server.wait_closed()

    def cut(self):
        self.up = False
        for writer in self._open:
            writer.close()

    async def _relay(self, reader, writer):
        self.tries += not self.up
        if not self.up:
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._open |= {writer, back}
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer))

    async def _pump(self, reader, writer):
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.mark.usefixtures("impatient")
async def test_an_outage_of_sqs_is_logged_once_and_survived(polled, send, depth, ministack, caplog):
    """A message that the cut long poll had taken comes back with its visibility."""
    function = Function()
    async with Relay(ministack.port) as relay:
        await polled(function, url=f"http://127.0.0.1:{relay.port}")
        await send("before")
        await becomes(depth, (0, 0))
        relay.cut()
        await send("during")
        async with asyncio.timeout(10):
            while relay.tries < 3:  # noqa: ASYNC110 - what is awaited is the poller's patience
                await asyncio.sleep(0.01)
        assert caplog.text.count("does not answer") == 1
        relay.up = True
        await becomes(depth, (0, 0))
        assert function.bodies == ["before", "during"]
        assert caplog.text.count("does not answer") == caplog.text.count("answers again") == 1


APP = """
import json, os, time


def process(event, context):
    for record in event["Records"]:
        job = json.loads(record["body"])
        with open(job["started"], "a") as file:
            file.write(f"{os.getpid()}\\n")
        while not os.path.exists(job["go"]):
            time.sleep(0.002)
    return {"batchItemFailures": []}
"""


@pytest.mark.usefixtures("impatient")
async def test_a_worker_killed_in_mid_job_has_its_message_delivered_again(polled, send, depth, tmp_path):
    (tmp_path / "app.py").write_text(APP)
    spec = FunctionSpec("process", "app.process", timeout_s=10)
    runtime = Runtime([spec], env={}, project_dir=tmp_path)
    await runtime.start()
    try:
        await polled(runtime.invoke)
        started, go = tmp_path / "started", tmp_path / "go"
        await send(json.dumps({"started": str(started), "go": str(go)}))
        async with asyncio.timeout(5):
            while not runtime.workers("process") or not started.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        [pid] = runtime.workers("process")
        os.kill(pid, 9)
        go.touch()
        await becomes(depth, (0, 0))
        assert len(started.read_text().split()) == 2
    finally:
        await runtime.stop()


async def test_the_client_names_sqs_errors(ministack):
    client = SqsClient(ministack.url, region=REGION)
    await client.open()
    with pytest.raises(SqsError) as refused:
        await client.queue("nothing-here")
    assert refused.value.code.endswith("QueueDoesNotExist")
    await client.close()
    with pytest.raises(SqsError, match="not open"):
        await client.queue("nothing-here")


async def test_an_unreachable_sqs_is_no_refusal(polled):
    with pytest.raises(aiohttp.ClientError):
        await polled(Function(), url=f"http://127.0.0.1:{free_port()}")
