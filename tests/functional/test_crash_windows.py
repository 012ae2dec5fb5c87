"""Workers killed exactly in the crash windows that DESIGN names: real processes, Redis, queues and SIGKILLs.

A child process takes messages from its queue and works on them with one port that kills it at a chosen point. Then
another worker gets the same messages, and a client that follows the protocol has seen everything once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.adapters.redis.client import Redis
from chalicelib.adapters.sqs import Queue, SqsJobQueue
from tests.functional.crash_bench import TOPICS, BetweenEntries, CrashBench, Lethal, Ports


def after_redis_write(ports: Ports) -> None:
    """Sequenced, logged, marked dirty, the tick's lease taken: nothing of it sent."""
    ports.stream = Lethal(ports.stream, "sequence")


def after_tick_sent(ports: Ports) -> None:
    ports.ticks = Lethal(ports.ticks, "send")


def before_jobs(ports: Ports) -> None:
    ports.jobs = Lethal(ports.jobs, "send", before=True)


def between_two_entries(ports: Ports) -> None:
    ports.jobs = jobs_through(ports, BetweenEntries(ports.sqs, 4))


def between_two_batches(ports: Ports) -> None:
    ports.jobs = jobs_through(ports, Lethal(ports.sqs, "send_message_batch"))


def after_jobs(ports: Ports) -> None:
    """Everything was sent, the message not yet deleted."""
    ports.jobs = Lethal(ports.jobs, "send")


def jobs_through(ports: Ports, client: Any) -> SqsJobQueue:
    return SqsJobQueue(Queue(client, ports.jobs_url))


def after_moving_to_flushing(ports: Ports) -> None:
    ports.stream = Lethal(ports.stream, "flush")


def before_clearing(ports: Ports) -> None:
    ports.stream = Lethal(ports.stream, "flushed", before=True)


def after_clearing(ports: Ports) -> None:
    ports.stream = Lethal(ports.stream, "flushed")


PROCESS_WINDOWS = [
    after_redis_write,
    after_tick_sent,
    before_jobs,
    between_two_entries,
    between_two_batches,
    after_jobs,
]
FLUSH_WINDOWS = [
    after_moving_to_flushing,
    before_jobs,
    between_two_entries,
    between_two_batches,
    after_jobs,
    before_clearing,
    after_clearing,
]


@pytest.fixture
def bench(redis_url: str, ministack: Any) -> Iterator[CrashBench]:
    bench = CrashBench(redis_url, lambda: ministack.aws.client("sqs"))
    yield bench
    bench.close()


@pytest.mark.parametrize("window", PROCESS_WINDOWS)
def test_a_process_worker_that_dies_loses_and_repeats_nothing(bench, window):
    """Its message comes again, is known by its ids, and every client ends with each change once."""
    bench.publish(*((topic, "100", 0) for topic in TOPICS))
    bench.process()
    bench.deliver()
    bench.now += timedelta(seconds=0.4)
    # The slow readers' slot is taken by the first change, so that these mark topics dirty and arm a tick.
    bench.publish(*((topic, value, second) for second, value in ((1, "101"), (2, "102")) for topic in TOPICS))
    bench.killed(bench.process, window)
    bench.publish((TOPICS[0], "103", 3))  # and life goes on meanwhile
    handled = 0
    while handled < 2:
        handled += bench.process()
    bench.deliver()
    bench.now += timedelta(seconds=10)
    while bench.sweep():
        pass
    bench.deliver()
    expected = {topic: ["100", "101", "102"] for topic in TOPICS}
    expected[TOPICS[0]].append("103")
    bench.check(expected, {topic: ["100", values[-1]] for topic, values in expected.items()})


@pytest.mark.parametrize("window", FLUSH_WINDOWS)
def test_a_flush_that_dies_is_finished_by_the_next_worker(bench, window):
    """The tick comes again and sends the same values with the same offsets; a second slot is not sent."""
    bench.publish(*((topic, "100", 0) for topic in TOPICS))
    bench.process()
    bench.now += timedelta(seconds=0.4)
    bench.publish(*((topic, value, second) for second, value in ((1, "101"), (2, "102")) for topic in TOPICS))
    bench.process()
    bench.now += timedelta(seconds=1.6)
    bench.killed(bench.flush, window)
    bench.publish((TOPICS[0], "103", 3))
    bench.process()
    bench.flush()
    bench.now += timedelta(seconds=10)
    bench.sweep()
    assert bench.sweep() == [], "a finished slot is still to be swept"
    bench.deliver()
    expected = {topic: ["100", "101", "102"] for topic in TOPICS}
    expected[TOPICS[0]].append("103")
    bench.check(expected, {topic: ["100", "102"] for topic in TOPICS[1:]} | {TOPICS[0]: ["100", "102", "103"]})


def test_a_flush_whose_frozen_updates_expired_is_not_swept_for_ever(bench):
    """A store that was away for hours has forgotten them; their clients resume with ``since``."""
    bench.publish(*((TOPICS[0], value, second) for second, value in enumerate(("100", "101"))))
    bench.process()
    bench.now += timedelta(seconds=2)
    bench.killed(bench.flush, after_moving_to_flushing)
    Redis(bench.redis_url).call(lambda client: client.delete(*client.keys("flushing:*")))
    bench.now += timedelta(seconds=10)
    assert len(bench.sweep()) == 1
    assert bench.sweep() == []
