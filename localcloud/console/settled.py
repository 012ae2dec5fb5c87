"""Statistics that are computed once: what is over does not change, and a page asks for it every few seconds."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from itertools import groupby

from localcloud.cloudwatch.statistics import Statistic
from localcloud.cloudwatch.store import Grid, Metric, MetricStore

SETTLED_S = 180  # a function may run for a minute or two, and writes its metrics at the end
_KEPT_MAX = 5_000  # of one line

_Line = tuple[Metric, str, str | None, int]


class SettledStore(MetricStore):
    """Reads another store. The value of a slot that ended three minutes ago is computed once, and what comes later is
    not seen in it; a slot without a value is looked at again.
    """

    def __init__(self, store: MetricStore, *, now: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._read = store
        self._now = now
        self._known: defaultdict[_Line, dict[int, float]] = defaultdict(dict)

    def series(self, metric: Metric, stat: Statistic, grid: Grid, unit: str | None = None) -> list[float | None]:
        """As MetricStore."""
        known = self._known[metric, stat.name, unit, grid.period_s]
        if len(known) > _KEPT_MAX:
            known.clear()
        values = [known.get(start_s) for start_s in grid.starts_s]
        for is_known, run in groupby(range(grid.slots), key=lambda slot: values[slot] is not None):
            slots = list(run)
            if not is_known:
                part = Grid(grid.starts_s[slots[0]], grid.period_s, len(slots))
                values[slots[0] : slots[-1] + 1] = self._computed(
                    known, part, self._read.series(metric, stat, part, unit)
                )
        return values

    def _computed(self, known: dict[int, float], grid: Grid, values: list[float | None]) -> list[float | None]:
        """The same values, those that have settled remembered."""
        settled_s = self._now() - SETTLED_S - grid.period_s
        slots = zip(grid.starts_s, values, strict=True)
        known.update({start_s: value for start_s, value in slots if value is not None and start_s <= settled_s})
        return values
