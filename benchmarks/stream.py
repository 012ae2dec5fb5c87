"""How long a change takes from its publication to a thousand open sockets, and whether all of them get it.

It starts the whole laptop cloud, opens the sockets in a process of their own, and publishes bursts of
observations through the real path: topic, queue, process, queue, deliver, gateway, socket.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import uvloop

from chalicelib.adapters.dynamodb import DynamoKeys
from chalicelib.domain.observations import Observation, observation_id, plain
from chalicelib.services.keys import KeyRing
from chalicelib.settings import DEFAULT_TIERS
from localcloud.testing import LocalCloud

ROOT = Path(__file__).resolve().parent.parent
KEY_CONNECTIONS = DEFAULT_TIERS["enterprise"].connections
STALLED_S = 10.0

_EPILOG = """\
The delay is from `published_at` (when the change was sequenced) to the moment its bytes were read by the
client's process, by the same machine's clock. `first_ms` is the longest delay of a first batch, which starts
the workers and is not in the other figures; `sent_…` is the part of the delay until the frame was handed to
the gateway. `expected` is changes x connections; every one is looked for, and
counted again if it came again. Exit code 0 if nothing was lost or repeated and p95 is below --limit-ms, else 1.

examples
  python -m benchmarks.stream --connections 1000 --json     the figure of the README
  python -m benchmarks.stream --connections 10 --changes 40  a quick look
"""


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        prog="python -m benchmarks.stream",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = arguments.add_argument
    add("--connections", type=int, default=1000, help="open sockets, all subscribed to price:* (default 1000)")
    add("--changes", type=int, default=200, help="changes to publish (default 200)")
    add("--batch", type=int, default=10, help="changes published together (default 10)")
    add("--interval", type=float, default=0.5, metavar="S", help="seconds between batches (default 0.5)")
    add("--topics", type=int, default=50, help="topics that the changes are spread over (default 50)")
    add("--seed", type=int, default=1, help="of the order of topics and the sizes of moves (default 1)")
    add("--limit-ms", type=float, default=200.0, help="p95 that must be kept (default 200)")
    add("--json", action="store_true", help="print one JSON object; progress goes to the standard error anyway")
    return arguments


class Market:
    """Prices that move enough to be published, the same for the same seed."""

    def __init__(self, topics: int, seed: int) -> None:
        self._random = random.Random(seed)
        self._prices = {f"price:bench-{number:04}": Decimal(100 + number) for number in range(topics)}

    def opening(self) -> list[Observation]:
        return [self._observation(topic) for topic in self._prices]

    def moves(self, count: int, batch: int) -> Iterator[list[Observation]]:
        """Batches of changes. Every price rises by at least 1 %, ten times the publish threshold."""
        topics = list(self._prices)
        for start in range(0, count, batch):
            moved = []
            for _ in range(min(batch, count - start)):
                topic = self._random.choice(topics)
                rise = Decimal(self._random.randint(101, 110)) / 100
                self._prices[topic] = (self._prices[topic] * rise).quantize(Decimal("0.000001"))
                moved.append(self._observation(topic))
            yield moved

    def _observation(self, topic: str) -> Observation:
        now = datetime.now(UTC)
        value = self._prices[topic]
        return Observation(observation_id(topic, now.isoformat(), value), topic, value, now, source="benchmark")


class Sockets:
    """The process that holds the sockets."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def open(cls, url: str, keys: Sequence[str], connections: int) -> Sockets:
        arguments = ["--url", url, "--keys", ",".join(keys), "--connections", str(connections)]
        pipe = asyncio.subprocess.PIPE
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "benchmarks.sockets", *arguments, stdin=pipe, stdout=pipe, cwd=ROOT
            )
        )

    async def answer(self, order: dict[str, Any] | None = None) -> dict[str, Any]:
        """Its next line, after an order if one is given. Raises RuntimeError if it is gone."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if order is not None:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process with the sockets ended: its reason is above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def close(self) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The whole run: start, connect, publish, wait for the last update, count."""
    say("starting the laptop cloud")
    async with LocalCloud(feed=None) as cloud:
        market = Market(options.topics, options.seed)
        await cloud.publish(market.opening())
        keys = [cloud.key]
        while len(keys) * KEY_CONNECTIONS < options.connections:
            keys.append(await asyncio.to_thread(_issue_key, cloud, len(keys)))
        sockets = await Sockets.open(cloud.ws_url, keys, options.connections)
        try:
            opened = await sockets.answer()
            say(f"{opened['ready']} sockets subscribed in {opened['connect_s']} s")
            # The first changes find no worker running: their delay is told apart, as `first_ms`.
            first = await _publish(cloud, market.moves(options.batch, options.batch), options)
            await _settle(sockets, len(first) * options.connections)
            first_ms = (await sockets.answer({"do": "begin"}))["max_ms"]
            began = time.monotonic()
            changes = await _publish(cloud, market.moves(options.changes, options.batch), options)
            await _settle(sockets, len(changes) * options.connections)
            result = await sockets.answer({"do": "finish", "changes": changes})
            duration_s = round(time.monotonic() - began, 3)
        finally:
            await sockets.close()
    return {
        "connections": options.connections,
        **result,
        "changes": len(changes),
        "batch": options.batch,
        "interval_s": options.interval,
        "topics": options.topics,
        "seed": options.seed,
        "connect_s": opened["connect_s"],
        "first_ms": first_ms,
        "duration_s": duration_s,
    }


def _issue_key(cloud: LocalCloud, number: int) -> str:
    table = DynamoKeys(cloud.aws.client("dynamodb"), cloud.outputs["KeysTable"])
    ring = KeyRing(keys=table, tiers=DEFAULT_TIERS, now=lambda: datetime.now(UTC))
    return ring.issue(tier="enterprise", name="benchmark", user=f"benchmark-{number}")[0]


async def _publish(
    cloud: LocalCloud, batches: Iterator[list[Observation]], options: argparse.Namespace
) -> list[tuple[str, str]]:
    changes: list[tuple[str, str]] = []
    due = time.monotonic()
    for batch in batches:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        due += options.interval
        await cloud.publish(batch)
        changes += [(observation.topic, plain(observation.value)) for observation in batch]
        say(f"{len(changes)} changes published")
    return changes


async def _settle(sockets: Sockets, expected: int) -> None:
    """Until everything arrived, or nothing more comes."""
    last, moved_at = -1, time.monotonic()
    while time.monotonic() - moved_at < STALLED_S:
        state = await sockets.answer({"do": "count"})
        if state["updates"] != last:
            last, moved_at = state["updates"], time.monotonic()
            say(f"{last} of {expected} updates received")
        if last >= expected:
            await asyncio.sleep(1.0)  # whatever comes twice may still come
            return
        await asyncio.sleep(0.1)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    result = uvloop.run(measure(options))
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:>12}  {value}")
    kept = result["p95_ms"] is not None and result["p95_ms"] < options.limit_ms
    return 0 if kept and result["lost"] == 0 and result["repeated"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
