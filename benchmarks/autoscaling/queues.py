"""A queue and the pollers with which Lambda reads it: five at first, more while messages wait, fewer when none do."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from benchmarks.autoscaling.environments import TICK_S

FIRST = 5  # batches at a time
MORE_PER_S = 5.0  # 300 a minute


@dataclass
class Queue:
    """Messages wait in the order in which they came. ``most`` is the event source's maximum concurrency."""

    most: int
    batch: int
    _waiting: deque[tuple[int, int]] = field(default_factory=deque)  # tick of arrival, messages
    _allowed: float = FIRST

    @property
    def depth(self) -> int:
        return sum(count for _, count in self._waiting)

    def age_s(self, tick: int) -> float:
        """Of the oldest message; 0 for none."""
        return (tick - self._waiting[0][0]) * TICK_S if self._waiting else 0.0

    def put(self, count: int, tick: int) -> None:
        if count:
            self._waiting.append((tick, count))

    def batches(self, busy: int) -> list[int]:
        """The messages of each batch that pollers take now, of whom ``busy`` wait for their function."""
        depth = self.depth
        self._allowed = (
            min(self.most, self._allowed + MORE_PER_S * TICK_S) if depth else max(FIRST, self._allowed - TICK_S)
        )
        free = min(self.most, int(self._allowed)) - busy
        taken: list[int] = []
        while depth and free > 0:  # those that are free share what waits
            taken.append(min(self.batch, -(-depth // free)))
            depth -= taken[-1]
            free -= 1
        self._take(sum(taken))
        return taken

    def _take(self, count: int) -> None:
        while count:
            at, here = self._waiting.popleft()
            if here > count:
                self._waiting.appendleft((at, here - count))
            count -= min(here, count)
