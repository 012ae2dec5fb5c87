"""Parts of the platform die while sockets are open and changes are published; in the end nothing is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import redis

from chalicelib.domain.observations import Observation
from chalicelib.protocol.envelopes import encode_observations
from localcloud.testing import LocalCloud, observation
from tests.e2e.watching import Watcher, until, until_shown, watching

TOPICS = [f"price:coin-{number}" for number in range(4)]
OUTAGE_S = 5.0
# Short, so that what a dead worker had taken comes back soon.
QUICK = {
    "timeouts_s": {"process": 5, "tick": 5, "deliver": 5, "prune": 5},
    "parameters": {"ProcessVisibility": "6", "DeliverVisibility": "6"},
}


async def publish(cloud: LocalCloud, round_: int) -> dict[str, Decimal]:
    """A value for every topic, 2 % above the last one: enough for each threshold."""
    values = {topic: Decimal(1000 + 25 * round_ + number) for number, topic in enumerate(TOPICS)}
    now = datetime.now(UTC)
    await cloud.publish([observation(topic, value, now) for topic, value in values.items()])
    return values


async def watch_all(cloud: LocalCloud, stack: AsyncExitStack) -> list[Watcher]:
    """Every change, one a second, and moves of 1 %."""
    wanted = [{}, {"rate": "1s"}, {"min_change_pct": "1"}]
    return [await stack.enter_async_context(watching(cloud, "price:*", **options)) for options in wanted]


@pytest.mark.timeout(150)
@pytest.mark.parametrize("back", ["empty", "with_a_snapshot", "as_it_was"])
async def test_five_seconds_without_redis(start_cloud, back):
    """Sockets stay open, what is published meanwhile waits in its queue, and clients end with the right values."""
    cloud = await start_cloud(**QUICK)
    async with AsyncExitStack() as stack:
        watchers = await watch_all(cloud, stack)
        await until_shown(watchers, await publish(cloud, 0))
        if back == "with_a_snapshot":
            with redis.Redis.from_url(cloud.redis.url) as client:
                client.save()
        await until_shown(watchers, await publish(cloud, 1))  # known to the clients, unknown to the snapshot
        before = {topic: watchers[0].epochs(topic)[-1] for topic in TOPICS}

        await outage(cloud, back)
        for watcher in watchers:
            # An emptied server cannot know whom to tell: clients find out when they ping after 120 s of silence.
            await until(lambda watcher=watcher: watcher.stream.connected)
            await watcher.stream.ping()
        await until_shown(watchers, await publish(cloud, 9))

        for watcher in watchers:
            assert watcher.repeated() == []
            assert watcher.stream.stats.reconnects == 0
            for topic in TOPICS:
                assert (watcher.epochs(topic)[-1] != before[topic]) is (back != "as_it_was")
                # What came behind the last is still on its way, or is asked for when the client has waited for it.
                await until(lambda watcher=watcher, topic=topic: watcher.missing(topic) == [])
        assert await dead_letters(cloud) == 0


async def outage(cloud: LocalCloud, back: str) -> None:
    """Five seconds without Redis, in which four rounds are published."""
    pid = cloud.redis.pid
    assert pid
    if back == "as_it_was":
        os.kill(pid, signal.SIGSTOP)  # it hangs: commands time out here and are carried out later all the same
    else:
        await cloud.redis.kill()
    try:
        for round_ in range(2, 6):
            await publish(cloud, round_)
            await asyncio.sleep(OUTAGE_S / 4)
    finally:
        if back == "as_it_was":
            os.kill(pid, signal.SIGCONT)
    if back != "as_it_was":
        await cloud.redis.start()


async def dead_letters(cloud: LocalCloud) -> int:
    def count() -> int:
        sqs = cloud.aws.client("sqs")
        urls = [cloud.outputs["EventsDeadLettersUrl"], cloud.outputs["DeliveriesDeadLettersUrl"]]
        name = "ApproximateNumberOfMessages"
        return sum(
            int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name]) for url in urls
        )

    return await asyncio.to_thread(count)


@pytest.mark.timeout(90)
async def test_a_deliver_worker_killed_in_the_middle_of_a_job(start_cloud):
    """Its job comes back whole: who had got it drops it as seen, who had not gets it now."""
    cloud = await start_cloud(**QUICK, env={"DELIVER_CONNECTIONS": "2"})
    async with AsyncExitStack() as stack:
        watchers = [await stack.enter_async_context(watching(cloud, "price:*")) for _ in range(12)]
        await until_shown(watchers, await publish(cloud, 0))
        cloud.gateway.latency_s = 0.2
        values = await publish(cloud, 1)
        await until(lambda: any(values.items() <= watcher.shown().items() for watcher in watchers))
        for pid in cloud.runtime.workers("deliver"):
            os.kill(pid, signal.SIGKILL)
        assert not all(values.items() <= watcher.shown().items() for watcher in watchers), "not in the middle"
        cloud.gateway.latency_s = 0
        await until_shown(watchers, values)
        await until_shown(watchers, await publish(cloud, 2))
        for watcher in watchers:
            assert watcher.repeated() == []
            assert all(watcher.missing(topic) == [] for topic in TOPICS)
        assert sum(watcher.stream.stats.duplicates for watcher in watchers), "nobody got the job's frames twice"
        assert cloud.pollers.by_function["deliver"].counts.errors


@pytest.mark.timeout(90)
async def test_repeated_and_reordered_messages_are_observed_once(start_cloud):
    """The same bodies again and again, the newest first: every change is seen once, in a chain without a gap."""
    cloud = await start_cloud(**QUICK)
    async with AsyncExitStack() as stack:
        watchers = await watch_all(cloud, stack)
        bodies = []
        now = datetime.now(UTC)
        for step in range(6):
            values = {topic: Decimal(1000 + 25 * step + number) for number, topic in enumerate(TOPICS)}
            bodies.append(message([observation(topic, value, now) for topic, value in values.items()]))
            await asyncio.to_thread(send, cloud, bodies[-1:])
            await until_shown(watchers[:1], values)
        await asyncio.to_thread(send, cloud, [*reversed(bodies), *bodies, *reversed(bodies)])
        await until_shown(watchers, await publish(cloud, 9))
        await until(lambda: cloud.pollers.by_function["process"].in_flight == 0)
        for watcher in watchers:
            assert watcher.repeated() == []
            assert all(watcher.missing(topic) == [] for topic in TOPICS)
        every = [update.offset for update in watchers[0].updates if update.topic == TOPICS[0]]
        assert every == list(range(1, 8))


def message(observations: list[Observation]) -> str:
    (body,) = encode_observations(observations)
    return body.decode()


def send(cloud: LocalCloud, bodies: list[str]) -> None:
    """Straight to the queue, as SNS may at any time do again."""
    sqs = cloud.aws.client("sqs")
    for body in bodies:
        sqs.send_message(QueueUrl=cloud.outputs["EventsQueueUrl"], MessageBody=body)
