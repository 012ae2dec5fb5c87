"""The data points of every metric, and their statistics by period."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from math import isfinite

from localcloud.cloudwatch.emf import read_emf
from localcloud.cloudwatch.errors import CloudWatchError
from localcloud.cloudwatch.statistics import Statistic, statistic

_CACHED_MAX = 5_000  # statistics kept for one metric


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: CloudWatch keeps every combination of dimensions apart."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Mapping[str, str]) -> Metric:
        return cls(namespace, name, tuple(sorted(dimensions.items())))


@dataclass(frozen=True, slots=True)
class Point:
    """A statistic of one period, which begins at ``timestamp``."""

    timestamp: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Grid:
    """``slots`` periods of ``period_s`` seconds, one after the other from ``start_s`` (since 1970)."""

    start_s: int
    period_s: int
    slots: int

    @classmethod
    def ending(cls, end_s: int, period_s: int, slots: int) -> Grid:
        return cls(end_s - slots * period_s, period_s, slots)

    @property
    def starts_s(self) -> range:
        return range(self.start_s, self.start_s + self.slots * self.period_s, self.period_s)


@dataclass(slots=True)
class _Series:
    """Values by second, ascending; the seconds of a metric of 60 s are whole minutes."""

    seconds: list[int] = field(default_factory=list)
    values: dict[int, array[float]] = field(default_factory=dict)
    cached: dict[tuple[str, int, int], float | None] = field(default_factory=dict)

    def add(self, second: int, values: Sequence[float]) -> None:
        self.cached.clear()
        if second not in self.values:
            insort(self.seconds, second)
            self.values[second] = array("d")
        self.values[second].extend(values)

    def within(self, start_s: int, end_s: int) -> list[int]:
        return self.seconds[bisect_left(self.seconds, start_s) : bisect_left(self.seconds, end_s)]

    def forget_before(self, second: int) -> None:
        count = bisect_left(self.seconds, second)
        for old in self.seconds[:count]:
            del self.values[old]
        del self.seconds[:count]


class MetricStore:
    """What has been put, in memory, in any order of time.

    Guarantees: a value is in exactly the periods that hold its second (its minute, at 60 s resolution); values of
    another unit are kept apart, and seen together when no unit is asked for; values of an unknown unit (None, where
    "None" says that there is none) are seen whatever unit is asked for. Like CloudWatch it counts what it is
    given twice, twice. What is older than ``retention``, counted from the newest value of the same metric, is
    forgotten; everything is kept without one.
    """

    def __init__(self, *, retention: timedelta | None = None) -> None:
        self._retention_s = None if retention is None else int(retention.total_seconds())
        self._series: dict[Metric, dict[str | None, _Series]] = {}

    def put(
        self,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str],
        timestamp: datetime,
        values: Sequence[float],
        unit: str | None = "None",
        *,
        resolution_s: int = 60,
    ) -> None:
        """Add values measured at ``timestamp`` (aware). Raises CloudWatchError for a value that is not finite."""
        if not all(isfinite(value) for value in values):
            raise CloudWatchError(f"{namespace} {name}: a value that is no number")
        second = int(timestamp.timestamp()) // resolution_s * resolution_s
        metric = Metric.of(namespace, name, dimensions)
        series = self._series.setdefault(metric, {}).setdefault(unit, _Series())
        series.add(second, values)
        if self._retention_s is not None:
            series.forget_before(series.seconds[-1] - self._retention_s)

    def ingest_emf(self, line: str) -> int:
        """Put what a log line in EMF holds; how many data it held, 0 for any other line. Raises EmfError."""
        data = read_emf(line)
        for datum in data:
            self.put(
                *(datum.namespace, datum.name, datum.dimensions, datum.timestamp, datum.values, datum.unit),
                resolution_s=datum.resolution_s,
            )
        return len(data)

    def metrics(self, namespace: str | None = None) -> Iterator[Metric]:
        """Every metric that has data, in the order of first arrival."""
        return (metric for metric in self._series if namespace in (None, metric.namespace))

    def statistics(
        self,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str],
        stat: str,
        *,
        start: datetime,
        end: datetime,
        period_s: int,
        unit: str | None = None,
    ) -> list[Point]:
        """The periods that have data, ascending; they begin at ``start`` and end by ``end``. Raises StatisticError."""
        start_s = int(start.timestamp())
        grid = Grid(start_s, period_s, (int(end.timestamp()) - start_s) // period_s)
        values = self.series(Metric.of(namespace, name, dimensions), statistic(stat), grid, unit)
        return [
            Point(datetime.fromtimestamp(second, UTC), value)
            for second, value in zip(grid.starts_s, values, strict=True)
            if value is not None
        ]

    def series(self, metric: Metric, stat: Statistic, grid: Grid, unit: str | None = None) -> list[float | None]:
        """One value a slot of the grid, None where the metric has none."""
        by_unit = self._series.get(metric, {})
        chosen = [series for of, series in by_unit.items() if unit is None or of in (unit, None)]
        return [_value(chosen, stat, start_s, start_s + grid.period_s) for start_s in grid.starts_s]


def _value(chosen: Sequence[_Series], stat: Statistic, start_s: int, end_s: int) -> float | None:
    if len(chosen) != 1:
        return _computed(chosen, stat, start_s, end_s)
    cached, key = chosen[0].cached, (stat.name, start_s, end_s)
    if key not in cached:
        if len(cached) >= _CACHED_MAX:
            cached.clear()
        cached[key] = _computed(chosen, stat, start_s, end_s)
    return cached[key]


def _computed(chosen: Sequence[_Series], stat: Statistic, start_s: int, end_s: int) -> float | None:
    found = (series.values[second] for series in chosen for second in series.within(start_s, end_s))
    ordered = sorted(chain.from_iterable(found))
    return stat.compute(ordered) if ordered else None
