"""Cut the recorded feed's tape from a directory of recorded tables.

    python -m scripts.cut_feed DIRECTORY [--out DIRECTORY]

The directory holds the tables that localcloud/feed/data/ATTRIBUTION.md names, as ``*.csv.gz`` and ``*.json.gz``.
The project runs without it: the cut is kept in the repository. The same tables give the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from localcloud.feed.table import Key, write_table
from localcloud.feed.tape import DATA

DAY_S = 86400
LIMIT_BYTES = 5_000_000
CHAINS = 120
POOL_FIELDS = (
    *("pool", "chain", "project", "symbol", "poolMeta", "stablecoin", "ilRisk", "exposure"),
    *("rewardTokens", "underlyingTokens", "apyBaseInception"),
)

Points = Mapping[Key, Mapping[int, str]]
Row = Mapping[str, str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="where the recorded tables are")
    parser.add_argument("--out", type=Path, default=DATA, help="where the cut goes (%(default)s)")
    arguments = parser.parse_args()
    sizes = cut(arguments.directory, arguments.out)
    for name, size in sizes.items():
        print(f"{size:>9,} bytes  {name}")
    print(f"{sum(sizes.values()):>9,} bytes  in all, of {LIMIT_BYTES:,} allowed")
    return 0 if sum(sizes.values()) < LIMIT_BYTES else 1


def cut(source: Path, out: Path) -> dict[str, int]:
    """Write every table and the pools' descriptions; returns the size in bytes of each file."""
    labels = json.loads((out / "labels.json").read_text())
    pools = _pools(source)
    tables: dict[str, Points] = {
        "protocols": _protocols(source, labels["protocol_chains"]),
        "chains": _biggest(_read(source / "tvl_chain_daily.csv.gz", "tvl_usd", _key("chain")), CHAINS),
        "prices_daily": _coins(source / "prices_daily_top200_2021.csv.gz", "price_usd"),
        "prices_hourly": _coins(source / "prices_hourly_top20_2025-26.csv.gz", "price_usd"),
        "stablecoins": _read(source / "stablecoin_prices_daily.csv.gz", "price_usd", _key("gecko_id")),
        "stablecoin_caps": _caps(source, labels["stablecoins"]),
        "stablecoin_total": _read(source / "stablecoin_total_daily.csv.gz", "value", _key("measure")),
        "pools": _yields(source / "yields_pool_history_daily.csv.gz", pools),
    }
    sizes = {f"{name}.gz": write_table(out / f"{name}.gz", points) for name, points in tables.items()}
    text = json.dumps(pools, separators=(",", ":")).encode()
    sizes["pools.json.gz"] = (out / "pools.json.gz").write_bytes(gzip.compress(text, 9, mtime=0))
    return sizes


def last_of_each_day(points: Mapping[int, str]) -> dict[int, str]:
    """Some days carry two stamps, a daily one and one of the moment of recording: keep the later."""
    times = sorted(points)
    last = [a for a, b in pairwise(times) if a // DAY_S != b // DAY_S] + times[-1:]
    return {time: points[time] for time in last}


def _rows(path: Path) -> Iterator[Row]:
    with gzip.open(path, "rt", newline="") as file:
        yield from csv.DictReader(file)


def _key(*columns: str) -> Callable[[Row], Key]:
    return lambda row: tuple(row[column] for column in columns)


def _read(path: Path, column: str, key: Callable[[Row], Key]) -> dict[Key, dict[int, str]]:
    points: dict[Key, dict[int, str]] = defaultdict(dict)
    for row in _rows(path):
        if row[column]:
            points[key(row)][int(row["ts"])] = row[column]
    return dict(points)


def _protocols(source: Path, names: Mapping[str, str]) -> Points:
    """TVL by (slug, chain), the chains by the names that /protocols uses."""

    def key(row: Row) -> Key:
        return row["slug"], names.get(row["chain"], row["chain"].title())

    points = _read(source / "tvl_protocol_chain_daily.csv.gz", "tvl_usd", key)
    return {series: last_of_each_day(points[series]) for series in sorted(points)}


def _coins(path: Path, column: str) -> dict[Key, dict[int, str]]:
    return _read(path, column, lambda row: (row["coin"].removeprefix("coingecko:"),))


def _caps(source: Path, stablecoins: Mapping[str, Any]) -> Points:
    """Market values of the stablecoins, from both price tables: what is known of each one's supply."""
    points: dict[Key, dict[int, str]] = defaultdict(dict)
    for name in ("prices_daily_top200_2021.csv.gz", "prices_hourly_top20_2025-26.csv.gz"):
        for key, series in _coins(source / name, "mcap_usd").items():
            if key[0] in stablecoins:
                points[key] |= series
    return points


def _biggest(points: Points, count: int) -> Points:
    """The ``count`` series with the highest values ever, the highest first."""
    ranked = sorted(points, key=lambda key: -max(map(float, points[key].values())))
    return {key: points[key] for key in ranked[:count]}


def _pools(source: Path) -> dict[str, Any]:
    """What stays the same of each pool that has both a description and a history, by pool id."""
    recorded = {row["pool"] for row in _rows(source / "yields_pool_history_daily.csv.gz")}
    with gzip.open(source / "yields_pools_full_2025-08-31.json.gz") as file:
        described = json.load(file)["data"]
    return {pool["pool"]: {name: pool[name] for name in POOL_FIELDS} for pool in described if pool["pool"] in recorded}


def _yields(path: Path, pools: Mapping[str, Any]) -> Points:
    columns = {"tvl_usd": "tvlUsd", "apy": "apy", "apy_base": "apyBase", "apy_reward": "apyReward"}
    points: dict[Key, dict[int, str]] = {}
    for column, name in columns.items():
        series = _read(path, column, _key("pool"))
        points |= {(*key, name): values for key, values in series.items() if key[0] in pools}
    return {key: last_of_each_day(points[key]) for key in sorted(points)}


if __name__ == "__main__":
    raise SystemExit(main())
