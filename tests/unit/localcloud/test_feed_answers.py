from datetime import UTC, datetime

import pytest

from localcloud.feed.answers import Answers
from localcloud.feed.catalog import Catalog
from localcloud.feed.history import Grid, History, seconds
from localcloud.feed.tape import DAY_S, DEFAULT_START, Tape

HALF_DAY_S = 12 * 3600


def unix(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


START = int(DEFAULT_START.timestamp())


@pytest.fixture(scope="module")
def answers():
    return Answers(Tape.load(), Catalog.load())


@pytest.fixture(scope="module")
def history(answers):
    return History(answers)


def test_a_protocols_tvl_is_the_sum_of_its_chains(answers):
    """As in DefiLlama; chains are sorted by TVL, the biggest first, and go by the old names."""
    for protocol in answers.protocols(unix("2024-06-01T05:20")):
        tvls = protocol["chainTvls"]
        assert protocol["tvl"] == pytest.approx(sum(tvls.values()), abs=0.01)
        assert protocol["chains"] == sorted(tvls, key=lambda chain: -tvls[chain])
        assert not {"BSC", "Gnosis", "OP Mainnet", "Bsc", "Op Mainnet"} & tvls.keys()


def test_protocols_have_the_fields_that_clients_read(answers):
    """Figures between recorded points say so; a day's change is what the tape says."""
    records = answers.protocols(unix("2021-09-08T00:20"))
    aave = next(record for record in records if record["slug"] == "aave")
    assert {"id", "name", "slug", "symbol", "category", "chains", "tvl", "chainTvls", "change_1h"} <= aave.keys()
    assert (aave["name"], aave["category"], aave["source"]) == ("Aave", "Lending", "recorded")
    assert aave["change_1d"] == pytest.approx(-13.8165, abs=1e-3)
    assert {record["source"] for record in answers.protocols(unix("2021-09-08T05:20"))} == {"recorded-interpolated"}


def test_parents_and_children_are_marked(answers):
    """Their TVL overlaps: whoever adds them up must be able to tell."""
    records = {record["slug"]: record for record in answers.protocols(unix("2024-06-01"))}
    assert records["aave-v3"]["parentProtocol"] == "parent#aave"
    assert records["aave"]["isParentProtocol"] is True
    assert "isParentProtocol" not in records["aave-v3"]


def test_everything_on_the_tape_has_a_name(answers):
    """No protocol without a category, no coin without its symbol."""
    tape, catalog = answers.tape, answers.catalog
    assert {slug for slug, _ in tape.keys("protocols")} <= catalog.protocols.keys()
    assert {coin for table in ("prices_daily", "prices_hourly") for (coin,) in tape.keys(table)} <= catalog.coins.keys()
    assert {coin for (coin,) in tape.keys("stablecoins")} <= catalog.stablecoins.keys()
    assert {pool for pool, _ in tape.keys("pools")} == catalog.pools.keys()


def test_a_change_from_nothing_is_null(answers):
    """A protocol of yesterday has no change over seven days."""
    records = {record["slug"]: record for record in answers.protocols(unix("2022-01-08"))}
    assert records["across"]["change_7d"] is None


def test_chains_bear_the_new_names_and_odd_ids(answers):
    """BSC, not Binance; a chain id may be a number, null or a string."""
    chains = {chain["name"]: chain for chain in answers.chains(unix("2022-05-07"))}
    assert chains["BSC"]["chainId"] == 56
    assert chains["Solana"]["chainId"] is None
    assert chains["Evmos"]["chainId"] == "9001"
    assert chains["Terra Classic"] == {
        "gecko_id": "terra-luna",
        "tvl": 28234271747,
        "tokenSymbol": "LUNC",
        "cmcId": None,
        "name": "Terra Classic",
        "chainId": None,
        "source": "recorded",
    }


def test_prices_echo_the_request_and_leave_out_the_unknown(answers):
    """As DefiLlama does: the request's spelling comes back, an unknown coin is simply missing."""
    asked = ["coingecko:Bitcoin", "coingecko:no-such-coin", "base:0x94", "bitcoin", ""]
    coins = answers.prices(asked, START, HALF_DAY_S)["coins"]
    assert list(coins) == ["coingecko:Bitcoin"]
    assert coins["coingecko:Bitcoin"].keys() == {"price", "symbol", "timestamp", "confidence", "source"}
    assert coins["coingecko:Bitcoin"]["timestamp"] == START


def test_a_coin_is_gone_where_it_was_not_recorded(answers):
    """Daily prices end with 2021; the stablecoins' own go on."""
    asked = ["coingecko:bitcoin", "coingecko:terrausd"]
    assert list(answers.prices(asked, unix("2022-05-09"), HALF_DAY_S)["coins"]) == ["coingecko:terrausd"]


def test_hourly_prices_are_served_with_the_time_they_were_recorded(answers):
    """A price recorded in the last five minutes is answered as it is."""
    series = answers.tape.series("prices_hourly", "bitcoin")
    stamp = next(time for time in series.times if time > unix("2026-01-05"))
    price = answers.prices(["coingecko:bitcoin"], stamp + 200, HALF_DAY_S)["coins"]["coingecko:bitcoin"]
    assert (price["timestamp"], price["source"]) == (stamp, "recorded")


def test_a_stale_price_is_left_out(answers):
    """Freshness is the search width."""
    held = answers.tape.tables["prices_daily"].last + DAY_S
    assert answers.prices(["coingecko:bitcoin"], held, 4 * 3600) == {"coins": {}}
    assert "coingecko:bitcoin" in answers.prices(["coingecko:bitcoin"], held, 2 * DAY_S)["coins"]


def test_stablecoins_show_the_depeg(answers):
    """USDC at 0.9611; the supply is empty where it was not recorded and present where it was."""
    coins = {each["gecko_id"]: each for each in answers.stablecoins(unix("2023-03-12"), prices=True)["peggedAssets"]}
    assert (coins["usd-coin"]["price"], coins["usd-coin"]["pegType"]) == (0.961065, "peggedUSD")
    assert coins["usd-coin"]["circulating"] == {}
    recorded = {each["gecko_id"]: each for each in answers.stablecoins(START, prices=False)["peggedAssets"]}
    assert "price" not in recorded["tether"]
    assert recorded["tether"]["circulating"]["peggedUSD"] == pytest.approx(66.5e9, rel=0.05)


def test_pools_have_defillamas_shape(answers):
    """What was not recorded is null; a yield before the recording is no pool at all."""
    pools = answers.pools(unix("2025-09-10"))
    assert (pools["status"], len(pools["data"])) == ("success", 260)
    fields = {"pool", "chain", "project", "symbol", "tvlUsd", "apy", "apyBase", "apyReward", "predictions", "apyPct1D"}
    assert fields <= pools["data"][0].keys()
    assert answers.pools(START) == {"status": "success", "data": []}


def test_a_chains_history_ends_now(history):
    """The tape does not tell its future; either name finds the chain."""
    points = history.chain("terra classic", unix("2022-05-13T10:00"))
    assert points[-1] == {"date": unix("2022-05-13"), "tvl": 1005783283}
    assert points == history.chain("Terra", unix("2022-05-13T10:00"))
    assert history.chain("nowhere", START) is None


def test_a_protocols_history_adds_up(history):
    """Daily points, then one of now; the total of a day is the sum of its chains."""
    answer = history.protocol("sushi", START + 1200)
    assert answer["tvl"][-1] == {
        "date": START + 1200,
        "totalLiquidityUSD": history.tvl("sushi", START + 1200),
        "source": "recorded",
    }
    on_the_day = [
        point["totalLiquidityUSD"]
        for chain in answer["chainTvls"].values()
        for point in chain["tvl"]
        if point["date"] == START
    ]
    total = next(point for point in answer["tvl"] if point["date"] == START)
    assert total["totalLiquidityUSD"] == pytest.approx(sum(on_the_day))
    assert history.protocol("nothing", START) is None


def test_a_coins_chart_gives_the_nearest_recorded_points(history):
    """One per moment asked for, none from the future, none twice."""
    grid = Grid(start=START - 2 * DAY_S + 7, span=10, period_s=DAY_S // 2)
    chart = history.coins(["coingecko:bitcoin", "coingecko:nope"], grid, START + 60)["coins"]
    assert list(chart) == ["coingecko:bitcoin"]
    stamps = [point["timestamp"] for point in chart["coingecko:bitcoin"]["prices"]]
    assert stamps == [START - 2 * DAY_S, START - DAY_S, START]


def test_a_pools_chart_has_iso_times(history):
    """Timestamps with milliseconds and a Z."""
    pool = "bc33d1ea-f566-40eb-b0a8-8d8dcf425f18"
    chart = history.pool(pool, unix("2025-09-10"))
    assert chart["status"] == "success"
    assert chart["data"][0].keys() == {"timestamp", "tvlUsd", "apy", "apyBase", "apyReward"}
    assert chart["data"][0]["timestamp"].endswith(".000Z")


def test_the_stablecoins_total_has_both_measures(history):
    """Dates are strings there, as in DefiLlama."""
    last = history.stablecoins(START)[-1]
    assert last["date"] == str(START)
    assert last["totalCirculatingUSD"]["peggedUSD"] > 100e9


@pytest.mark.parametrize(
    ("text", "length_s"), [("4h", 14400), ("30m", 1800), ("1d", 86400), ("2w", 1209600), ("60", 60)]
)
def test_lengths_of_time_are_read_as_defillama_reads_them(text, length_s):
    """m is a minute."""
    assert seconds(text) == length_s


@pytest.mark.parametrize("text", ["", "h", "-1h", "0", "1y", "soon"])
def test_a_wrong_length_of_time_is_an_error(text):
    """Not silently a second."""
    with pytest.raises(ValueError, match=r".*"):
        seconds(text)
