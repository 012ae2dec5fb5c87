"""How fast observations become delivery jobs: python -m benchmarks.process --json

A real Redis on this machine and the real service; the queue only counts, since SQS is not what is measured. Every
observation is a change (2 % each), of --topics topics; --connections subscribers of price:* at every rate and filter.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from chalicelib.adapters.redis.client import Redis
from chalicelib.adapters.redis.stream import RedisAudience, RedisStream
from chalicelib.adapters.redis.subscriptions import RedisSubscriptions
from chalicelib.domain.filters import Group
from chalicelib.domain.observations import Observation, observation_id
from chalicelib.ports import Tick
from chalicelib.protocol.envelopes import encode_observations
from chalicelib.services.process import Message, ProcessObservations
from chalicelib.settings import DEFAULT_THRESHOLDS, FILTER_RUNGS, RATES
from localcloud.stores import RedisServer


class CountingQueue:
    """Takes everything and counts it: every outgoing port of the service at once."""

    def __init__(self) -> None:
        self.jobs = 0
        self.bytes = 0

    def send(self, bodies: Sequence[Any], *, delay_s: int = 0) -> list[int]:
        for body in bodies:
            if not isinstance(body, Tick):
                self.jobs += 1
                self.bytes += len(body)
        return []

    def soon(self, delays_s: Mapping[str, int]) -> None:
        raise AssertionError(f"{len(delays_s)} messages failed")

    def bury(self, record: bytes, *, reason: str, message_id: str) -> None:
        raise AssertionError(reason)


def utc_now() -> datetime:
    return datetime.now(UTC)


def messages(topics: int, size: int) -> Any:
    """Endless batches: one message of ``size`` observations each, every one a change."""
    start = utc_now()
    values = itertools.count()
    for number in itertools.count():
        batch = []
        for _ in range(size):
            step = next(values)
            value = Decimal(1000 + 20 * (step // topics % 2)) + Decimal(step % topics)
            topic = f"price:coin-{step % topics}"
            at = start + timedelta(milliseconds=step)
            batch.append(Observation(observation_id(topic, str(step), value), topic, value, at))
        yield Message(id=str(number), body=next(iter(encode_observations(batch))).decode())


def subscribe(redis: Redis, connections: int) -> None:
    """Spread connections over every rate and rung of one wildcard."""
    subscriptions = RedisSubscriptions(redis, now=utc_now)
    groups = [Group(rate_s=rate, rung=rung) for rate in RATES.values() for rung in ("", *FILTER_RUNGS)]
    ends_ms = int((time.time() + 3600) * 1000)
    for number in range(connections):
        subscriptions.subscribe(
            f"connection-{number:07d}=",
            {"price:*": ""},
            group=groups[number % len(groups)],
            ends_ms=ends_ms,
            max_topics=10,
            snapshot=False,
            since={},
        )


def measure(url: str, arguments: argparse.Namespace) -> dict[str, Any]:
    redis, queue = Redis(url), CountingQueue()
    kept = {"log_entries": 200, "log_seconds": 900, "applied_seconds": 900}
    service = ProcessObservations(
        stream=RedisStream(redis, thresholds=DEFAULT_THRESHOLDS, now=utc_now, **kept),
        audience=RedisAudience(redis, now=utc_now),
        jobs=queue,
        ticks=queue,
        dead_letters=queue,
        retries=queue,
        now=utc_now,
        frame_bytes=32_768,
        posts_per_job=500,
    )
    subscribe(redis, arguments.connections)
    source = messages(arguments.topics, arguments.batch)
    for _ in range(max(3, arguments.topics // arguments.batch + 1)):  # first sights of every topic are no steady state
        service.run([next(source)])
    queue.jobs = queue.bytes = 0
    took_ms, changes, cpu = [], 0, time.process_time()
    for number in range(arguments.batches):
        message = next(source)
        started = time.perf_counter()
        report = service.run([message])
        took_ms.append((time.perf_counter() - started) * 1000)
        changes += report.changes
        if sys.stderr.isatty():
            print(f"\r{number + 1}/{arguments.batches} batches", end="", file=sys.stderr)
    cpu = time.process_time() - cpu
    if sys.stderr.isatty():
        print(file=sys.stderr)
    took_ms.sort()
    return {
        "changes_per_s": round(changes / (sum(took_ms) / 1000)),
        "batch_p50_ms": round(statistics.median(took_ms), 2),
        "batch_p95_ms": round(took_ms[int(len(took_ms) * 0.95)], 2),
        "batch": arguments.batch,
        "batches": arguments.batches,
        "changes": changes,
        "expected_changes": arguments.batch * arguments.batches,
        "topics": arguments.topics,
        "connections": arguments.connections,
        "jobs": queue.jobs,
        "job_bytes": queue.bytes,
        "python_cpu_s": round(cpu, 3),
    }


async def run(arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="defi-stream-") as directory:
        server = RedisServer(Path(directory))
        await server.start()
        try:
            return await asyncio.to_thread(measure, server.url, arguments)
        finally:
            await server.stop()


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks.process", description=__doc__)
    options.add_argument("--batch", type=int, default=100, help="observations a message, at most 100 (default: 100)")
    options.add_argument("--batches", type=int, default=100, help="messages to process (default: 100)")
    options.add_argument("--topics", type=int, default=500, help="topics to move in turn (default: 500)")
    options.add_argument("--connections", type=int, default=1000, help="subscribers of price:* (default: 1000)")
    options.add_argument("--json", action="store_true", help="one JSON object")
    arguments = options.parse_args()
    result = asyncio.run(run(arguments))
    if arguments.json:
        print(json.dumps(result))
    else:
        print("\n".join(f"{name:<18} {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
