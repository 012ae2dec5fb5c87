"""Workers that can be killed at a chosen point, between a real Redis and real queues."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from chalicelib.adapters.redis.client import Redis
from chalicelib.adapters.redis.stream import RedisAudience, RedisStream
from chalicelib.adapters.redis.subscriptions import RedisSubscriptions
from chalicelib.adapters.sqs import Queue, SqsDeadLetters, SqsJobQueue, SqsRetries, SqsTickQueue
from chalicelib.domain.filters import Group
from chalicelib.domain.observations import Observation, observation_id
from chalicelib.ports import Tick
from chalicelib.protocol.envelopes import DeliveryJob, TickMessage, decode, encode_observations
from chalicelib.services.conflation import Conflation
from chalicelib.services.process import Message, ProcessObservations
from chalicelib.settings import DEFAULT_THRESHOLDS
from tests.functional.model import ModelClient, updates_of

START = datetime.now(UTC).replace(second=0, microsecond=0)
VISIBILITY_S = 1
TOPICS = [f"price:coin-{number}" for number in range(4)]
READERS = [f"reader-{number}" for number in range(12)]  # one to a job: twelve jobs, two SendMessageBatch calls
SLOW_READERS = [f"slow-reader-{number}" for number in range(12)]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Lethal:
    """Another object whose ``method`` kills this process: before its call, after it, or after the ``nth``."""

    def __init__(self, inner: Any, method: str, *, before: bool = False, nth: int = 1) -> None:
        self._inner, self._method, self._before, self._left = inner, method, before, nth

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        return self._deadly(method) if name == self._method else method

    def _deadly(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._before and not self._left:
                die()
            answer = method(*args, **kwargs)
            if not self._left:
                die()
            return answer

        return call


class BetweenEntries:
    """An SQS client of which a SendMessageBatch gets no further than some of its entries."""

    def __init__(self, inner: Any, entries: int) -> None:
        self._inner, self._entries = inner, entries

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Any]) -> Any:  # noqa: N803 - boto3's names
        self._inner.send_message_batch(QueueUrl=QueueUrl, Entries=Entries[: self._entries])
        die()


@dataclass
class Ports:
    """What a worker is made of; a window replaces one of them."""

    stream: Any
    audience: Any
    sqs: Any
    jobs: Any
    ticks: Any
    jobs_url: str


Window = Callable[[Ports], None]


class CrashBench:
    """Queues of a test's own, a Redis, and workers that live in processes of their own or here."""

    def __init__(self, redis_url: str, client: Callable[[], Any]) -> None:
        self.redis_url = redis_url
        self._client = client
        self.sqs = client()
        self.now = START
        names = [f"{name}-{uuid.uuid4().hex[:8]}" for name in ("events", "deliveries", "ticks", "dead")]
        self.events, self.deliveries, self.ticks, self.dead = (
            self.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": str(VISIBILITY_S)})["QueueUrl"]
            for name in names
        )
        self.clients = {connection: ModelClient(connection) for connection in READERS + SLOW_READERS}
        subscriptions = RedisSubscriptions(Redis(redis_url), now=lambda: self.now)
        for connection, group in [(reader, Group(rate_s=int(reader in SLOW_READERS))) for reader in self.clients]:
            subscriptions.subscribe(
                connection,
                {"price:*": ""},
                group=group,
                ends_ms=int(START.timestamp() * 1000) + 7_200_000,
                max_topics=9,
                snapshot=True,
                since={},
            )

    def close(self) -> None:
        for url in (self.events, self.deliveries, self.ticks, self.dead):
            self.sqs.delete_queue(QueueUrl=url)

    def ports(self) -> Ports:
        """Connections of this process's own."""
        store, sqs = Redis(self.redis_url), self._client()
        stream = RedisStream(
            store,
            thresholds=DEFAULT_THRESHOLDS,
            now=lambda: self.now,
            log_entries=200,
            log_seconds=900,
            applied_seconds=3600,
        )
        audience = RedisAudience(store, now=lambda: self.now)
        # Ticks are to arrive at once: the tests' clock decides when a slot has ended.
        ticks = SqsTickQueue(Queue(sqs, self.ticks), now=lambda: self.now + timedelta(minutes=2))
        return Ports(stream, audience, sqs, SqsJobQueue(Queue(sqs, self.deliveries)), ticks, self.deliveries)

    # --- workers ---------------------------------------------------------------------------------------

    def process(self, window: Window | None = None) -> int:
        """One batch from ``events``, deleted when it is done; its size."""
        ports = self.armed(window)
        service = ProcessObservations(
            stream=ports.stream,
            audience=ports.audience,
            jobs=ports.jobs,
            ticks=ports.ticks,
            dead_letters=SqsDeadLetters(ports.sqs, self.dead),
            retries=SqsRetries(ports.sqs, self.events),
            now=lambda: self.now,
            frame_bytes=32_768,
            posts_per_job=1,
        )
        received = self.receive(self.events)
        assert received, "no message came"
        failed = service.run([Message(m["MessageId"], m["Body"], m["ReceiptHandle"]) for m in received]).failed
        assert not failed
        self.delete(self.events, received, ports.sqs)
        return len(received)

    def flush(self, window: Window | None = None) -> None:
        """One batch from ``ticks``, deleted when it is done."""
        ports = self.armed(window)
        service = self.conflation(ports)
        received = self.receive(self.ticks)
        assert received, "no tick came"
        for message in received:
            tick = decode(TickMessage, message["Body"])
            service.flush(Tick(tick.rate, tick.slot))
        self.delete(self.ticks, received, ports.sqs)

    def sweep(self) -> list[Tick]:
        return list(self.conflation(self.ports()).sweep())

    def conflation(self, ports: Ports) -> Conflation:
        return Conflation(
            stream=ports.stream,
            audience=ports.audience,
            jobs=ports.jobs,
            ticks=ports.ticks,
            retries=SqsRetries(ports.sqs, self.ticks),
            frame_bytes=32_768,
            posts_per_job=1,
        )

    def armed(self, window: Window | None) -> Ports:
        ports = self.ports()
        if window is not None:
            window(ports)
        return ports

    def killed(self, work: Callable[[Window], object], window: Window) -> None:
        """Run ``work`` in a process that does not outlive ``window``."""
        pid = os.fork()
        if not pid:
            try:
                work(window)
            finally:
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status), "the worker outlived its window"
        assert os.WTERMSIG(status) == signal.SIGKILL

    # --- queues ----------------------------------------------------------------------------------------

    def publish(self, *values: tuple[str, str, int]) -> None:
        for body in encode_observations([seen(*value) for value in values]):
            self.sqs.send_message(QueueUrl=self.events, MessageBody=body.decode())

    def receive(self, url: str, wait_s: int = 5) -> list[Any]:
        """At once if something is there, else when the visibility of what a dead worker had taken ends."""
        answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_s)
        return list(answer.get("Messages", []))

    @staticmethod
    def delete(url: str, received: list[Any], sqs: Any) -> None:
        for message in received:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def deliver(self) -> None:
        """Whatever is on ``deliveries``, to the clients."""
        while received := self.receive(self.deliveries, wait_s=0):
            for message in received:
                for connections, updates in updates_of(decode(DeliveryJob, message["Body"])):
                    for connection in connections:
                        self.clients[connection].receive(updates)
            self.delete(self.deliveries, received, self.sqs)

    def check(self, expected: dict[str, list[str]], slow: dict[str, list[str]]) -> None:
        """Every reader saw these values of these topics, once each and in a chain without a gap."""
        for connection, client in self.clients.items():
            wanted = slow if connection in SLOW_READERS else expected
            for topic, values in wanted.items():
                line = client.lines[topic]
                assert [line.values[offset] for offset in sorted(line.values)] == values, connection
                assert len(client.offsets(topic)) == len(values)
                assert not line.walk()[1]


def seen(topic: str, value: str, second: int) -> Observation:
    at = START + timedelta(seconds=second)
    return Observation(observation_id(topic, str(second), Decimal(value)), topic, Decimal(value), at)
