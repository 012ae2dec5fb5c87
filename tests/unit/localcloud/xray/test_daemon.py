"""The daemon is one to the SDK that runs in the functions, and stands whatever else it is sent."""

import asyncio
import json
import socket
import sys

import aiohttp
import pytest
from aws_xray_sdk.core import AWSXRayRecorder
from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter
from aws_xray_sdk.core.sampling.connector import ServiceConnector

from localcloud.xray.daemon import Daemon
from localcloud.xray.sampling import Rule, Sampler
from localcloud.xray.tree import tree
from tests.unit.localcloud.xray.made import a_changes_way, trace_id


@pytest.fixture
async def daemon():
    served = Daemon(sampler=Sampler([Rule("functions", priority=7, rate=0.25, reservoir=3)]))
    await served.start()
    yield served
    await served.stop()


async def heard(daemon, count):
    """Datagrams are read by the loop that we give way to."""
    async with asyncio.timeout(5):
        while daemon.receiver.received + daemon.receiver.refused < count:  # noqa: ASYNC110 - the kernel has no event
            await asyncio.sleep(0.001)


def send(daemon, *datagrams):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, ("127.0.0.1", daemon.port))


async def get(daemon, path):
    async with aiohttp.ClientSession() as session, session.get(f"{daemon.url}/{path}") as answer:
        return answer.status, await answer.json()


async def test_what_the_sdk_sends_becomes_a_tree(daemon):
    recorder = AWSXRayRecorder()
    recorder.configure(sampling=False, daemon_address=daemon.address, service="script", context_missing="RAISE")
    with recorder.in_segment("script") as segment, recorder.in_subsegment("Redis", namespace="remote") as call:
        call.put_annotation("topic", "price:ethereum")
        with pytest.raises(ValueError, match="lost"), recorder.in_subsegment("read"):
            raise ValueError("lost")
    await heard(daemon, 1)
    [script] = tree(daemon.store.get(segment.trace_id))
    [redis] = script.children
    [read] = redis.children
    assert redis.span.document.annotations == {"topic": "price:ethereum"}
    assert read.span.document.fault
    assert read.span.document.cause["exceptions"][0]["message"] == "lost"


async def test_the_sdk_gets_its_sampling_rules_and_targets(daemon):
    def ask():
        connector = ServiceConnector()
        connector.setup_xray_client("127.0.0.1", daemon.port, None)
        rules = connector.fetch_sampling_rules()
        return rules, connector.fetch_sampling_target(rules)[0]

    rules, targets = await asyncio.to_thread(ask)
    assert [(rule.name, rule.priority, rule.rate) for rule in rules] == [
        ("functions", 7, 0.25),
        ("Default", 10_000, 0.05),
    ]
    assert targets["functions"] == {"rate": 0.25, "quota": 3, "TTL": targets["functions"]["TTL"], "interval": 10}


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"SamplingStatisticsDocuments": [1]}'])
async def test_a_report_that_is_none_is_refused(daemon, body):
    async with aiohttp.ClientSession() as session, session.post(f"{daemon.url}/SamplingTargets", data=body) as answer:
        assert answer.status == 400


async def test_garbage_is_counted_and_what_follows_is_still_read(daemon, caplog):
    emitter = UDPEmitter(daemon.address)
    send(daemon, b"", b"\x00" * 1000, b'{"format": "json", "version": 1}\n{}', b"x" * 65_000)
    emitter._send_data('{"format": "json", "version": 1}\n' + segment())
    await heard(daemon, 5)
    assert (daemon.receiver.received, daemon.receiver.refused, len(daemon.store)) == (1, 4, 1)
    assert len(caplog.records) == 1


def segment():
    fields = {"id": "a" * 16, "name": "x", "trace_id": trace_id(9), "start_time": 1.0, "end_time": 2.0}
    return json.dumps(fields)


async def test_traces_are_answered_on_the_same_port(daemon):
    for document in a_changes_way():
        daemon.store.put(document)
    status, way = await get(daemon, f"journey/{trace_id(3)}")
    assert (status, [trace["name"] for trace in way["traces"]]) == (200, ["poll", "process", "deliver"])
    assert (await get(daemon, "traces?limit=x"))[0] == 400
    assert (await get(daemon, "trace/1-nothing"))[0] == 404


async def test_a_taken_port_is_an_error_or_another_is_found(daemon):
    with pytest.raises(OSError, match="taken"):
        await Daemon(port=daemon.port).start()
    other = Daemon(port=daemon.port, elsewhere=True)
    await other.start()
    assert other.port not in (0, daemon.port)
    await other.stop()


async def test_it_leaves_its_port_free(daemon):
    again = Daemon(port=daemon.port)
    await daemon.stop()
    await again.start()
    await again.stop()


async def command(*arguments):
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "localcloud.xray", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await child.communicate()
    return child.returncode, output.decode(), errors.decode()


async def test_the_command_draws_the_newest_delivery_and_what_led_to_it(daemon):
    for document in a_changes_way():
        daemon.store.put(document)
    code, text, _ = await command("journey", "--port", str(daemon.port))
    assert code == 0
    assert "3 traces in 110.0 ms: poll, process, deliver" in text
    assert "from poll → observations → events, waited 13.0 ms" in text
    assert "from process → deliveries, waited 19.0 ms" in text


async def test_the_command_says_what_is_missing(daemon):
    port = str(daemon.port)
    code, _, errors = await command("journey", "--port", port)
    assert (code, errors) == (1, "localcloud.xray: no such trace yet\n")
    await daemon.stop()
    code, _, errors = await command("--port", port)
    assert code == 1
    assert f"no X-Ray answers on port {port}: is localcloud running?" in errors
