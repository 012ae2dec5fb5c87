"""The whole platform on this machine: the stores, the AWS APIs, our template, the handlers, the gateway, a source."""

from __future__ import annotations

import asyncio
import json
import pkgutil
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

import chalicelib
from chalicelib.settings import from_env
from localcloud.environment import SENDER, STAGE, function_environment
from localcloud.feed.process import FeedProcess
from localcloud.functions import FunctionSpec, read_functions
from localcloud.gateway.server import Gateway
from localcloud.gateway.site import vendored_files
from localcloud.holdings import UNNAMED, holdings
from localcloud.ministack import ACCESS_KEY, REGION, SECRET_KEY, Ministack
from localcloud.monitor import Monitor
from localcloud.observability import Observability, Watched
from localcloud.operator import PREFIX as OPERATOR
from localcloud.operator import Operator
from localcloud.options import Options
from localcloud.pollers import Pollers
from localcloud.processes import free_port
from localcloud.runtime import Invocation, Runtime
from localcloud.schedules import Scheduler
from localcloud.stores import PostgresServer, RedisServer
from localcloud.xray.daemon import Daemon
from localcloud.xray.invocations import Tracer
from localcloud.xray.rules import sampler_of
from localcloud.xray.stage import RestTracer

PROJECT = Path(__file__).resolve().parents[1]
STACK = "defi-stream-local"

# Enough for a laptop: every worker is a process.
WORKERS: Mapping[str, int] = {"process": 2, "deliver": 2, "authorize": 2, "connect": 2, "message": 2, "api_handler": 2}

# Not loaded for every worker: Alembic, for the one function that changes the schema.
RARE = frozenset({"chalicelib.adapters.schema", "chalicelib.adapters.postgres.owner"})

TRACER = "aws_xray_sdk.core"  # loaded once for all workers where invocations are traced: it takes 200 ms

Progress = Callable[[str], None]


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
        self._database_secret = ""
        self.redis: RedisServer
        self.postgres: PostgresServer
        self.aws: Ministack
        self.xray: Daemon
        self.observability: Observability
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

    @property
    def console_url(self) -> str:
        """The operator console: dashboards, alarms, traces and logs."""
        return f"{self.url}/console/"

    @property
    def monitor(self) -> Monitor:
        return self.observability.monitor

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
            held = starting.create_task(asyncio.to_thread(holdings))
        parameters = held.result().with_values({**UNNAMED, **options.parameters})
        self.outputs = await self.aws.deploy(held.result().template, stack=STACK, parameters=parameters)
        self._progress("queues, topics, tables, buckets and secrets from cfn/")
        await asyncio.to_thread(self.aws.rotates, self.outputs["TokenSecretId"])
        self._database_secret = await asyncio.to_thread(self.aws.keep_secret, "database", self.postgres.login)
        await asyncio.to_thread(self.aws.send_as, SENDER)
        self.key = await asyncio.to_thread(self.aws.issue_key, self.outputs["KeysTable"], name="localcloud demo")
        await self._start_handlers(specs.result())

    async def _start_handlers(self, specs: tuple[FunctionSpec, ...]) -> None:
        options = self.options
        workers = {spec.name: options.workers.get(spec.name, WORKERS.get(spec.name, 1)) for spec in specs}
        self.gateway = self._gateway(specs)
        self.gateway.latency_s = options.inject_latency_s
        sampler = sampler_of(options.tracing)
        self.xray = Daemon(port=options.xray_port, elsewhere=True, sampler=sampler)
        self._rest_tracer = RestTracer(self.xray.store.put, sampler=sampler)
        await self._run("X-Ray", self.xray.start, self.xray.stop)
        self.observability = await asyncio.to_thread(
            Observability,
            self.aws,
            self.xray.api,
            stage=options.env.get("STAGE", STAGE),  # the dimension of every metric
            parameters=options.parameters,
            on_log=options.on_log,
        )
        await self._run("alarms", self.monitor.start, self.monitor.stop)
        environment = self._environment()
        from_env(environment)  # a wrong setting is told here and now, not by every worker
        self.runtime = Runtime(
            specs,
            env=environment,
            project_dir=PROJECT,
            preload=[name for name in _modules() if name not in RARE] + [TRACER] * (options.tracing != "none"),
            max_workers=workers,
            on_log=self.observability.heard,
            on_invocation=lambda name, done: self.observability.invoked(self.runtime, name, done),
            region=REGION,
            record_calls=options.record_calls,
            tracer=Tracer(self.xray.store.put, sampler=sampler),
        )
        await self._run("handlers", self.runtime.start, self.runtime.stop)
        self._stack.push_async_callback(cancelled, asyncio.create_task(self._migrate()))
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
        self.observability.watch(Watched(self.redis.url, self.gateway, self.pollers))
        self.gateway.serve(OPERATOR, self._operator().handle)
        polls = self.options.feed != "none"
        scheduled = [spec for spec in specs if spec.schedule and (spec.name != "poll" or polls)]
        every = {"poll": self.options.poll_period_s} if polls else {}
        self.scheduler = Scheduler(scheduled, invoke=self.runtime.invoke, region=REGION, every=every)
        await self._run("schedules", self.scheduler.start, lambda: self.scheduler.stop(grace_s=1.0))

    async def _migrate(self) -> None:
        """The database's schema, by the function that makes it on AWS. Nothing that streams waits for it."""
        done = await self.runtime.invoke("migrate", {"action": "upgrade"})
        self._progress(f"PostgreSQL has no schema: {done.error}" if done.error else "schema of PostgreSQL")

    def _gateway(self, specs: tuple[FunctionSpec, ...]) -> Gateway:
        routes = [route for spec in specs for route in spec.routes]

        async def invoke(function: str, event: dict[str, Any]) -> Invocation:
            if "httpMethod" not in event:  # of the socket, which API Gateway does not trace
                done = await self.runtime.invoke(function, event)
                self.observability.called(event, done)
                return done
            trace = self._rest_tracer.begin(event)
            done = await self.runtime.invoke(function, event, trace_header=trace.header)
            trace.end(done.payload, done.error)
            return done

        return Gateway(
            invoke,
            port=self.options.port or free_port(),  # known before it listens: links in e-mails begin with it
            management_port=self.options.management_port or free_port(),
            region=REGION,
            credentials=(ACCESS_KEY, SECRET_KEY),
            limits=self.options.limits,
            routes=routes,
            web_root=PROJECT / "web",
            vendor=vendored_files(),
        )

    def _operator(self) -> Operator:
        platform = {
            "stack": STACK,
            "region": REGION,
            "url": self.url,
            "ws_url": self.ws_url,
            "aws_url": self.aws.url,
            "management_url": self.gateway.management_url,
            "redis_url": self.redis.url,
            "postgres_url": self.postgres.url,
            "directory": str(self.directory),
        }
        invoke, functions = self.runtime.invoke, self.runtime.functions
        return Operator(platform, functions=functions, invoke=invoke, prefix=f"{STACK}-")

    async def _run(self, name: str, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]) -> None:
        self._stack.push_async_callback(stop)
        await start()
        self._progress(name)

    async def _start_feed(self) -> None:
        options = self.options
        if options.feed != "recorded":
            return
        log = self.directory / "feed.log"
        feed = FeedProcess(log, speed=options.speed, begins=options.begins, port=options.feed_port)
        await self._run("recorded DefiLlama", feed.start, feed.stop)
        self.feed_url = feed.url

    async def tape(self) -> dict[str, Any] | None:
        """Where the recorded feed stands, in its own words."""
        if self.feed_url is None:
            return None
        url = f"{self.feed_url}/_tape"
        text = await asyncio.to_thread(lambda: urlopen(url, timeout=5).read())  # noqa: S310 - our own child
        answer: dict[str, Any] = json.loads(text)
        return answer

    def _environment(self) -> dict[str, str]:
        environment = function_environment(
            self.outputs,
            aws_url=self.aws.url,
            redis_url=self.redis.url,
            postgres=self.postgres,
            database_secret_id=self._database_secret,
            connections_url=self.gateway.management_url,
            feed_url=self.feed_url,
            speed=self.options.speed,
            public_url=self.gateway.url,
        )
        tracing = {"AWS_XRAY_DAEMON_ADDRESS": self.xray.address, "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR"}  # Lambda's
        return {**environment, **tracing, **self.options.env}


async def cancelled(task: asyncio.Task[None]) -> None:
    """End a task that may still run."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _modules() -> list[str]:
    return [module.name for module in pkgutil.walk_packages(chalicelib.__path__, "chalicelib.")]
