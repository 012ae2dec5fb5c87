import csv
import gzip
import json
import shutil

from localcloud.feed.table import read_table
from localcloud.feed.tape import DATA
from scripts.cut_feed import cut, last_of_each_day

DAY_S = 86400

TABLES = {
    "tvl_protocol_chain_daily": [
        {"slug": "aave", "chain": "bsc", "ts": 0, "tvl_usd": 5},
        {"slug": "aave", "chain": "bsc", "ts": 3600, "tvl_usd": 6.25},
        {"slug": "aave", "chain": "bsc", "ts": DAY_S, "tvl_usd": 7},
    ],
    "tvl_chain_daily": [{"chain": f"c{i}", "ts": 0, "tvl_usd": i} for i in range(130)],
    "prices_daily_top200_2021": [{"coin": "coingecko:tether", "ts": 0, "price_usd": 1.001, "mcap_usd": 9}],
    "prices_hourly_top20_2025-26": [{"coin": "coingecko:bitcoin", "ts": 3, "price_usd": 90000.5, "mcap_usd": 8}],
    "stablecoin_prices_daily": [{"gecko_id": "usd-coin", "ts": 0, "price_usd": 0.961065}],
    "stablecoin_total_daily": [{"measure": "usd", "ts": 0, "value": 1}],
    "yields_pool_history_daily": [
        {"pool": "p1", "ts": 5, "tvl_usd": 10, "apy": 1.5, "apy_base": "", "apy_reward": 2},
        {"pool": "p2", "ts": 5, "tvl_usd": 10, "apy": 1.5, "apy_base": 1, "apy_reward": 2},
    ],
}
POOL = {
    **dict.fromkeys(("chain", "project", "symbol", "poolMeta", "stablecoin", "ilRisk", "exposure", "mu")),
    **dict.fromkeys(("rewardTokens", "underlyingTokens", "apyBaseInception")),
}


def record(directory):
    for name, rows in TABLES.items():
        with gzip.open(directory / f"{name}.csv.gz", "wt", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    pools = {"status": "success", "data": [{**POOL, "pool": "p1"}, {**POOL, "pool": "p3"}]}
    (directory / "yields_pools_full_2025-08-31.json.gz").write_bytes(gzip.compress(json.dumps(pools).encode()))


def test_a_day_with_two_stamps_keeps_the_last():
    """The recording's known trap: the moment of recording comes after the daily stamp."""
    assert last_of_each_day({0: "1", 3600: "2", DAY_S: "3"}) == {3600: "2", DAY_S: "3"}


def test_the_cut_keeps_what_the_tape_needs(tmp_path):
    """The biggest chains, DefiLlama's chain names, pools that can be shown; nothing is rounded."""
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    record(source)
    shutil.copy(DATA / "labels.json", out)
    cut(source, out)
    tables = {path.stem: read_table(path).series for path in out.glob("*.gz") if path.name != "pools.json.gz"}
    assert dict(tables["protocols"]["aave", "Binance"].points(2**40)) == {3600: 6.25, DAY_S: 7}
    assert [key for (key,) in tables["chains"]] == [f"c{i}" for i in range(129, 9, -1)]
    assert tables["stablecoins"]["usd-coin",].value(0) == 0.961065
    assert list(tables["stablecoin_caps"]) == [("tether",)]
    assert sorted(tables["pools"]) == [("p1", "apy"), ("p1", "apyReward"), ("p1", "tvlUsd")]
    assert list(json.loads(gzip.decompress((out / "pools.json.gz").read_bytes()))) == ["p1"]
