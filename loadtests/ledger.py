"""What a run's clients saw: rows for Locust's report, counters, and the push delays second by second."""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import IO

from defistream.update import Update

KEPT_PER_SECOND = 1000
PUSH = "PUSH"
METRIC = {"namespace": "DefiStream", "name": "PublishedToSent", "unit": "Milliseconds"}

Fire = Callable[..., None]


class Delays:
    """Push delays in milliseconds, written to a file one line a second as data points of a metric.

    A second keeps at most KEPT_PER_SECOND of its values, each as likely as any other (reservoir sampling), so that an
    hour at full rate is a few megabytes and percentiles stay what they are.
    """

    def __init__(self, out: IO[str], dimensions: Mapping[str, str], *, seed: int = 1) -> None:
        self._out = out
        self._dimensions = dict(dimensions)
        self._random = random.Random(seed)
        self._second = 0
        self._values: list[float] = []
        self._seen = 0

    def add(self, at: datetime, delay_ms: float) -> None:
        """``at``: when the update was received."""
        second = int(at.timestamp())
        if second > self._second:
            self.flush()
            self._second = second
        self._seen += 1
        if len(self._values) < KEPT_PER_SECOND:
            self._values.append(round(delay_ms, 1))
        elif (place := self._random.randrange(self._seen)) < KEPT_PER_SECOND:
            self._values[place] = round(delay_ms, 1)

    def flush(self) -> None:
        """Write the second in hand."""
        if self._values:
            at = datetime.fromtimestamp(self._second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            point = {**METRIC, "dimensions": self._dimensions, "timestamp": at, "values": self._values}
            self._out.write(json.dumps(point, separators=(",", ":")) + "\n")
        self._values, self._seen = [], 0


class Ledger:
    """Everything that is counted. ``fire`` is Locust's request event."""

    def __init__(self, fire: Fire, delays: Delays) -> None:
        self.counts: Counter[str] = Counter()
        self.losses: Counter[str] = Counter()  # by reason
        self.heard_at = time.monotonic()  # when the last live update came
        self._made: set[tuple[str, str]] = set()
        self._fire = fire
        self._delays = delays

    def count(self, name: str, number: int = 1) -> None:
        if number:
            self.counts[name] += number

    def answered(self, question: str, made_at: str) -> None:
        """An answer to a query. The second to the same question with the same time of making was a kept one."""
        self.count("answers")
        if (question, made_at) not in self._made:
            self._made.add((question, made_at))
            self.count("answers_made")

    def lost(self, reason: str) -> None:
        """A topic of which something was given up. Offsets are left out of the reason, so that reasons stay few."""
        self.losses[re.sub(r"\d+", "N", reason)] += 1

    def row(self, kind: str, name: str, started: float, *, error: Exception | None = None, size_bytes: int = 0) -> None:
        """One request that began at ``started`` (``time.monotonic()``) and has ended, well or not."""
        self._row(kind, name, (time.monotonic() - started) * 1000, size_bytes, error)

    def pushed(self, update: Update, rate: str, size_bytes: int) -> None:
        """A live update. Only at ``realtime`` is its delay ours: at another rate the subscriber chose to wait."""
        self.count("updates")
        self.heard_at = time.monotonic()
        if rate == "realtime":
            self._delays.add(update.received_at, update.delay_ms)
        self._row(PUSH, f"{_kind(update)} {rate}", update.delay_ms, size_bytes)

    def replayed(self, update: Update, size_bytes: int) -> None:
        """An update that was published while the client was away."""
        self.count("replayed")
        self._row(PUSH, f"{_kind(update)} after a reconnect", update.delay_ms, size_bytes)

    def _row(self, kind: str, name: str, took_ms: float, size_bytes: int, error: Exception | None = None) -> None:
        self._fire(
            request_type=kind,
            name=name,
            response_time=took_ms,
            response_length=size_bytes,
            exception=error,
            context={},
        )


def _kind(update: Update) -> str:
    return update.topic.partition(":")[0]
