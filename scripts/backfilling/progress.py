"""How far a backfill is: kept in a file, shown as a bar."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

WIDTH = 24


class Progress:
    """The newest point handed over of each topic. A run that was broken off goes on after it; ``--restart`` forgets."""

    def __init__(self, path: Path, *, restart: bool = False) -> None:
        self._path = path
        self._through: dict[str, str] = {}
        if path.exists() and not restart:
            self._through = json.loads(path.read_text())

    def after(self, topic: str) -> datetime | None:
        """The time of the last point that was handed over."""
        text = self._through.get(topic)
        return datetime.fromisoformat(text) if text else None

    def done(self, topic: str, through: datetime) -> None:
        """Written at once, and whole: a run may be killed at any time."""
        self._through[topic] = through.astimezone(UTC).isoformat()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self._through, indent=1))
        part.replace(self._path)

    @property
    def topics(self) -> Mapping[str, str]:
        return self._through


class Bar:
    """One line that is written over on a terminal; elsewhere a line every five seconds."""

    def __init__(self, total: int, *, out: TextIO = sys.stderr, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._out = out
        self._clock = clock
        self._began = clock()
        self._told = self._began
        self._done = self._points = 0

    def step(self, points: int, label: str) -> None:
        self._done += 1
        self._points += points
        now = self._clock()
        if self._out.isatty():
            self._out.write(f"\r\x1b[K{self.line(label)}")
        elif self._done == self._total or now - self._told >= 5:
            self._out.write(self.line(label) + "\n")
            self._told = now
        self._out.flush()

    def line(self, label: str) -> str:
        share = self._done / self._total if self._total else 1.0
        took = self._clock() - self._began
        left = took / self._done * (self._total - self._done) if self._done else 0.0
        full = round(share * WIDTH)
        return (
            f"[{'#' * full}{'.' * (WIDTH - full)}] {self._done}/{self._total} topics, {self._points:,} observations,"
            f" {_short(left)} left  {label[:40]}"
        )

    def end(self) -> None:
        if self._out.isatty():
            self._out.write("\n")


def _short(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
