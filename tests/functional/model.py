"""Slow, plain references: what the sequencer must decide, and what a client of the protocol makes of its frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from chalicelib.domain.observations import Observation, plain
from chalicelib.domain.topics import kind_of
from chalicelib.settings import FILTER_RUNGS, Threshold


@dataclass
class Told:
    """A change as the reference numbers it; ``epoch`` is a number of its own, to be mapped on the server's texts."""

    topic: str
    epoch: int
    offset: int
    value: Decimal
    previous: str | None
    prev: dict[str, int | None]


@dataclass
class Topic:
    generation: int
    epoch: int
    offset: int
    value: Decimal
    observed_ms: int
    baselines: dict[str, Decimal] = field(default_factory=dict)
    passed: dict[str, int] = field(default_factory=dict)
    log: list[Told] = field(default_factory=list)
    forced: bool = False


class ReferenceSequencer:
    """DESIGN section 1 word by word, in Decimal: id, age, then the rungs."""

    def __init__(self, thresholds: Mapping[str, Threshold], log_entries: int) -> None:
        self._thresholds = thresholds
        self._log_entries = log_entries
        self._generation = 0
        self._epochs = 0
        self.topics: dict[str, Topic] = {}
        self._applied: dict[str, tuple[int, int] | None] = {}

    def emptied(self) -> None:
        self.topics.clear()
        self._applied.clear()
        self._generation += 1

    def replaced(self) -> None:
        """Another server with everything that this one had."""
        self._generation += 1

    def look(self, name: str) -> Topic | None:
        """A topic's state; its first look in a new generation begins a new epoch."""
        topic = self.topics.get(name)
        if topic is not None and topic.generation != self._generation:
            topic.generation, topic.epoch, topic.offset, topic.forced = self._generation, self._next_epoch(), 0, True
            topic.log.clear()
            topic.passed.clear()
        return topic

    def _next_epoch(self) -> int:
        self._epochs += 1
        return self._epochs

    def observe(self, seen: Observation) -> Told | None:
        topic = self.look(seen.topic)
        if seen.id in self._applied and not (topic and topic.forced):
            return self._again(topic, self._applied[seen.id])
        observed_ms = int(seen.observed_at.timestamp() * 1000)
        if topic and observed_ms < topic.observed_ms:
            self._applied[seen.id] = None
            return None
        forced = topic is None or topic.forced
        threshold = self._thresholds[kind_of(seen.topic)]
        rungs = [rung for rung in FILTER_RUNGS if forced or _moved(seen.value, topic.baselines[rung], Decimal(rung))]  # type: ignore[union-attr]
        changed = forced or _moved(seen.value, topic.value, threshold.pct, threshold.absolute)  # type: ignore[union-attr]
        if not changed and not any(Decimal(rung) >= threshold.pct for rung in rungs):
            assert topic
            topic.observed_ms = observed_ms
            self._applied[seen.id] = None
            return None
        return self._change(seen, topic, observed_ms, rungs)

    def _again(self, topic: Topic | None, applied: tuple[int, int] | None) -> Told | None:
        if applied is None or topic is None or topic.epoch != applied[0]:
            return None
        return next((told for told in topic.log if told.offset == applied[1]), None)

    def _change(self, seen: Observation, topic: Topic | None, observed_ms: int, rungs: list[str]) -> Told:
        previous = None if topic is None else plain(topic.value)
        if topic is None:
            topic = self.topics[seen.topic] = Topic(self._generation, self._next_epoch(), 0, seen.value, observed_ms)
        topic.offset += 1
        topic.value, topic.observed_ms, topic.forced = seen.value, observed_ms, False
        prev = {rung: topic.passed.get(rung) for rung in rungs}
        for rung in rungs:
            topic.baselines[rung], topic.passed[rung] = seen.value, topic.offset
        told = Told(seen.topic, topic.epoch, topic.offset, seen.value, previous, prev)
        topic.log = [*topic.log, told][-self._log_entries :]
        self._applied[seen.id] = (topic.epoch, topic.offset)
        return told


def _moved(value: Decimal, base: Decimal, pct: Decimal, absolute: Decimal | None = None) -> bool:
    delta = abs(value - base)
    if not pct:
        return True
    if not delta:
        return False
    if absolute is not None and delta >= absolute:
        return True
    return delta * 100 >= pct * abs(base)


@dataclass
class Line:
    """What a client knows of one topic in one epoch. ``base`` is its position when it joined, if it was told."""

    epoch: str
    published_at: str
    base: int | None = None
    values: dict[int, str] = field(default_factory=dict)  # every offset ever seen
    links: dict[int, int | None] = field(default_factory=dict)  # offset -> prev, of updates that are no snapshots

    def walk(self) -> tuple[int, bool]:
        """The end of the unbroken chain, and whether something was seen beyond it."""
        floor = self.base or 0
        for offset in sorted(self.links):
            prev = self.links[offset]
            if offset > floor and (prev is None or prev <= floor):
                floor = offset  # nothing between was due, whatever else was seen of it
        return floor, max(self.links, default=0) > floor


class ModelClient:
    """PROTOCOL's client rules with nothing clever: offsets seen are remembered, the highest is shown.

    ``observed`` lists each update once, as an application would be handed it. A frame that contradicts an earlier one
    (another value under the same epoch and offset) is an AssertionError.
    """

    def __init__(self, connection: str) -> None:
        self.connection = connection
        self.lines: dict[str, Line] = {}
        self.observed: list[tuple[str, str, int, str]] = []
        self.lossy = False

    def receive(self, updates: list[dict[str, Any]]) -> None:
        for update in updates:
            self._take(update)

    def _take(self, update: dict[str, Any]) -> None:
        topic, epoch, offset = update["topic"], update["epoch"], update["offset"]
        line = self.lines.get(topic)
        if line is None or line.epoch != epoch:
            if line is not None and update["published_at"] <= line.published_at:
                return  # a late frame of an epoch gone by
            line = self.lines[topic] = Line(epoch, update["published_at"])
        line.published_at = max(line.published_at, update["published_at"])
        if update["snapshot"]:
            line.base = offset if line.base is None else max(line.base, offset)
        else:
            # A slower rate is told where the chain stands in more than one way; the furthest back counts.
            known = line.links.get(offset, update["prev"])
            line.links[offset] = None if None in (known, update["prev"]) else min(known, update["prev"])  # type: ignore[type-var]
        if offset in line.values:
            assert line.values[offset] == update["value"], f"two values of {topic} {epoch} {offset}"
        elif line.base is None or offset > line.base or update["snapshot"]:
            line.values[offset] = update["value"]
            self.observed.append((topic, epoch, offset, update["value"]))

    def joined(self, topic: str, epoch: str | None, offset: int) -> None:
        """The reply to a subscribe without ``since``: nothing up to ``offset`` is due but its snapshot."""
        if epoch is not None:
            line = self.lines[topic] = Line(epoch, "")
            line.base = offset
        else:
            self.lines.pop(topic, None)

    def forget(self, topics: Iterator[str]) -> None:
        for topic in list(topics):
            self.lines.pop(topic, None)

    def since(self, *, gaps_only: bool = False) -> dict[str, tuple[str, int]]:
        """Where to resume from."""
        ends = {topic: (line.epoch, *line.walk()) for topic, line in self.lines.items()}
        return {topic: (epoch, floor) for topic, (epoch, floor, gap) in ends.items() if gap or not gaps_only}

    def shown(self, topic: str) -> str | None:
        values = self.lines[topic].values if topic in self.lines else {}
        return values[max(values)] if values else None

    def offsets(self, topic: str) -> list[int]:
        """The offsets observed of a topic's epoch, in the order in which they came."""
        epoch = self.lines[topic].epoch if topic in self.lines else None
        return [offset for name, of, offset, _ in self.observed if (name, of) == (topic, epoch)]


def updates_of(job: Any) -> Iterator[tuple[list[str], list[dict[str, Any]]]]:
    """A delivery job's frames, as their connections will read them."""
    for frame in job.frames:
        yield frame.to, [msgspec.json.decode(job.updates[index]) for index in frame.updates]
