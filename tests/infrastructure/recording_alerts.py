"""Alerts in the recorded run: rules and endpoints by the API, what they tell, and what waits longer than a queue."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from websockets.asyncio.client import ClientConnection

from chalicelib.adapters.table import Table
from chalicelib.adapters.timers import QueueTimers
from chalicelib.ports.alerts import Due
from chalicelib.protocol.envelopes import encode
from chalicelib.protocol.signals import AlertBody, NotificationMessage, RecheckMessage, TimerMessage
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
        fine = answers(200)
        with receiving(fine) as well, receiving(fine) as ill, receiving(fine) as gone:
            async with aiohttp.ClientSession(self._cloud.url, headers=self._headers) as self._http:
                hooks = [await self._endpoint("webhook", url=each.url()) for each in (well, ill, gone)]
                mail = await self._endpoint("email", address="reader@example.com")
                for hook in hooks:
                    await self._until(f"/v1/endpoints/{hook}", "verified_at")
                ill.behaves, gone.behaves = answers(500), answers(410)
                rule = await self._rule("told", notify=[{"channel": "socket"}, *map(webhook, hooks)])
                steps = [webhook(hooks[0], after="1s"), webhook(hooks[1], after="20m")]
                await self._rule("escalated", notify=[{"channel": "socket"}, *steps])
                await self._rule("minutes", **{"for": "5m"})
                pending = await self._rule("hours", **{"for": "2h"})
                await self._see("0.9990", "0.9700")
                told = await self._until(f"/v1/alerts/{rule}/history", "alerts")
                (alert,) = [each for each in told if each["state"] == "firing"]
                await self._socket.send(json.dumps({"action": "ack", "id": "a", "rule": rule, "alert": alert["id"]}))
                await self._read(rule)
                await self._change(rule, hooks[0], mail)
                await self._wait(hooks[1], alert, pending)

    async def _wait(self, failing: str, alert: dict[str, Any], pending: str) -> None:
        """What fails for the ninth time waits for longer than a queue holds back; what is due soon is for the sweep.

        A timer that is there before its state comes again; what says nothing is buried.
        """
        body = AlertBody(**{name: alert[name] for name in AlertBody.__struct_fields__})
        ninth = NotificationMessage("again", "demo", "webhook", failing, body, attempt=8)
        recheck = RecheckMessage(rules=["ru_nobodys"], cause="recording")
        now = datetime.now(UTC)
        table = Table(self._cloud.aws.client("dynamodb"), self._cloud.environment["DUE_TABLE"])
        long_ago = QueueTimers(table, {}, now=lambda: now - timedelta(hours=1))
        long_ago.put([Due("a", "alerts", encode(recheck), now), Due("n", "notifications", encode(ninth), now)])
        early = encode(TimerMessage(rule=pending, user="demo", version=99, due=now)).decode()
        for queue, text in (
            ("NOTIFICATIONS_QUEUE_URL", encode(ninth).decode()),
            ("ALERTS_QUEUE_URL", early),
            ("ALERTS_QUEUE_URL", "not JSON"),
        ):
            self._cloud.aws.client("sqs").send_message(QueueUrl=self._cloud.environment[queue], MessageBody=text)

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

    async def _read(self, rule: str) -> None:
        await self._ask("GET", "/v1/alerts")
        await self._ask("GET", "/v1/endpoints")
        tries = await self._until(f"/v1/alerts/{rule}/deliveries", "deliveries")
        await self._ask("POST", f"/v1/alerts/{rule}/deliveries/{tries[0]['delivery']}/replay")

    async def _change(self, rule: str, hook: str, mail: str) -> None:
        """The expiry is the one timer that the API itself puts, far away also at the speed of the recording."""
        when, expires = {"topic": TOPIC, "is": "below", "value": "0.97"}, datetime.now(UTC) + timedelta(days=300)
        changed = {"name": "told", "when": when, "expires_at": expires.isoformat()}
        await self._ask("PUT", f"/v1/alerts/{rule}", json=changed)
        await self._ask("POST", f"/v1/endpoints/{hook}/rotate")
        await self._ask("DELETE", f"/v1/endpoints/{mail}")
        await self._ask("DELETE", f"/v1/alerts/{rule}")

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        async with self._http.request(method, path, **options) as answer:
            text = await answer.text()
            assert answer.status < 300, (method, path, answer.status, text)
            return json.loads(text) if text else None


def webhook(endpoint: str, **more: str) -> dict[str, str]:
    return {"channel": "webhook", "endpoint": endpoint, **more}
