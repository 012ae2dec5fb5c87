"""A function that uses the SDK, run as on Lambda: its subsegments are below Lambda's own segment."""

import textwrap

import pytest

from localcloud.functions import FunctionSpec
from localcloud.runtime import Runtime
from localcloud.xray.daemon import Daemon
from localcloud.xray.header import TraceHeader
from localcloud.xray.invocations import Tracer
from localcloud.xray.sampling import NOTHING, Sampler
from localcloud.xray.tree import is_partial, tree
from tests.unit.localcloud.xray.test_daemon import heard

APP = """
import os
from aws_xray_sdk.core import xray_recorder


def work(event, context):
    with xray_recorder.in_subsegment("Redis", namespace="remote") as part:
        part.put_annotation("topic", event["topic"])
        if event["topic"] == "bad":
            raise ValueError("no such topic")
    return os.environ["_X_AMZN_TRACE_ID"]
"""


@pytest.fixture
async def daemon():
    served = Daemon()
    await served.start()
    yield served
    await served.stop()


@pytest.fixture
async def start(daemon, tmp_path):
    (tmp_path / "app.py").write_text(textwrap.dedent(APP))
    running = []

    async def started(sampler=None):
        runtime = Runtime(
            [FunctionSpec("work", "app.work")],
            env={"AWS_XRAY_DAEMON_ADDRESS": daemon.address, "PYTHONDONTWRITEBYTECODE": "1"},
            project_dir=tmp_path,
            tracer=Tracer(daemon.store.put, sampler=sampler or daemon.sampler),
        )
        await runtime.start()
        running.append(runtime)
        return runtime

    yield started
    for runtime in running:
        await runtime.stop()


def spans(daemon, trace_id):
    trace = daemon.store.get(trace_id)
    assert not is_partial(trace)
    [root] = tree(trace)
    return [(depth, span.document) for depth, span in root.walk()]


async def test_what_the_function_records_is_inside_its_invocation(daemon, start):
    runtime = await start()
    cold = await runtime.invoke("work", {"topic": "price:ethereum"})
    warm = await runtime.invoke("work", {"topic": "peg:dai"})
    await heard(daemon, 2)
    roots = [TraceHeader.parse(answer.payload).root for answer in (cold, warm)]
    first, second = (spans(daemon, root) for root in roots)
    assert [(depth, part.name) for depth, part in first] == [
        (0, "work"),
        (1, "work"),
        (2, "Initialization"),
        (2, "Invocation"),
        (2, "Redis"),
    ]
    assert [part.name for _, part in second] == ["work", "work", "Invocation", "Redis"]
    assert second[3][1].annotations == {"topic": "peg:dai"}
    assert first[1][1].aws["request_id"] == cold.request_id


async def test_a_failure_is_a_fault_of_the_call_and_of_the_function(daemon, start):
    runtime = await start()
    answer = await runtime.invoke("work", {"topic": "bad"}, trace_header=f"Root={'1-65532500-' + 'a' * 24}")
    await heard(daemon, 1)
    faults = [part.name for _, part in spans(daemon, "1-65532500-" + "a" * 24) if part.fault]
    assert answer.error["errorType"] == "ValueError"
    assert faults == ["work", "Redis"]


async def test_an_invocation_that_is_not_sampled_leaves_nothing(daemon, start):
    runtime = await start(Sampler([NOTHING]))
    answer = await runtime.invoke("work", {"topic": "price:ethereum"})
    assert answer.payload.endswith("Sampled=0")
    assert (len(daemon.store), daemon.receiver.received) == (0, 0)
