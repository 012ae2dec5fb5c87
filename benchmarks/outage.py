"""PostgreSQL stops while changes stream: who waits for it, and what of it is missing afterwards.

    python -m benchmarks.outage                    a minute
    python -m benchmarks.outage --seconds 5 --json

Starts the whole laptop cloud, publishes observations at a steady rate through the real topic, and watches every topic
on a socket: for as long before the outage, during it, and after it until the history's queue is empty. Then every
observation that was published must be one row of history.observations, and every change have come once. (Of two
observations that overtake each other on their way the older is no change: updates may be fewer.) `drained_s` is
how long after the outage the queue was as short as before it. Exit code 0 if nothing is missing or doubled, anywhere.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import defistream
import psycopg

from chalicelib.domain.observations import Observation
from localcloud.testing import LocalCloud, observation

DRAIN_S = 240.0  # a message that failed for a minute comes again after another one at the latest
WARM_UP = 5  # rounds that start the workers and belong to no phase
DEPTH = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")


@dataclass
class Run:
    """One cloud, its load, and what came of it."""

    cloud: LocalCloud
    topics: int = 20
    per_second: float = 2.0  # rounds, each of an observation of every topic
    published: list[Observation] = field(default_factory=list)
    updates: list[defistream.Update] = field(default_factory=list)
    depths: list[tuple[float, int]] = field(default_factory=list)  # when (monotonic), and how many messages waited

    async def outage(self, seconds: float) -> dict[str, Any]:
        """Raises TimeoutError if the queue does not drain."""
        cloud = self.cloud
        async with defistream.connect(cloud.ws_url, api_key=cloud.key, http_url=cloud.url) as stream:
            await stream.subscribe("price:*")
            watching = asyncio.create_task(self._watch(stream))
            for _ in range(WARM_UP):
                await self._round()
                await self._all_came()
            await asyncio.wait_for(self._drained(), DRAIN_S)
            before, usual = await self._load(seconds), max(depth for _, depth in self.depths)
            await cloud.postgres.pause()
            during = await self._load(seconds)
            came = len(self.updates)  # nothing that comes later is counted as not having waited
            await cloud.postgres.resume()
            began = time.monotonic()
            after = await self._load(seconds)
            await self._all_came()
            await asyncio.wait_for(self._drained(), DRAIN_S)
            drained_s = min(at for at, depth in self.depths if at > began and depth <= usual) - began
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            reconnects = stream.stats.reconnects
        phases = {
            name: self._delays(*span) for name, span in {"before": before, "during": during, "after": after}.items()
        }
        repeated = len(self.updates) - len({(update.topic, update.epoch, update.offset) for update in self.updates})
        return {
            "seconds": seconds,
            "observations": len(self.published),
            "streamed_while_away": came - sum(update.published_at < during[0] for update in self.updates),
            "published_while_away": sum(during[0] <= seen.observed_at < during[1] for seen in self.published),
            "updates": len(self.updates),
            "updates_missing": self._missing(),
            "updates_repeated": repeated,
            "reconnects": reconnects,
            **{f"delay_{name}_{rank}": value for name, ranks in phases.items() for rank, value in ranks.items()},
            "queue_deepest": max(depth for _, depth in self.depths),
            "drained_s": round(drained_s, 1),
            **await asyncio.to_thread(self._rows),
            "dead_letters": await asyncio.to_thread(self._depth, "HistoryDeadLettersUrl"),
        }

    async def _watch(self, stream: defistream.Stream) -> None:
        async for update in stream:
            if not update.snapshot:
                self.updates.append(update)

    async def _load(self, seconds: float) -> tuple[datetime, datetime]:
        """Rounds for so long; returns from when until when."""
        began, start = datetime.now(UTC), time.monotonic()
        for number in range(int(seconds * self.per_second)):
            await asyncio.sleep(max(0.0, start + number / self.per_second - time.monotonic()))
            await self._round()
            await self._waiting()
        return began, datetime.now(UTC)

    async def _round(self) -> None:
        """Every topic 1 % and more above its last value: each observation is a change."""
        now, number = datetime.now(UTC), len(self.published) // self.topics
        value = Decimal(100) * Decimal("1.02") ** (number % 200)
        seen = [observation(f"price:coin-{topic}", round(value + topic, 6), now) for topic in range(self.topics)]
        self.published += seen
        await self.cloud.publish(seen)

    async def _all_came(self) -> None:
        """Of every topic the newest value."""
        newest = {(seen.topic, seen.value) for seen in self.published[-self.topics :]}
        async with asyncio.timeout(60):
            while not newest <= {(update.topic, update.value) for update in self.updates[-5 * self.topics :]}:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def _drained(self) -> None:
        while await self._waiting():  # noqa: ASYNC110 - a queue tells nobody
            await asyncio.sleep(0.2)

    async def _waiting(self) -> int:
        depth = await asyncio.to_thread(self._depth, "HistoryQueueUrl")
        self.depths.append((time.monotonic(), depth))
        return depth

    def _depth(self, output: str) -> int:
        sqs, url = self.cloud.aws.client("sqs"), self.cloud.outputs[output]
        counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(DEPTH))["Attributes"]
        return sum(int(counts.get(name, 0)) for name in DEPTH)

    def _missing(self) -> int:
        """Every change has a number of its topic and epoch, from 1 on."""
        newest: dict[tuple[str, str], int] = {}
        for update in self.updates:
            key = update.topic, update.epoch
            newest[key] = max(newest.get(key, 0), update.offset)
        return sum(newest.values()) - len({(update.topic, update.epoch, update.offset) for update in self.updates})

    def _delays(self, start: datetime, end: datetime) -> dict[str, float]:
        delays = sorted(update.delay_ms for update in self.updates if start <= update.published_at < end)
        return {
            "p50_ms": round(statistics.median(delays), 1),
            "p95_ms": round(delays[min(len(delays) - 1, len(delays) * 95 // 100)], 1),
        }

    def _rows(self) -> dict[str, int]:
        """Compared one by one with what was published."""
        with psycopg.connect(self.cloud.postgres.url) as connection:
            rows = connection.execute(
                "SELECT topic, observed_at, observations.id, value FROM history.observations JOIN history.entities"
                " ON entities.id = observations.entity_id WHERE topic LIKE 'price:coin-%'"
            ).fetchall()
            candles = connection.execute(
                "SELECT coalesce(sum(samples), 0) FROM history.candles WHERE interval = 1440"
            ).fetchall()
        kept = Counter((topic, at, value) for topic, at, _, value in rows)
        wanted = Counter((seen.topic, seen.observed_at, seen.value) for seen in self.published)
        return {
            "rows": len(rows),
            "rows_missing": (wanted - kept).total(),
            "rows_doubled": (kept - wanted).total(),
            "samples_in_candles": int(candles[0][0]),
        }


def is_whole(result: dict[str, Any]) -> bool:
    wrong = ("updates_missing", "updates_repeated", "rows_missing", "rows_doubled", "dead_letters")
    return not any(result[name] for name in wrong) and result["samples_in_candles"] == result["observations"]


async def run(seconds: float, **load: Any) -> dict[str, Any]:
    async with LocalCloud() as cloud:
        return await Run(cloud, **load).outage(seconds)


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m benchmarks.outage", description=__doc__.split("\n", 1)[0])
    options.add_argument("--seconds", type=float, default=60, help="of the outage, and before and after it (60)")
    options.add_argument("--topics", type=int, default=20, help="topics (20)")
    options.add_argument("--per-second", type=float, default=2, help="observations of each a second (2)")
    options.add_argument("--json", action="store_true", help="one JSON object")
    args = options.parse_args()
    result = asyncio.run(run(args.seconds, topics=args.topics, per_second=args.per_second))
    print(json.dumps(result) if args.json else "\n".join(f"{name:<22} {value}" for name, value in result.items()))
    if not is_whole(result):
        print("something is missing or doubled", file=sys.stderr)
    return 0 if is_whole(result) else 1


if __name__ == "__main__":
    raise SystemExit(main())
