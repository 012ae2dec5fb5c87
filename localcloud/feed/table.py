"""The tape's file format: many time series in one small file that loads fast.

A table is gzip over one JSON object::

    {"times": [runs], "series": [{"key": ["aave", "Ethereum"], "at": [runs], "scale": 2, "values": [deltas]}]}

``times`` holds every instant (unix seconds) at which any series has a point; ``at`` the positions in ``times`` of
one series' points; both are rising and are written as runs, ``[first, step, count, step, count, …]``. ``values``
are whole numbers of 10^-scale, the first as it is and the others as differences. Text of small whole numbers
compresses as well as a binary code, and json and itertools, both in C, decode half a million points in a moment.
"""

from __future__ import annotations

import gzip
import json
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import accumulate, chain, pairwise, repeat
from pathlib import Path
from typing import Any

Key = tuple[str, ...]


@dataclass(frozen=True)
class Series:
    """The recorded points of one thing, in order of time. Values are exactly those recorded."""

    key: Key
    _table_times: array[int]
    _at: Sequence[int]
    _scale: int
    _deltas: Sequence[int]

    @cached_property
    def times(self) -> array[int]:
        """Unix seconds, rising."""
        return array("q", map(self._table_times.__getitem__, unpack_runs(self._at)))

    @cached_property
    def _units(self) -> array[int]:
        return array("q", accumulate(self._deltas))

    def __len__(self) -> int:
        return len(self._deltas)

    def value(self, index: int) -> float:
        """The recorded number; an int where it has no fraction, as in DefiLlama's JSON."""
        units = self._units[index]
        unit = int(10**self._scale)
        return units / unit if units % unit else units // unit

    def between(self, index: int, time: int) -> float:
        """On the straight line from point ``index`` to the next, to two digits more than recorded."""
        (start, end), (first, last) = self.times[index : index + 2], self._units[index : index + 2]
        units = first + (last - first) * (time - start) / (end - start)
        value = round(units / 10**self._scale, self._scale + 2)
        return int(value) if value.is_integer() else value

    def before(self, time: int) -> int:
        """Index of the newest point at or before ``time``; -1 if there is none."""
        return bisect_right(self.times, time) - 1

    def points(self, until: int) -> Iterator[tuple[int, float]]:
        """(unix seconds, value) of every point up to and with ``until``."""
        return ((self.times[i], self.value(i)) for i in range(self.before(until) + 1))


@dataclass(frozen=True)
class Table:
    """Series by key."""

    series: Mapping[Key, Series]

    @property
    def first(self) -> int:
        return min(each.times[0] for each in self.series.values())

    @property
    def last(self) -> int:
        return max(each.times[-1] for each in self.series.values())


def read_table(path: Path) -> Table:
    """Read a table; a series is decoded when it is first used."""
    raw = json.loads(gzip.decompress(path.read_bytes()))
    times = array("q", unpack_runs(raw["times"]))
    rows = (Series(tuple(row["key"]), times, row["at"], row["scale"], row["values"]) for row in raw["series"])
    return Table({each.key: each for each in rows})


def write_table(path: Path, points: Mapping[Key, Mapping[int, str]]) -> int:
    """Write {key: {unix seconds: decimal text}}; the same input gives the same bytes. Returns the size in bytes."""
    times = sorted({time for series in points.values() for time in series})
    position = {time: index for index, time in enumerate(times)}
    rows = [_row(key, series, position) for key, series in points.items()]
    text = json.dumps({"times": pack_runs(times), "series": rows}, separators=(",", ":"))
    return path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def _row(key: Key, series: Mapping[int, str], position: Mapping[int, int]) -> dict[str, Any]:
    times = sorted(series)
    values = [Decimal(series[time]).normalize() for time in times]
    scale = max(0, *(-int(value.as_tuple().exponent) for value in values))
    units = [int(value.scaleb(scale)) for value in values]
    if max(map(abs, units)) >= 2**63:
        raise ValueError(f"the figures of {key} are too wide for one scale")
    deltas = [units[0], *(b - a for a, b in pairwise(units))]
    return {"key": list(key), "at": pack_runs([position[time] for time in times]), "scale": scale, "values": deltas}


def pack_runs(rising: Sequence[int]) -> list[int]:
    """``[first, step, count, …]`` of a rising sequence."""
    packed = [rising[0]]
    for step in (b - a for a, b in pairwise(rising)):
        if len(packed) > 1 and packed[-2] == step:
            packed[-1] += 1
        else:
            packed += (step, 1)
    return packed


def unpack_runs(packed: Sequence[int]) -> Iterable[int]:
    """The sequence that ``pack_runs`` packed."""
    steps = (repeat(step, count) for step, count in zip(packed[1::2], packed[2::2], strict=True))
    return accumulate(chain.from_iterable(steps), initial=packed[0])
