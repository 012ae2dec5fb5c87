"""The tape: what was recorded, and what it says of any moment.

A value is *recorded* when a recorded point falls into the stretch that the question covers (the source's caching
window that ends at the asked time); else it lies on the straight line between the recorded points around it and
is marked as interpolated. Nothing is made up beyond that: before the first point of a series it has no value; after
the last, or in a hole too long for a line, the last recorded value stands for three days and then is absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from localcloud.feed.table import Key, Series, Table, read_table

DATA = Path(__file__).parent / "data"

# The crash of 7 September 2021 comes on the second day; prices of 206 coins, TVL of 43 chains and 18 protocols and
# all stablecoins are recorded then, and the daily prices go on for 116 days.
DEFAULT_START = datetime(2021, 9, 6, tzinfo=UTC)

HOUR_S = 3600
DAY_S = 24 * HOUR_S
HOLD_S = 3 * DAY_S
LONGEST_LINE_S = 7 * DAY_S
LONGEST_HOURLY_LINE_S = 12 * HOUR_S  # DefiLlama's own default searchWidth: an older price is stale

# The tables in which each feed's own figures were recorded.
RECORDED: Mapping[str, tuple[str, ...]] = {
    "prices": ("prices_daily", "prices_hourly"),
    "protocols": ("protocols",),
    "chains": ("chains",),
    "stablecoins": ("stablecoins",),
    "yields": ("pools",),
}
SUPPORTING_TABLES = ("stablecoin_caps", "stablecoin_total")

# Where a feed looks for a coin's price, the preferred table first: a stablecoin is a coin too.
QUOTES: Mapping[str, tuple[str, ...]] = {
    "prices": ("prices_hourly", "prices_daily", "stablecoins"),
    "stablecoins": ("stablecoins", "prices_hourly", "prices_daily"),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """What a series says of a moment; ``time`` (unix s) is the recorded point's own, if it was recorded."""

    value: float
    time: int
    recorded: bool


def source_of(samples: Iterable[Sample]) -> str:
    """The mark that a record made of these samples carries."""
    return "recorded" if all(sample.recorded for sample in samples) else "recorded-interpolated"


class Tape:
    """The recorded tables by name."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self.tables = tables

    @classmethod
    def load(cls, directory: Path = DATA) -> Tape:
        names = [name for names in RECORDED.values() for name in names]
        return cls({name: read_table(directory / f"{name}.gz") for name in (*names, *SUPPORTING_TABLES)})

    @property
    def first(self) -> int:
        return min(table.first for table in self.tables.values())

    @property
    def last(self) -> int:
        return max(table.last for table in self.tables.values())

    def keys(self, table: str) -> Iterator[Key]:
        return iter(self.tables[table].series)

    def series(self, table: str, *key: str) -> Series | None:
        return self.tables[table].series.get(key)

    def at(self, table: str, *key: str, time: int, reach_s: int) -> Sample | None:
        """A series' value at ``time`` (unix s); a point of the last ``reach_s`` seconds counts as it was recorded."""
        series = self.series(table, *key)
        if series is None:
            return None
        longest_line_s = LONGEST_HOURLY_LINE_S if table == "prices_hourly" else LONGEST_LINE_S
        return _sample(series, time, reach_s, longest_line_s)

    def quote(self, kind: str, coin: str, *, time: int, reach_s: int) -> Sample | None:
        """A coin's price from the first of the feed's tables that has one for ``time``."""
        samples = (self.at(table, coin, time=time, reach_s=reach_s) for table in QUOTES[kind])
        return next((sample for sample in samples if sample is not None), None)

    def spans(self, kind: str) -> list[tuple[int, int]]:
        """(first, last) of every table of a feed, in unix s."""
        return [(self.tables[name].first, self.tables[name].last) for name in RECORDED[kind]]

    def count(self, kind: str) -> int:
        """How many things a feed's tables tell of: coins, protocols, chains, stablecoins, pools."""
        return len({key[0] for name in RECORDED[kind] for key in self.tables[name].series})


def _sample(series: Series, time: int, reach_s: int, longest_line_s: int) -> Sample | None:
    index = series.before(time)
    if index < 0:
        return None
    recorded_at = series.times[index]
    if time - recorded_at < reach_s:
        return Sample(series.value(index), recorded_at, recorded=True)
    if index + 1 < len(series) and series.times[index + 1] - recorded_at <= longest_line_s:
        return Sample(series.between(index, time), time, recorded=False)
    if time - recorded_at <= HOLD_S:
        return Sample(series.value(index), recorded_at, recorded=True)
    return None
