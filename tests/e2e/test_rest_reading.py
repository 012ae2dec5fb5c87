"""From what was to what comes: a history, and the socket from there on, through the whole platform."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect

from localcloud.testing import LocalCloud, observation

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOPIC = "price:ethereum"


async def until(read: Callable[[], Awaitable[Any]], is_so: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(30):
        while not is_so(found := await read()):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.1)
    return found


async def updates(cloud: LocalCloud, live: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The first updates of a subscription from a place on."""
    async with connect(cloud.ws_url, additional_headers={"x-api-key": cloud.key}) as socket, asyncio.timeout(30):
        since = {TOPIC: {"epoch": live["epoch"], "offset": live["offset"]}}
        await socket.send(json.dumps({"action": "subscribe", "topics": [TOPIC], "since": since}))
        found: list[dict[str, Any]] = []
        while len(found) < count:
            frame = json.loads(await socket.recv())
            found += frame.get("updates", [])
        return found


async def test_a_subscription_from_a_historys_place_brings_what_is_not_in_it(cloud: LocalCloud) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    await cloud.publish([observation(TOPIC, 3000 + 10 * n, now - timedelta(minutes=20 - n)) for n in range(10)])
    async with aiohttp.ClientSession(cloud.url) as http:

        async def history() -> dict[str, Any]:
            async with http.get(f"/v1/history/{TOPIC}", params={"interval": "raw"}) as answer:
                body: dict[str, Any] = await answer.json()
                return body

        read = await until(
            history, lambda body: len(body.get("observations", ())) == 10 and body["live"]["offset"] == 10
        )
        await cloud.publish([observation(TOPIC, 4000 + 100 * n, now - timedelta(minutes=5 - n)) for n in range(3)])
        came = await updates(cloud, read["live"], 3)
    assert [point["value"] for point in read["observations"]] == [str(3000 + 10 * n) for n in range(10)]
    assert [update["value"] for update in came] == ["4000", "4100", "4200"]
    assert [update["offset"] for update in came] == [11, 12, 13]
    assert not any(update["snapshot"] for update in came)


async def test_an_answer_is_compressed_and_sent_once(cloud: LocalCloud) -> None:
    async with aiohttp.ClientSession(cloud.url, headers={"Accept-Encoding": "gzip"}) as http:
        async with http.get("/v1/openapi.json") as answer:
            assert (answer.status, answer.headers["Content-Encoding"]) == (200, "gzip")
            assert (await answer.json())["openapi"] == "3.1.0"
            tag = answer.headers["ETag"]
        async with http.get("/v1/openapi.json", headers={"If-None-Match": tag}) as again:
            assert (again.status, await again.read()) == (304, b"")
