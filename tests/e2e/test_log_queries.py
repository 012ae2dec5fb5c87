"""The saved queries of Logs Insights name fields that the lines of a real run have."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect

from chalicelib.protocol.envelopes import DeliveryJob, Frame, encode
from localcloud.testing import LocalCloud, observation
from scripts.packaging.assemble import assemble
from tests.infrastructure.insights import events_of, fields_of, flat_names

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOPIC = "price:coingecko:ethereum"
QUERIES = {
    resource["Properties"]["Name"]["Fn::Sub"].rpartition("/")[2]: resource["Properties"]["QueryString"]
    for resource in assemble("dev").template["Resources"].values()
    if resource["Type"] == "AWS::Logs::QueryDefinition"
}
Lines = list[dict[str, Any]]


class Heard:
    """Every JSON line that the functions wrote."""

    def __init__(self) -> None:
        self.lines: Lines = []
        self._more = asyncio.Event()

    def __call__(self, _: str, text: str) -> None:
        if text.startswith("{"):
            self.lines.append(json.loads(text))
            self._more.set()

    async def until(self, met: Callable[[Lines], object], *, within_s: float = 20.0) -> None:
        async with asyncio.timeout(within_s):
            while not met(self.lines):
                self._more.clear()
                await self._more.wait()


def named(lines: Lines, event: str) -> Lines:
    return [line for line in lines if line.get("event") == event]


async def ask(socket: ClientConnection, **command: Any) -> dict[str, Any]:
    await socket.send(json.dumps({"id": 1, **command}))
    while (said := json.loads(await socket.recv())).get("id") != 1:
        pass
    return said


async def poison(cloud: LocalCloud) -> None:
    """A record that is none, and a job that names an update which it does not carry."""
    sqs = cloud.aws.client("sqs")
    job = encode(DeliveryJob(id="torn", frames=[Frame(to=["c"], updates=[3])])).decode()
    for queue, body in (("EventsQueueUrl", '{"records":[{"id":"x"}]}'), ("DeliveriesQueueUrl", job)):
        await asyncio.to_thread(sqs.send_message, QueueUrl=cloud.outputs[queue], MessageBody=body)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lines() -> AsyncIterator[Lines]:
    """One life of a connection, one change, two things that cannot be cured."""
    heard = Heard()
    async with LocalCloud(on_log=heard) as cloud:
        async with connect(cloud.ws_url, additional_headers={"x-api-key": cloud.key}) as socket:
            await ask(socket, action="subscribe", topics=[TOPIC])
            await ask(socket, action="subscribe", topics=["no topic"])
            await cloud.publish([observation(TOPIC, "3000")])
            await heard.until(lambda lines: named(lines, "delivered"))
            await poison(cloud)
            await heard.until(lambda lines: named(lines, "record_poisoned") and named(lines, "job_incoherent"))
        await heard.until(lambda lines: "disconnect" in {line["function"] for line in named(lines, "invocation_ended")})
        yield heard.lines


@pytest.mark.parametrize("name", QUERIES)
async def test_every_field_of_a_query_is_in_a_line_that_it_finds(lines, name):
    events = events_of(QUERIES[name])
    looked_at = [line for line in lines if not events or line.get("event") in events]
    names = set().union(*map(flat_names, looked_at))
    assert looked_at
    assert fields_of(QUERIES[name]) - names == set()


async def test_a_connections_life_is_told_from_handshake_to_end(lines):
    (opened,) = [line for line in named(lines, "invocation_ended") if line["function"] == "connect"]
    life = [line for line in lines if opened["connection_id"] in json.dumps(line) and "function" in line]
    functions = [line["function"] for line in named(life, "invocation_ended")]
    assert functions == ["authorize", "connect", "message", "message", "disconnect"]
    (refused,) = [line for line in life if "refused" in line]
    assert refused["refused"] == "unknown_topic"


async def test_a_changes_way_is_told_by_every_function_that_it_passes(lines):
    passed = [line for line in lines if f"{TOPIC}@1" in json.dumps(line.get("changes", ""))]
    assert [line["function"] for line in passed] == ["process", "deliver"]
    assert passed[0]["jobs"] == passed[1]["jobs"]
    assert passed[0]["trace_id"] in passed[1]["caused_by"]


async def test_every_line_has_the_fields_that_all_have(lines):
    written = [line for line in lines if "_aws" not in line]
    always = {"level", "event", "timestamp", "function", "stage", "version", "cold_start", "trace_id", "request_id"}
    assert [line for line in written if not always <= line.keys()] == []


async def test_the_change_was_measured_end_to_end(lines):
    measured = {name for line in lines for name in line if "_aws" in line}
    assert {"ChangesPublished", "PublishedToSequenced", "PublishedToSent", "FramesDelivered"} <= measured
