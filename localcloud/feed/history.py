"""DefiLlama's history answers: recorded points only, up to a moment of the tape.

The one exception is a protocol's last point, "now" as in DefiLlama, which carries its own ``source``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localcloud.feed.answers import PEG_TYPE, Answers, Json, coin_of
from localcloud.feed.table import Series
from localcloud.feed.tape import DAY_S, QUOTES, source_of

POOL_COLUMNS = ("tvlUsd", "apy", "apyBase", "apyReward")
MOST_POINTS = 5000
UNIT_S = {"m": 60, "h": 3600, "d": DAY_S, "w": 7 * DAY_S}  # m is a minute


def seconds(text: str) -> int:
    """``4h``, ``30m``, ``1d``, ``2w`` or plain seconds. Raises ValueError for anything else."""
    value = int(text[:-1]) * UNIT_S[text[-1]] if text and text[-1] in UNIT_S else int(text)
    if value <= 0:
        raise ValueError(f"not a length of time: {text!r}")
    return value


@dataclass(frozen=True, slots=True)
class Grid:
    """The moments that a chart asks for: ``span`` of them (at least one), ``period_s`` apart."""

    start: int | None = None
    end: int | None = None
    span: int = 0
    period_s: int = DAY_S

    def times(self, now: int) -> Iterable[int]:
        count = min(max(1, self.span), MOST_POINTS)
        if self.start is not None:
            first = self.start
        else:
            first = (now if self.end is None else self.end) - (count - 1) * self.period_s
        return (time for time in range(first, first + count * self.period_s, self.period_s) if time <= now)


class History:
    """Pure: the same moment (unix s) gives the same answer. ``None`` stands for something not on the tape."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._tape = answers.tape
        self._catalog = answers.catalog

    def chain(self, name: str, time: int) -> list[Json] | None:
        """GET /v2/historicalChainTvl/{chain}, by the new or the old name."""
        for (recorded,) in self._tape.keys("chains"):
            if name.lower() in (recorded.lower(), self._catalog.chain_name(recorded).lower()):
                series = self._tape.tables["chains"].series[(recorded,)]
                return [{"date": date, "tvl": tvl} for date, tvl in series.points(time)]
        return None

    def all_chains(self, time: int) -> list[Json]:
        """GET /v2/historicalChainTvl: the sum of the recorded chains."""
        totals = _sum(self._tape.tables["chains"].series.values(), time)
        return [{"date": date, "tvl": tvl} for date, tvl in totals.items()]

    def tvl(self, slug: str, time: int) -> float | None:
        """GET /tvl/{slug}."""
        record = self._answers.protocol(slug, time) if self._answers.chains_of(slug) else None
        return record["tvl"] if record else None

    def protocol(self, slug: str, time: int) -> Json | None:
        """GET /protocol/{slug}."""
        record = self._answers.protocol(slug, time) if self._answers.chains_of(slug) else None
        if record is None:
            return None
        series = {chain: self._tape.tables["protocols"].series[slug, chain] for chain in record["chains"]}
        now = {"date": time, "totalLiquidityUSD": record["tvl"], "source": record["source"]}
        chain_tvls = {chain: {"tvl": _liquidity(dict(each.points(time)))} for chain, each in series.items()}
        return self._answers.about(slug) | {
            "chains": record["chains"],
            "currentChainTvls": record["chainTvls"],
            "chainTvls": chain_tvls,
            "tvl": [*_liquidity(_sum(series.values(), time)), now],
            "mcap": None,
            "raises": [],
            "hallmarks": [],
            "isParentProtocol": self._catalog.is_parent(slug),
            "source": source_of(self._answers.chain_tvls(slug, time).values()),
        }

    def coins(self, keys: Iterable[str], grid: Grid, time: int) -> Json:
        """GET /chart/{coins}: the nearest recorded point of every moment asked for; unknown coins are left out."""
        charts = {key: self._coin(coin, grid, time) for key in keys if (coin := coin_of(key))}
        return {"coins": {key: chart for key, chart in charts.items() if chart["prices"]}}

    def _coin(self, coin: str, grid: Grid, time: int) -> Json:
        tables = (self._tape.series(table, coin) for table in QUOTES["prices"])
        points: dict[int, float] = {}
        for series in filter(None, tables):
            points = dict(series.points(time)) | points
        known = sorted(points)
        nearest = (_nearest(known, wanted, grid.period_s) for wanted in grid.times(time))
        stamps = dict.fromkeys(stamp for stamp in nearest if stamp is not None)
        prices = [{"timestamp": stamp, "price": points[stamp]} for stamp in stamps]
        return {"symbol": self._catalog.symbol(coin), "confidence": 0.99, "prices": prices}

    def pool(self, pool: str, time: int) -> Json | None:
        """GET /chart/{pool}."""
        columns = {name: self._tape.series("pools", pool, name) for name in POOL_COLUMNS}
        if columns["apy"] is None:
            return None
        values = {name: dict(series.points(time)) if series else {} for name, series in columns.items()}
        return {"status": "success", "data": [_pool_point(stamp, values) for stamp in values["apy"]]}

    def stablecoins(self, time: int) -> list[Json]:
        """GET /stablecoincharts/all."""
        units, usd = (
            dict(self._tape.tables["stablecoin_total"].series[(name,)].points(time)) for name in ("units", "usd")
        )
        return [
            {
                "date": str(date),
                "totalCirculating": {PEG_TYPE: units[date]},
                "totalCirculatingUSD": {PEG_TYPE: usd[date]},
            }
            for date in units
            if date in usd
        ]


def _pool_point(stamp: int, values: Mapping[str, Mapping[int, float]]) -> Json:
    at = datetime.fromtimestamp(stamp, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    columns: dict[str, Any] = {name: points.get(stamp) for name, points in values.items()}
    return {"timestamp": at, **columns}


def _liquidity(points: Mapping[int, float]) -> list[Json]:
    return [{"date": date, "totalLiquidityUSD": tvl} for date, tvl in points.items()]


def _sum(each: Iterable[Series], time: int) -> dict[int, float]:
    """The series' sum by day; a day bears the latest stamp that any of them has on it."""
    totals: dict[int, float] = defaultdict(float)
    stamps: dict[int, int] = {}
    for series in each:
        for stamp, value in series.points(time):
            totals[stamp // DAY_S] += value
            stamps[stamp // DAY_S] = max(stamp, stamps.get(stamp // DAY_S, 0))
    return {stamps[day]: round(totals[day], 2) for day in sorted(totals)}


def _nearest(known: list[int], wanted: int, width_s: int) -> int | None:
    """The known stamp nearest to ``wanted``, at most half a width away."""
    index = bisect_left(known, wanted)
    near = min(known[max(0, index - 1) : index + 1], key=lambda stamp: abs(stamp - wanted), default=None)
    return near if near is not None and abs(near - wanted) <= width_s // 2 else None
