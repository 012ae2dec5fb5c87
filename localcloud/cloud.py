"""The whole platform on this machine: the stores, the AWS APIs, our template, the handlers, the gateway, a source."""

from __future__ import annotations

import asyncio
import json
import pkgutil
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

from chalice.app import CORSConfig

import chalicelib
from chalicelib.adapters.dynamodb import DynamoKeys
from chalicelib.services.keys import KeyRing
from chalicelib.settings import DEFAULT_TIERS, from_env
from localcloud.feed.tape import DEFAULT_START
from localcloud.functions import FunctionSpec, read_functions
from localcloud.gateway.server import Gateway
from localcloud.gateway.throttle import GatewayLimits
from localcloud.ministack import ACCESS_KEY, REGION, SECRET_KEY, Ministack, read_template
from localcloud.pollers import Pollers
from localcloud.processes import Child, free_port, wait_for_port
from localcloud.runtime import Invocation, Runtime
from localcloud.schedules import Scheduler
from localcloud.stores import PostgresServer, RedisServer

PROJECT = Path(__file__).resolve().parents[1]
STACK = "defi-stream-local"
STAGE = "local"

# Enough for a laptop: every worker is a process.
WORKERS: Mapping[str, int] = {"process": 2, "deliver": 2, "authorize": 2, "connect": 2, "message": 2, "api_handler": 2}

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What can be chosen. A port of 0 is any free one; ``feed`` is "recorded", "live" or "none"."""

    port: int = 0
    management_port: int = 0
    redis_port: int = 0
    postgres_port: int = 0
    aws_port: int = 0
    feed_port: int = 0
    feed: str = "recorded"
    speed: float = 3600.0
    begins: datetime = DEFAULT_START
    poll_s: float | None = None
    workers: Mapping[str, int] = field(default_factory=dict)
    timeouts_s: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    limits: GatewayLimits = field(default_factory=GatewayLimits)
    on_log: Callable[[str, str], None] | None = None

    @property
    def poll_period_s(self) -> float:
        """The live API changes once a minute at most; a tape that runs fast is worth looking at more often."""
        return self.poll_s or (60.0 if self.feed == "live" else 2.0)


class LocalCloud:
    """``async with LocalCloud(Options()) as cloud``: running until the block ends, then nothing is left of it.

    ``start`` raises RuntimeError with the reason if a part cannot be started, and leaves nothing behind then either.
    """

    def __init__(self, options: Options | None = None, *, progress: Progress = lambda _: None) -> None:
        self.options = options or Options()
        self._progress = progress
        self._stack = AsyncExitStack()
        self.directory = Path()
        self.outputs: dict[str, str] = {}
        self.key = ""
        self.redis: RedisServer
        self.postgres: PostgresServer
        self.aws: Ministack
        self.runtime: Runtime
        self.gateway: Gateway
        self.pollers: Pollers
        self.scheduler: Scheduler
        self.feed_url: str | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """The public page and the REST API under /v1."""
        return self.gateway.url

    @property
    def ws_url(self) -> str:
        return self.gateway.ws_url

    async def start(self) -> None:
        try:
            await self._start()
        except BaseExceptionGroup as failed:  # the parts start side by side: the first to fail ends the others
            await self.stop()
            raise failed.exceptions[0] from None
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        options = self.options
        self.directory = Path(tempfile.mkdtemp(prefix="defi-stream-"))
        self._stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self.redis = RedisServer(self.directory / "redis", port=options.redis_port)
        self.postgres = PostgresServer(port=options.postgres_port)
        self.aws = Ministack(self.directory / "aws", port=options.aws_port)
        async with asyncio.TaskGroup() as starting:
            specs = starting.create_task(read_functions(PROJECT, stage="dev", timeouts=options.timeouts_s))
            starting.create_task(self._run("Redis", self.redis.start, self.redis.stop))
            starting.create_task(self._run("PostgreSQL", self.postgres.start, self.postgres.stop))
            starting.create_task(self._run("AWS APIs", self.aws.start, self.aws.stop))
            starting.create_task(self._start_feed())
        self.outputs = await self.aws.deploy(read_template(PROJECT / "cfn"), stack=STACK, parameters=options.parameters)
        self._progress("queues, topic, tables and secrets from cfn/")
        self.key = await asyncio.to_thread(self._issue_key)
        await self._start_handlers(specs.result())

    async def _start_handlers(self, specs: tuple[FunctionSpec, ...]) -> None:
        options = self.options
        workers = {spec.name: options.workers.get(spec.name, WORKERS.get(spec.name, 1)) for spec in specs}
        self.gateway = self._gateway(specs)
        environment = self._environment()
        from_env(environment)  # a wrong setting is told here and now, not by every worker
        self.runtime = Runtime(
            specs,
            env=environment,
            project_dir=PROJECT,
            preload=[module.name for module in pkgutil.walk_packages(chalicelib.__path__, "chalicelib.")],
            max_workers=workers,
            on_log=options.on_log,
            region=REGION,
        )
        await self._run("handlers", self.runtime.start, self.runtime.stop)
        for name in ("process", "deliver", "authorize", "connect", "message"):
            await self.runtime.prewarm(name, 1)
        await self._run("gateway", self.gateway.start, self.gateway.stop)
        self.pollers = Pollers(
            specs,
            sqs_url=self.aws.url,
            region=REGION,
            invoke=self.runtime.invoke,
            slots=workers,
            reports_failures=[spec.name for spec in specs if spec.queue],
            credentials=(ACCESS_KEY, SECRET_KEY),
        )
        await self._run("queue pollers", self.pollers.start, lambda: self.pollers.stop(grace_s=1.0))
        scheduled = [spec for spec in specs if spec.schedule and (spec.name != "poll" or options.feed != "none")]
        every = {"poll": options.poll_period_s} if options.feed != "none" else {}
        self.scheduler = Scheduler(scheduled, invoke=self.runtime.invoke, region=REGION, every=every)
        await self._run("schedules", self.scheduler.start, lambda: self.scheduler.stop(grace_s=1.0))

    def _gateway(self, specs: tuple[FunctionSpec, ...]) -> Gateway:
        routes = [route for spec in specs for route in spec.routes]

        async def invoke(function: str, event: dict[str, Any]) -> Invocation:
            return await self.runtime.invoke(function, event)

        return Gateway(
            invoke,
            port=self.options.port,
            management_port=self.options.management_port or free_port(),
            region=REGION,
            credentials=(ACCESS_KEY, SECRET_KEY),
            limits=self.options.limits,
            routes=routes,
            # What Chalice has API Gateway answer to a preflight, for a route with cors=True: all of ours.
            cors={route.split(" ")[1]: CORSConfig().get_access_control_headers() for route in routes},
            web_root=PROJECT / "web",
            vendor=vendor(),
        )

    async def _run(self, name: str, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]) -> None:
        self._stack.push_async_callback(stop)
        await start()
        self._progress(name)

    async def _start_feed(self) -> None:
        options = self.options
        if options.feed != "recorded":
            return
        port = options.feed_port or free_port()
        command = [sys.executable, "-m", "localcloud.feed", "--port", str(port), "--speed", str(options.speed)]
        command += ["--from", options.begins.isoformat()]
        # A process of its own: encoding a window's answers must not delay the gateway.
        child = await Child.start("feed", command, log=self.directory / "feed.log", cwd=PROJECT)
        self._stack.push_async_callback(child.stop)
        await wait_for_port(port, child)
        self._progress("recorded DefiLlama")
        self.feed_url = f"http://127.0.0.1:{port}"

    async def tape(self) -> dict[str, Any] | None:
        """Where the recorded feed stands, in its own words."""
        if self.feed_url is None:
            return None
        url = f"{self.feed_url}/_tape"
        text = await asyncio.to_thread(lambda: urlopen(url, timeout=5).read())  # noqa: S310 - our own child
        answer: dict[str, Any] = json.loads(text)
        return answer

    def _issue_key(self) -> str:
        table = DynamoKeys(self.aws.client("dynamodb"), self.outputs["KeysTable"])
        ring = KeyRing(keys=table, tiers=DEFAULT_TIERS, now=lambda: datetime.now(UTC))
        key, _ = ring.issue(tier="enterprise", name="localcloud demo", user="demo")
        return key

    def _environment(self) -> dict[str, str]:
        outputs = self.outputs
        env = {
            "STAGE": STAGE,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_ENDPOINT_URL": self.aws.url,
            "LOG_LEVEL": "INFO",
            "REDIS_URL": self.redis.url,
            "CONNECTIONS_URL": self.gateway.management_url,
            "OBSERVATIONS_TOPIC_ARN": outputs["ObservationsTopicArn"],
            "EVENTS_QUEUE_URL": outputs["EventsQueueUrl"],
            "EVENTS_DEAD_LETTERS_URL": outputs["EventsDeadLettersUrl"],
            "DELIVERIES_QUEUE_URL": outputs["DeliveriesQueueUrl"],
            "TICKS_QUEUE_URL": outputs["TicksQueueUrl"],
            "GONE_QUEUE_URL": outputs["GoneQueueUrl"],
            "KEYS_TABLE": outputs["KeysTable"],
            "TOKEN_SECRET_ID": outputs["TokenSecretId"],
            # One laptop, few workers: the account's quota is not shared with ten of them.
            "DELIVER_POSTS_PER_S": "5000",
            "DELIVER_CONNECTIONS": "16",
            "ANONYMOUS_TOKENS_PER_MINUTE": "600",
        }
        if self.feed_url:
            for host in ("API", "COINS", "STABLECOINS", "YIELDS"):
                env[f"DEFILLAMA_{host}_URL"] = self.feed_url
        return {**env, **self.options.env}


def vendor() -> dict[str, Path]:
    """The page's third-party files, from the package that carries them."""
    import uplot

    static = Path(uplot.__file__).parent / "static"
    return {name: static / name for name in ("uPlot.iife.js", "uPlot.min.css")}
