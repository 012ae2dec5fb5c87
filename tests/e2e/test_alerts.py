"""From a rule to its alert on the socket, through the whole platform."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import defistream
import pytest

from localcloud.testing import LocalCloud, observation

pytestmark = pytest.mark.asyncio(loop_scope="module")

PEG = "peg:usd-coin"
RULE = {"name": "USDC loses its peg", "when": {"topic": PEG, "is": "below", "value": "0.98", "margin": "0.005"}}


@asynccontextmanager
async def api(cloud: LocalCloud) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cloud.url, headers={"x-api-key": cloud.key}) as http, asyncio.timeout(30):
        yield http


async def asked(http: aiohttp.ClientSession, method: str, path: str, **options: Any) -> Any:
    async with http.request(method, path, **options) as answer:
        assert answer.status < 300, await answer.text()
        return await answer.json()


async def see(cloud: LocalCloud, *values: str) -> None:
    for value in values:
        await cloud.publish([observation(PEG, value, datetime.now(UTC))])


async def alert_of(stream: defistream.Stream, state: str) -> tuple[defistream.Update, defistream.Alert]:
    async for update in stream:
        if update.alert is not None and update.alert.state == state:
            return update, update.alert
    raise AssertionError("the stream ended")


async def test_an_alert_is_told_acknowledged_resumed_and_over(cloud: LocalCloud) -> None:
    await see(cloud, "0.9990")
    async with api(cloud) as http:
        rule = await asked(http, "POST", "/v1/alerts", json=RULE)
        async with defistream.connect(cloud.ws_url, api_key=cloud.key) as stream:
            taken = await stream.subscribe("alerts:me")
            await see(cloud, "0.9700")
            fired, alert = await alert_of(stream, "firing")
            await stream.acknowledge(alert)
            positions = {fired.topic: {"epoch": fired.epoch, "offset": fired.offset}}
        await see(cloud, "0.9810", "0.9860")  # back within the margin, and out of it
        async with defistream.connect(cloud.ws_url, api_key=cloud.key) as stream:
            await stream.subscribe("alerts:me", since=positions)
            seen, _ = await alert_of(stream, "acknowledged")
            over, resolved = await alert_of(stream, "resolved")
        told = await asked(http, "GET", f"/v1/alerts/{rule['id']}/history")
        tried = await asked(http, "POST", "/v1/alerts/dry-run", json={"rule": RULE})
    assert [topic.partition(":")[0] for topic in taken.topics] == ["alerts"]
    assert (alert.rule, alert.topic, str(alert.value), alert.name) == (rule["id"], PEG, "0.97", RULE["name"])
    assert (seen.offset, over.offset) == (fired.offset + 1, fired.offset + 2)
    assert resolved.id == alert.id
    assert [each["state"] for each in told["alerts"]] == ["resolved", "acknowledged", "firing"]
    assert [fired["value"] for fired in tried["fired"]] == ["0.97"]


async def test_an_alert_is_told_to_nobody_else_and_is_no_history(cloud: LocalCloud) -> None:
    """After the test above: there is an alert to be read."""
    async with api(cloud) as http:
        asking = {"from": "latest", "select": ["topic"], "where": {"field": "kind", "op": "eq", "value": "alerts"}}
        while True:  # a store that is slow while others start says so, and to ask again
            async with http.post("/v1/query", json=asking) as answer:
                found = await answer.json()
            if found.get("name") != "store_down":
                break
            await asyncio.sleep(found.get("retry_after") or 0.5)
        assert (answer.status, found.get("rows", [])) in ((200, []), (422, [])), found
    async with defistream.connect(cloud.ws_url) as stream:  # anonymous
        for topic in ("alerts:demo", "alerts:*"):
            with pytest.raises(defistream.RefusedError) as refused:
                await stream.subscribe(topic)
            assert refused.value.code == 2004
        mine = await stream.subscribe("alerts:me")
        assert list(mine.topics) != ["alerts:demo"]
        assert all(place["epoch"] is None for place in mine.topics.values())
