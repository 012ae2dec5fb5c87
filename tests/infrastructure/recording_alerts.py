"""Alerts in the recorded run: rules and endpoints by the API, what they tell, and what waits longer than a queue."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import aiohttp
from websockets.asyncio.client import ClientConnection

from localcloud.testing import observation
from tests.infrastructure.recorded_cloud import RecordedCloud
from tests.receiver import answers, receiving

TOPIC = "peg:usd-coin"
WAIT_S = 20.0


class Alerts:
    """``socket`` belongs to the owner of the cloud's key."""

    def __init__(self, cloud: RecordedCloud, headers: dict[str, str], socket: ClientConnection) -> None:
        self._cloud, self._socket = cloud, socket
        self._headers = {**headers, "x-api-key": cloud.key, "content-type": "application/json"}

    async def all(self) -> None:
        with receiving(answers(200)) as well, receiving(answers(500)) as ill:
            async with aiohttp.ClientSession(self._cloud.url, headers=self._headers) as self._http:
                hook, failing = [await self._endpoint("webhook", url=each.url()) for each in (well, ill)]
                mail = await self._endpoint("email", address="reader@example.com")
                await self._until(f"/v1/endpoints/{hook}", "verified_at")
                rule = await self._rule(
                    "told", notify=[{"channel": "socket"}, {"channel": "webhook", "endpoint": hook}]
                )
                await self._rule(
                    "escalated", notify=[{"channel": "socket"}, later(hook, "webhook"), later(mail, "email")]
                )
                await self._rule("long", **{"for": "2h"})
                await self._see("0.9990", "0.9700")
                told = await self._until(f"/v1/alerts/{rule}/history", "alerts")
                (alert,) = [each for each in told if each["state"] == "firing"]
                await self._socket.send(json.dumps({"action": "ack", "id": "a", "rule": rule, "alert": alert["id"]}))
                await self._read(rule, hook)
                await self._change(rule, hook, failing)

    async def _endpoint(self, kind: str, **where: str) -> str:
        return str((await self._ask("POST", "/v1/endpoints", json={"kind": kind, **where}))["id"])

    async def _until(self, path: str, member: str) -> Any:
        """Ask until there is something."""
        async with asyncio.timeout(WAIT_S):
            while not (found := (await self._ask("GET", path))[member]):  # noqa: ASYNC110 - an API has no event
                await asyncio.sleep(0.1)
        return found

    async def _rule(self, name: str, **more: Any) -> str:
        when = {"topic": TOPIC, "is": "below", "value": "0.98"}
        return str((await self._ask("POST", "/v1/alerts", json={"name": name, "when": when, **more}))["id"])

    async def _see(self, *values: str) -> None:
        for value in values:
            await self._cloud.publish([observation(TOPIC, value, datetime.now(UTC))])

    async def _read(self, rule: str, hook: str) -> None:
        await self._ask("GET", "/v1/alerts")
        await self._ask("GET", "/v1/endpoints")
        tries = await self._until(f"/v1/alerts/{rule}/deliveries", "deliveries")
        await self._ask("POST", f"/v1/alerts/{rule}/deliveries/{tries[0]['delivery']}/replay")

    async def _change(self, rule: str, hook: str, failing: str) -> None:
        when = {"topic": TOPIC, "is": "below", "value": "0.97"}
        await self._ask("PUT", f"/v1/alerts/{rule}", json={"name": "told", "when": when})
        await self._ask("POST", f"/v1/endpoints/{hook}/rotate")
        await self._ask("DELETE", f"/v1/endpoints/{failing}")
        await self._ask("DELETE", f"/v1/alerts/{rule}")

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        async with self._http.request(method, path, **options) as answer:
            text = await answer.text()
            assert answer.status < 300, (method, path, answer.status, text)
            return json.loads(text) if text else None


def later(endpoint: str, channel: str) -> dict[str, str]:
    """Beyond what a queue can hold back."""
    return {"channel": channel, "endpoint": endpoint, "after": "20m"}
