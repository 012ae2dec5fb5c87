"""The laptop's CloudWatch put together: what is measured, the alarms over it, and the console that shows it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.console.api import ConsoleApi, Sources
from localcloud.console.boards import read_dashboards
from localcloud.console.console import PREFIX, Console
from localcloud.console.logbook import LogBook
from localcloud.console.settled import SettledStore
from localcloud.gateway.server import Gateway
from localcloud.holdings import PARTS, UNNAMED, hand_written
from localcloud.measured.api import ApiMeter
from localcloud.measured.functions import FunctionMeter
from localcloud.measured.known import FIRST_NODE, measured
from localcloud.measured.queues import QueueSampler
from localcloud.measured.redis import RedisSampler
from localcloud.ministack import REGION, Ministack
from localcloud.monitor import Monitor, QueueDepth, queue_depths, template_alarms
from localcloud.pollers import Pollers
from localcloud.runtime import Invocation, Runtime
from localcloud.xray.api import XrayApi

ACCOUNT = "000000000000"  # ministack's
RUNBOOKS = PARTS.parent / "docs" / "operations" / "alarms"
SOCKETS = {"WebsocketAPI": "local"}  # the gateway's id of its WebSocket API, which the template has from Chalice

OnLog = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Watched:
    """What is asked once a minute, after all of it has started."""

    redis_url: str
    gateway: Gateway
    pollers: Pollers


class Observability:
    """Metrics, alarms, logs and the console over them.

    Give ``heard`` every line that a function writes, ``invoked`` every invocation, ``called`` every call of a WebSocket
    route. ``watch`` adds what is measured by asking, once that has started. Raises TemplateError.
    """

    def __init__(
        self,
        aws: Ministack,
        xray: XrayApi,
        *,
        stage: str,
        parameters: Mapping[str, str],
        on_log: OnLog | None = None,
    ) -> None:
        template = hand_written()
        values = {"Stage": stage, **UNNAMED, **SOCKETS, **parameters}
        self.logs = LogBook()
        self.monitor = _monitor(aws, template, values)
        self._on_log = on_log
        self._functions = FunctionMeter(self.monitor.store)
        self._api = ApiMeter(
            self.monitor.store,
            websocket={"ApiId": SOCKETS["WebsocketAPI"], "Stage": "ws"},
            rest={"ApiName": f"{values['NamePrefix']}rest", "Stage": "api"},
        )
        sources = Sources(
            boards=read_dashboards(template, values),
            store=SettledStore(self.monitor.store),
            evaluator=self.monitor.evaluator,
            latest=lambda: self.monitor.latest,
            measured=measured,
            logs=self.logs,
            xray=xray,
            runbooks=RUNBOOKS,
        )
        self._console = Console(ConsoleApi(sources), evaluate=self.monitor.evaluate)

    def heard(self, function: str, line: str) -> None:
        self.monitor.on_log(function, line)
        self.logs.add(_name(function), line)
        if self._on_log:
            self._on_log(function, line)

    def invoked(self, runtime: Runtime, function: str, done: Invocation) -> None:
        """An invocation has ended; its worker is at work no more."""
        self._functions.invoked(
            _name(function),
            done.duration_ms,
            failed=done.error is not None,
            busy=runtime.busy(function) + 1,
            busy_everywhere=runtime.busy() + 1,
        )

    def called(self, event: Mapping[str, Any], done: Invocation) -> None:
        self._api.route(event, done.duration_ms, failed=done.error is not None)

    def watch(self, watched: Watched) -> None:
        def totals() -> dict[str, tuple[int, int]]:
            pollers = watched.pollers.by_function.values()
            return {poller.queue: (poller.counts.received, poller.counts.deleted) for poller in pollers}

        async def posts(_store: object, _at: object) -> None:
            self._api.posted(watched.gateway.posts)

        redis = RedisSampler(watched.redis_url, cluster=FIRST_NODE)
        self.monitor.samplers += [redis, QueueSampler(totals), posts]
        watched.gateway.on_request = self._api.request
        watched.gateway.serve(PREFIX, self._console.handle)


def _monitor(aws: Ministack, template: Mapping[str, Any], values: Mapping[str, str]) -> Monitor:
    sns, sqs = aws.client("sns"), aws.client("sqs")
    alarms = template_alarms(template, parameters=values, topic_arn=f"arn:aws:sns:{REGION}:{ACCOUNT}:")

    async def publish(topic: str, subject: str, message: str) -> None:
        await asyncio.to_thread(sns.publish, TopicArn=topic, Subject=subject, Message=message)

    async def depths() -> dict[str, QueueDepth]:
        return await asyncio.to_thread(queue_depths, sqs)

    return Monitor(alarms, publish=publish, depths=depths, account=ACCOUNT, region=REGION)


def _name(function: str) -> str:
    return function.removesuffix("_handler")  # Chalice's own for the REST API; the template calls it api
