"""How long a change takes to find and judge its alert rules: python -m benchmarks.rules --rules 100000 --json

A real Redis on this machine and the real service, a message of one observation at a time; rules' states, which are
DynamoDB's, are kept in memory, and queues only count. Rules are `above` a bound, evenly spread over --topics topics, so
that every change crosses about --crossed of them, however many are kept: measured with 1,000 rules, ten times as many,
and so on up to --rules, each beside a scan that judges all rules of the topic, in memory and decoded.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from chalicelib.adapters.redis.client import Redis
from chalicelib.adapters.redis.lag import RedisSourceLag
from chalicelib.adapters.redis.rules import RedisRuleIndex
from chalicelib.domain.alerts import Alert, AlertState
from chalicelib.domain.judging import Figures, judge
from chalicelib.domain.observations import Observation, observation_id
from chalicelib.domain.rules import Compared, Rule
from chalicelib.ports.alerts import Due, Kept, RulePage
from chalicelib.protocol.envelopes import encode_observations
from chalicelib.services.evaluate import EvaluateRules
from chalicelib.services.event_clock import EventClock
from chalicelib.services.judgement import JudgeRules
from chalicelib.services.lifecycle import Lifecycle
from chalicelib.services.process import Message
from chalicelib.services.rule_index import KeepIndex
from chalicelib.telemetry import log
from localcloud.stores import RedisServer

START = datetime(2026, 1, 1, tzinfo=UTC)
WIDTH = Decimal(1000)  # of the figures between which a topic's bounds lie
USERS = 1000
SCANS = 20  # changes that are scanned for: enough for a median, and a scan takes long
PART = 10_000  # rules made at once


class Memory:
    """Every port of the service but the index and the clock; what is told is counted."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self.transitions = self.told = 0

    def load(self, rule_ids: Sequence[str]) -> Mapping[str, Kept]:
        return {rule: self.kept.get(rule) or Kept(AlertState(rule=rule)) for rule in rule_ids}

    def move(self, before: AlertState, after: AlertState, unsaid: Sequence[Alert], *, new: Sequence[Alert]) -> bool:
        self.kept[after.rule] = Kept(after)
        self.transitions += 1
        return True

    def said(self, state: AlertState) -> None: ...

    def publish(self, alerts: Sequence[Alert]) -> None:
        self.told += len(alerts)

    def put(self, due: Sequence[Due]) -> None: ...

    def sweep(self) -> int:
        return 0

    def all(self, *, after: str | None, limit: int) -> RulePage:
        return RulePage((), None)

    def soon(self, delays_s: Mapping[str, int]) -> None:
        assert not delays_s, "a message failed"


class Walk:
    """Values of topics that move by the same distance, up or down, each change of another topic."""

    def __init__(self, topics: int, step: Decimal, chance: random.Random) -> None:
        self._values = [WIDTH / 2] * topics
        self._step, self._chance = step, chance

    def changes(self) -> Iterator[tuple[Observation, Decimal]]:
        """Each with the value before; the first of every topic is no change but a beginning."""
        for number in range(10**9):
            topic = number % len(self._values)
            before = self._values[topic]
            up = before < self._step or (before < WIDTH - self._step and self._chance.random() < 0.5)
            value = before if number < len(self._values) else before + (self._step if up else -self._step)
            self._values[topic] = value
            at = START + timedelta(milliseconds=number)
            name = f"price:coin-{topic}"
            yield Observation(observation_id(name, str(number), value), name, value, at), before


def rules(number: int, topics: int) -> Iterator[Rule]:
    """Bounds lie between the values of a walk, never on one."""
    space = WIDTH * topics / number
    for index in range(number):
        bound = (index // topics + Decimal("0.5")) * space
        yield Rule(
            id=f"ru_{index:022d}",
            user=f"user-{index % USERS}",
            name="a rule",
            when=Compared(f"price:coin-{index % topics}", "above", bound),
            created_at=START,
            updated_at=START,
        )


def service(redis: Redis, memory: Memory) -> tuple[EvaluateRules, RedisRuleIndex]:
    clock = EventClock(RedisSourceLag(redis), now=lambda: START)
    index = RedisRuleIndex(redis, clock=clock, now=lambda: START, token="bench")  # noqa: S106 - tells workers apart
    life = Lifecycle(states=memory, timers=memory, stream=memory, clock=clock, now=lambda: START)
    keeper = KeepIndex(rules=memory, index=index, timers=memory, now=lambda: START)  # type: ignore[arg-type]
    judging = JudgeRules(index=index, life=life)
    evaluate = EvaluateRules(
        index=index,
        keeper=keeper,
        judge=judging,
        timers=memory,
        dead_letters=memory,
        retries=memory,
        clock=clock,
        now=lambda: START,
    )
    return evaluate, index


def measure(url: str, number: int, arguments: argparse.Namespace) -> dict[str, Any]:
    redis, memory = Redis(url), Memory()
    redis.call(lambda client: client.flushall())
    evaluate, index = service(redis, memory)
    put_s = fill(index, number, arguments.topics)
    walk = Walk(arguments.topics, WIDTH * arguments.topics * arguments.crossed / number, random.Random(number))
    changes = walk.changes()
    for _ in range(arguments.topics):  # first sights: every rule of the topic is looked at
        memory.kept.clear()
        evaluate.run([message(next(changes)[0])])
    memory.kept = {rule.id: Kept(state(rule)) for rule in rules(number, arguments.topics)}
    memory.transitions = 0
    gc.freeze()  # a worker holds no hundred thousand states, and collects no garbage among them
    took_ms, touched, moved = [], [], 0
    for count in range(arguments.changes):
        body = message(next(changes)[0])
        started = time.perf_counter()
        report = evaluate.run([body])
        took_ms.append((time.perf_counter() - started) * 1000)
        assert not report.failed, report
        touched.append(report.touched)
        moved += memory.transitions
        memory.transitions = 0
        progress(f"{number:,} rules: {count + 1}/{arguments.changes} changes")
    scans_ms = scan(number, arguments.topics, [next(changes) for _ in range(SCANS)])
    return {
        "rules": number,
        "median_ms": round(statistics.median(took_ms), 3),
        "p95_ms": round(sorted(took_ms)[int(len(took_ms) * 0.95)], 3),
        "touched_per_change": round(statistics.mean(touched), 2),
        "transitions_per_change": round(moved / arguments.changes, 2),
        "scan_median_ms": round(statistics.median(scans_ms), 3),
        "indexed_per_s": round(number / put_s),
        "redis_mb": round(redis.call(lambda client: client.info("memory"))["used_memory"] / 1e6, 1),
    }


def state(rule: Rule) -> AlertState:
    """As the first sight left it: firing if the bound is below the middle."""
    assert isinstance(rule.when, Compared)
    phase = "firing" if rule.when.value < WIDTH / 2 else "armed"
    return AlertState(rule=rule.id, phase=phase, version=1, rule_version=1, since=START, alert="al_", fired_at=START)  # type: ignore[arg-type]


def fill(index: RedisRuleIndex, number: int, topics: int) -> float:
    """Seconds that it took to index the rules."""
    index.rebuilt(None)
    started, part = time.perf_counter(), []
    for count, rule in enumerate(rules(number, topics), 1):
        part.append(rule)
        if len(part) == PART or count == number:
            index.put(part)
            part = []
            progress(f"{number:,} rules: {count:,} indexed")
    return time.perf_counter() - started


def scan(number: int, topics: int, changes: Sequence[tuple[Observation, Decimal]]) -> list[float]:
    """What judging every rule of the topic takes, before and at each change, without reading any of them."""
    kept: dict[str, list[Rule]] = {}
    for rule in rules(number, topics):
        assert isinstance(rule.when, Compared)
        kept.setdefault(rule.when.topic, []).append(rule)
    took_ms = []
    for seen, before in changes:
        started = time.perf_counter()
        key = (seen.topic, 0, "value")
        was, now = Figures({key: before}), Figures({key: seen.value})  # type: ignore[dict-item]
        crossed = [
            rule
            for rule in kept.get(seen.topic, ())
            if judge(rule.when, was, seen.observed_at) != judge(rule.when, now, seen.observed_at)
        ]
        took_ms.append((time.perf_counter() - started) * 1000)
        assert crossed, "a change that crosses nothing shows nothing"
    return took_ms


def message(seen: Observation) -> Message:
    return Message(id=seen.id, body=next(iter(encode_observations([seen]))).decode())


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text}\033[K", end="", file=sys.stderr)


async def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    sizes = [size for size in (10**power for power in range(3, 9)) if size < arguments.rules] + [arguments.rules]
    with tempfile.TemporaryDirectory(prefix="defi-stream-") as directory:
        server = RedisServer(Path(directory))
        await server.start()
        try:
            return [await asyncio.to_thread(measure, server.url, size, arguments) for size in sizes]
        finally:
            await server.stop()
            progress("")


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks.rules", description=__doc__)
    options.add_argument("--rules", type=int, default=100_000, help="most rules to keep (default: 100000)")
    options.add_argument("--changes", type=int, default=1000, help="changes to evaluate (default: 1000)")
    options.add_argument("--topics", type=int, default=10, help="topics to spread the rules over (default: 10)")
    options.add_argument("--crossed", type=int, default=5, help="rules that each change crosses (default: 5)")
    options.add_argument("--json", action="store_true", help="one JSON object")
    arguments = options.parse_args()
    if arguments.rules < 2 * arguments.topics * arguments.crossed:
        options.error("fewer rules than twice what the topics' changes cross")
    log.configure(level="ERROR", stage="bench", version="bench")
    sizes = asyncio.run(run(arguments))
    if arguments.json:
        settings = {name: getattr(arguments, name) for name in ("changes", "topics", "crossed")}
        print(json.dumps({**settings, "sizes": sizes}))
        return
    print("  ".join(f"{name:>22}" for name in sizes[0]))
    for size in sizes:
        print("  ".join(f"{value:>22,}" for value in size.values()))


if __name__ == "__main__":
    main()
