"""The laptop's CloudWatch, alive: metrics out of the handlers' logs, the template's alarms over them each minute.

Of what AWS's own services measure there is what localcloud.measured knows and the depth and age of the queues; nothing
on this machine has the rest, and an alarm on it sees missing data.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from localcloud.cloudwatch import notification
from localcloud.cloudwatch.alarms import Alarm
from localcloud.cloudwatch.errors import EmfError
from localcloud.cloudwatch.evaluator import AlarmResult, Evaluator
from localcloud.cloudwatch.intrinsics import Intrinsics
from localcloud.cloudwatch.store import MetricStore
from localcloud.cloudwatch.template import read_alarms

LATE_S = 5.0  # after a minute: its last lines are still on their way
RETENTION = timedelta(hours=6)  # more than any graph or alarm here looks back, less than the memory of a laptop

Publish = Callable[[str, str, str], Awaitable[None]]  # topic ARN, subject, message
Sampler = Callable[[MetricStore, datetime], Awaitable[None]]  # puts what a service measures of a minute
Depths = Callable[[], Awaitable[Mapping[str, "QueueDepth"]]]  # by queue name

AGE_ATTRIBUTE = "ApproximateAgeOfOldestMessage"  # the laptop's SQS tells it as an attribute

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Messages that wait, messages that somebody has received and not yet deleted, and the age of the oldest."""

    visible: int
    in_flight: int
    oldest_s: int = 0


def queue_depths(sqs: Any) -> dict[str, QueueDepth]:
    """Of every queue that a boto3 client of SQS can see."""
    names = {
        "visible": "ApproximateNumberOfMessages",
        "in_flight": "ApproximateNumberOfMessagesNotVisible",
        "oldest_s": AGE_ATTRIBUTE,
    }
    found = {}
    for url in sqs.list_queues().get("QueueUrls", ()):
        counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names.values()))["Attributes"]
        found[url.rpartition("/")[2]] = QueueDepth(**{key: int(counts.get(name, 0)) for key, name in names.items()})
    return found


def template_alarms(
    template: Mapping[str, Mapping[str, Any]], *, parameters: Mapping[str, str], topic_arn: str
) -> list[Alarm]:
    """The alarms of a template. Raises TemplateError.

    ``topic_arn`` is that of any topic up to its name; the alarms' topics get theirs after it.
    """
    values = Intrinsics(template, parameters)
    topics = {
        name: topic_arn + values.value(resource["Properties"]["TopicName"])
        for name, resource in template["Resources"].items()
        if resource.get("Type") == "AWS::SNS::Topic"
    }
    return read_alarms(template, {**parameters, **topics})


class Monitor:
    """Keeps metrics and evaluates alarms until stopped.

    ``on_log`` is for the runtime; ``depths`` and the ``samplers`` are asked at every evaluation. A line of metrics that
    CloudWatch would drop is dropped and counted in ``dropped`` by its reason; a notification that cannot be published
    is logged, and nothing stops.
    """

    def __init__(
        self,
        alarms: Iterable[Alarm],
        *,
        publish: Publish,
        depths: Depths,
        account: str,
        region: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.store = MetricStore(retention=RETENTION)
        self.evaluator = Evaluator(alarms, self.store)
        self.samplers: list[Sampler] = []
        self.latest: list[AlarmResult] = []
        self.dropped: Counter[str] = Counter()
        self._publish, self._depths, self._now = publish, depths, now
        self._account, self._region = account, region
        self._task: asyncio.Task[None] | None = None

    def on_log(self, _function: str, line: str) -> None:
        try:
            self.store.ingest_emf(line)
        except EmfError as error:
            self.dropped[str(error)] += 1

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def evaluate(self, at: datetime | None = None) -> None:
        """Every alarm once, at a time or now; tells the topics of those whose state has changed."""
        at = at or self._now()
        await self._measure(at - timedelta(minutes=1))
        self.latest = self.evaluator.evaluate(at)
        for result in self.latest:
            alarm = self.evaluator.alarms[result.name]
            for topic in result.actions:
                message = notification.message(alarm, result, account=self._account, region=self._region)
                try:
                    await self._publish(topic, notification.subject(result, self._region), message)
                except Exception:  # noqa: BLE001 - the alarms are watched whether or not anybody can be told
                    _log.exception("%s: %s could not be told", result.name, topic)

    async def _measure(self, at: datetime) -> None:
        await self._measure_queues(at)
        for sampler in self.samplers:
            try:
                await sampler(self.store, at)
            except Exception:  # noqa: BLE001 - as below
                _log.exception("%s cannot be measured", type(sampler).__name__)

    async def _measure_queues(self, at: datetime) -> None:
        try:
            depths = await self._depths()
        except Exception:  # noqa: BLE001 - the alarms on queues then see missing data, as they would on AWS
            _log.exception("the queues could not be measured")
            return
        for queue, depth in depths.items():
            dimensions = {"QueueName": queue}
            for name, value in (("Visible", depth.visible), ("NotVisible", depth.in_flight)):
                self.store.put("AWS/SQS", f"ApproximateNumberOfMessages{name}", dimensions, at, [value], "Count")
            self.store.put("AWS/SQS", AGE_ATTRIBUTE, dimensions, at, [depth.oldest_s], "Seconds")

    async def _run(self) -> None:
        while True:
            now = self._now()
            due = now.replace(second=0, microsecond=0) + timedelta(minutes=1, seconds=LATE_S)
            await asyncio.sleep((due - now).total_seconds())
            await self.evaluate(due)
