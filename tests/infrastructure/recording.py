"""One run of the laptop cloud in which every function makes every AWS call that it can, written down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, LiteralString

import aiohttp
import psycopg
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from chalicelib.adapters.dynamodb import DynamoKeys
from chalicelib.domain.origin import ORIGIN_HEADERS
from chalicelib.protocol.envelopes import DeliveryJob, Frame, encode
from chalicelib.services.expectations import TRIALS
from chalicelib.services.keys import KeyRing
from chalicelib.settings import DEFAULT_TIERS
from localcloud.cloud import PROJECT
from localcloud.ministack import REGION
from localcloud.runtime import Runtime
from localcloud.schedules import scheduled_event
from localcloud.testing import observation
from tests.infrastructure.recorded_cloud import Call, RecordedCloud
from tests.infrastructure.recording_alerts import Alerts
from tests.infrastructure.release_double import DEPLOYMENT, release
from tests.tls_redis import TlsRedis

WAIT_S, TRIES = 24.0, 4

Seen = tuple[str, str, str]  # function, operation, resource


async def record(directory: Path, *, user: str, access: str) -> set[Call]:
    """``access`` is the template's access string of the Redis user: the run shows that it is enough, too.

    Raises TimeoutError, naming what was not seen, if the platform did not get that far.
    """
    redis = TlsRedis(directory / "redis", user=user, access=access)
    await redis.start()
    try:
        async with RecordedCloud(redis, user, directory / "calls.jsonl") as cloud:
            await _Run(cloud, redis).all()
            return cloud.recorded()
    finally:
        await redis.stop()


class _Run:
    """What makes the calls, each step on its own."""

    def __init__(self, cloud: RecordedCloud, redis: TlsRedis) -> None:
        self._cloud = cloud
        self._redis = redis
        self._value = 1000
        self._sockets = AsyncExitStack()
        self._client = {name: cloud.aws.client(name) for name in ("secretsmanager", "sqs", "dynamodb")}
        self._edge_headers = [
            {header: self._client["secretsmanager"].get_secret_value(SecretId=self._physical(name))["SecretString"]}
            for header, name in zip(ORIGIN_HEADERS, ("OriginSecretA", "OriginSecretB"), strict=True)
        ]

    async def all(self) -> None:
        async with self._sockets, asyncio.TaskGroup() as aside:
            aside.create_task(self._migrate())
            aside.create_task(self._poll())
            aside.create_task(self._verify())
            await self._rest()
            await self._subscribe()
            await self._too_many()
            await self._stream()
            await self._bad_messages()
            await self._unreachable()
            await self._recorded()
            await Alerts(self._cloud, self._edge_headers[0], await self._open(key=self._cloud.key)).all()
            await self._flush_rules()
            await self._sweep()
            await self._rotate()
        await self._seen(("disconnect", "connect", "Redis"))

    async def _rest(self) -> None:
        """Health, and tokens for a key, for nobody and for a request that may come again."""
        key = {"x-api-key": self._cloud.key}
        headers = {**self._edge_headers[0], "content-type": "application/json"}
        async with aiohttp.ClientSession(self._cloud.url, headers=headers) as http:
            for owner in (key, {}, {"Idempotency-Key": "recording"}):
                async with http.post("/v1/tokens", headers=owner) as answer:
                    assert answer.status == 201, await answer.text()
                    self._token = (await answer.json())["token"]
            async with http.post("/v1/tokens") as answer:
                self._second_token = (await answer.json())["token"]
            async with http.get("/v1/health") as answer:
                assert answer.status == 200, await answer.text()

    async def _open(self, *, key: str = "", token: str = "", edge: int = 0, **options: Any) -> ClientConnection:
        """``edge`` says which of the two headers of the origin guard is sent: either will do."""
        headers = {**self._edge_headers[edge], **({"x-api-key": key} if key else {})}
        url = f"{self._cloud.ws_url}?token={token}" if token else self._cloud.ws_url
        return await self._sockets.enter_async_context(
            connect(url, additional_headers=headers, close_timeout=0.5, **options)
        )

    async def _ask(self, socket: ClientConnection, action: str, **said: Any) -> None:
        await socket.send(json.dumps({"action": action, "id": action, **said}))
        async with asyncio.timeout(WAIT_S):
            while (answer := json.loads(await socket.recv())).get("id") != action:
                pass
        assert answer["type"] != "error", answer

    async def _subscribe(self) -> None:
        """By key and by token, at two slower rates; and a session made longer."""
        for rate in ("1s", "60s"):
            await self._ask(await self._open(key=self._cloud.key), "subscribe", topics=["price:bitcoin"], rate=rate)
        await self._ask(await self._open(token=self._token, edge=1), "refresh", token=self._second_token)
        await self._seen(
            ("authorize", "GetSecretValue", "TokenSecret"),
            ("authorize", "GetItem", "KeysTable"),
            ("authorize", "GetSecretValue", "OriginSecretA"),
            ("authorize", "GetSecretValue", "OriginSecretB"),
            ("message", "GetSecretValue", "TokenSecret"),
        )

    async def _too_many(self) -> None:
        """A key that has all its connections: connect asks the gateway which of them still live."""
        table = DynamoKeys(self._client["dynamodb"], self._cloud.environment["KEYS_TABLE"])
        ring = KeyRing(keys=table, tiers=DEFAULT_TIERS, now=lambda: datetime.now(UTC))
        key, _ = await asyncio.to_thread(ring.issue, tier="free", name="recording", user="crowd")
        for _ in range(DEFAULT_TIERS["free"].connections):
            await self._open(key=key)
        with self._redis.admin() as redis:  # it asks about none that is younger than half a minute
            for connection in redis.zrange("conns:crowd", 0, -1):
                redis.zincrby("conns:crowd", -60_000, connection)
        with pytest.raises(InvalidStatus, match="429"):
            await self._open(key=key)
        await self._seen(("connect", "ManageConnections", "GET WebsocketAPI"))

    async def _publish(self) -> None:
        """Two changes at one time, so in one slot of every rate: one goes out at once, the other waits for a tick."""
        now = datetime.now(UTC)
        self._value += 100
        values = ((self._value, now), (self._value + 50, now + timedelta(milliseconds=1)))
        await self._cloud.publish([observation("price:bitcoin", str(value), at) for value, at in values])

    async def _stream(self) -> None:
        await self._until_seen(
            self._publish,
            ("process", "SendMessageBatch", "DeliveriesQueue"),
            ("process", "SendMessageBatch", "TicksQueue"),
            ("deliver", "ManageConnections", "POST WebsocketAPI"),
            ("tick", "SendMessageBatch", "TicksQueue"),
            ("tick", "SendMessageBatch", "DeliveriesQueue"),
        )
        await self._ask(await self._open(key=self._cloud.key), "subscribe", topics=["price:bitcoin"])  # a snapshot
        await self._seen(("message", "SendMessageBatch", "DeliveriesQueue"))

    async def _bad_messages(self) -> None:
        """Records and messages that nobody can read: buried, or back in the queue soon."""
        await self._enqueue("EVENTS_QUEUE_URL", '{"v":1,"records":[{"id":"x"}]}')
        await self._enqueue("EVENTS_QUEUE_URL", "not JSON")
        await self._enqueue("TICKS_QUEUE_URL", "not JSON")
        await self._seen(
            ("process", "SendMessage", "EventsDeadLetters"),
            ("process", "ChangeMessageVisibilityBatch", "EventsQueue"),
            ("tick", "ChangeMessageVisibilityBatch", "TicksQueue"),
        )

    async def _recorded(self) -> None:
        """History: kept, archived, buried where it cannot be read, and tried again later where there is no database."""
        await self._enqueue("HISTORY_QUEUE_URL", '{"v":1,"records":[{"id":"x"}]}')
        await self._seen(("record", "PutObject", "RawBucket"), ("record", "SendMessage", "HistoryDeadLetters"))
        await asyncio.to_thread(self._database, "ALTER SCHEMA history RENAME TO hidden")
        try:
            await self._until_seen(self._publish, ("record", "ChangeMessageVisibilityBatch", "HistoryQueue"))
        finally:
            await asyncio.to_thread(self._database, "ALTER SCHEMA hidden RENAME TO history")
        await self._invoke("maintain", self._scheduled("maintain"))

    def _database(self, statement: LiteralString) -> None:
        with psycopg.connect(self._cloud.postgres.url, autocommit=True) as connection:
            connection.execute(statement)

    async def _unreachable(self) -> None:
        """A connection that is gone, and a client that does not read: it is sent to again later."""
        with self._redis.admin() as redis:
            before = set(redis.keys("conn:*"))
            await self._open(key=self._cloud.key, max_queue=1)
            (asleep,) = set(redis.keys("conn:*")) - before
        for connection in (asleep.removeprefix("conn:"), "bm90LXRoZXJlLg=="):
            update = json.dumps({"padding": "x" * 30_000}).encode()
            frames = [Frame(to=[connection], updates=[0])] * 300
            await self._enqueue("DELIVERIES_QUEUE_URL", encode(DeliveryJob("recorded", frames, [update])).decode())
        await self._seen(
            ("deliver", "SendMessageBatch", "GoneQueue"),
            ("deliver", "SendMessageBatch", "DeliveriesQueue"),
            ("prune", "connect", "Redis"),
        )

    async def _enqueue(self, queue: str, body: str) -> None:
        url = self._cloud.environment[queue]
        await asyncio.to_thread(self._client["sqs"].send_message, QueueUrl=url, MessageBody=body)

    async def _poll(self) -> None:
        """Without and with DefiLlama's Pro key, which another stage has, and which turns out to be none."""
        specs = [self._cloud.runtime.functions["poll"]]
        environment = {**self._cloud.environment, "DEFILLAMA_SECRET_ID": self._physical("DefiLlamaSecret")}
        other = Runtime(specs, env=environment, project_dir=PROJECT, record_calls=self._cloud.calls, region=REGION)
        await other.start()
        try:
            await self._until_seen(partial(self._poll_by, other), ("poll", "GetSecretValue", "DefiLlamaSecret"))
        finally:
            await other.stop()
        published = ("poll", "Publish", "ObservationsTopic")
        await self._until_seen(partial(self._poll_by, self._cloud.runtime), published)

    async def _poll_by(self, runtime: Runtime) -> None:
        with self._redis.admin() as redis:
            redis.delete("feeds")  # so that every feed is due
        await runtime.invoke("poll", self._scheduled("poll"))

    async def _sweep(self) -> None:
        """It finds a slot whose tick was lost, and connections to say goodbye to."""
        await self._until_seen(
            self._lose_a_tick_and_sweep,
            ("sweep", "SendMessageBatch", "DeliveriesQueue"),
            ("sweep", "SendMessageBatch", "TicksQueue"),
        )

    async def _lose_a_tick_and_sweep(self) -> None:
        """Put the topic that waits for its minute two minutes back, as if nobody had come for it."""
        with self._redis.admin() as redis:
            if not redis.zcard("dirty:60"):
                await self._publish()
            await _until(lambda: redis.zcard("dirty:60"), lambda: "a topic that waits for its minute")
            for topic, slot in redis.zrange("dirty:60", 0, 0, withscores=True):
                redis.zadd("dirty:60", {topic: slot - 2})
                redis.delete(f"armed:60:{int(slot)}", f"armed:60:{int(slot) - 1}")
        await self._invoke("sweep", self._scheduled("sweep"))

    def _scheduled(self, function: str) -> dict[str, Any]:
        return scheduled_event(function, datetime.now(UTC), region=REGION, account_id="000000000000")

    async def _flush_rules(self) -> None:
        """The index of rules is gone: whoever comes next reads it from their store."""
        with self._redis.admin() as redis:
            redis.delete("rules:index")
        await self._until_seen(self._publish, ("evaluate", "Scan", "AlertsTable"))

    async def _rotate(self) -> None:
        """Every step for every secret, as Secrets Manager asks for them."""
        manager = self._client["secretsmanager"]
        for name in ("TokenSecret", "OriginSecretA", "OriginSecretB"):
            secret, function = self._physical(name), "arn:aws:lambda:us-east-1:000000000000:function:r"
            version = manager.rotate_secret(SecretId=secret, RotationLambdaARN=function)["VersionId"]
            for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
                event = {"Step": step, "SecretId": secret, "ClientRequestToken": version}
                await self._invoke("rotate", event)

    async def _migrate(self) -> None:
        await self._invoke("migrate", {"action": "upgrade"})

    async def _verify(self) -> None:
        """A release of every function, whose versions all answer the same: a verdict is told all the same."""
        specs = [self._cloud.runtime.functions["verify_release"]]
        async with release(TRIALS) as addresses:
            environment = {**self._cloud.environment, **addresses}
            other = Runtime(specs, env=environment, project_dir=PROJECT, record_calls=self._cloud.calls, region=REGION)
            await other.start()
            try:
                answer = await other.invoke("verify_release", DEPLOYMENT)
                assert answer.error is None, answer.error
            finally:
                await other.stop()
        judged = ("verify_release", "PutLifecycleEventHookExecutionStatus", "")
        await self._seen(judged, *(("verify_release", "Invoke", name) for name in TRIALS))

    async def _invoke(self, function: str, event: dict[str, Any]) -> None:
        answer = await self._cloud.runtime.invoke(function, event)
        assert answer.error is None, (function, event, answer.error)

    def _physical(self, logical: str) -> str:
        return next(physical for physical, name in self._cloud.ids.items() if name == logical)

    async def _until_seen(self, act: Callable[[], Awaitable[None]], *wanted: Seen) -> None:
        """Act again where it came to nothing: a slot may end, or its tick come, in the middle of it."""
        for _ in range(TRIES - 1):
            await act()
            with suppress(TimeoutError):
                return await self._seen(*wanted, wait_s=WAIT_S / TRIES)
        await act()
        return await self._seen(*wanted)

    async def _seen(self, *wanted: Seen, wait_s: float = WAIT_S) -> None:
        def missing() -> set[Seen]:
            return set(wanted) - {(call.function, call.operation, call.resource) for call in self._cloud.recorded()}

        await _until(lambda: not missing(), missing, wait_s)


async def _until(condition: Callable[[], object], told: Callable[[], object], wait_s: float = WAIT_S) -> None:
    try:
        async with asyncio.timeout(wait_s):
            while not condition():  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise TimeoutError(f"not seen in {wait_s:.0f} s: {told()}") from None
