"""What each feed's payload becomes."""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from time import process_time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.adapters.defillama import DefiLlama
from chalicelib.adapters.defillama.chains import chain_names
from chalicelib.errors import SourceError
from chalicelib.ports import FEED_KINDS, FeedResult, FeedState
from tests.unit.adapters.scripted_http import Reply, ScriptedHttp

DATA = Path(__file__).parents[2] / "data" / "defillama"
SCHEDULED = datetime(2026, 8, 8, 13, 42, tzinfo=UTC)
DATE = "Sat, 08 Aug 2026 13:42:07 GMT"
SOURCE_TIME = datetime(2026, 8, 8, 13, 42, 7, tzinfo=UTC)
USDC = "base:0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"
PATHS = {
    "protocols": "/protocols",
    "chains": "/v2/chains",
    "stablecoins": "/stablecoins",
    "yields": "/pools",
    "prices": "/prices/current/coingecko:ethereum",
}


@pytest.fixture
def http() -> Iterator[ScriptedHttp]:
    with ScriptedHttp() as server:
        yield server


def client(http: ScriptedHttp, **changes: object) -> DefiLlama:
    options = {
        "timeout_s": 5.0,
        "coins_per_request": 50,
        "yield_min_tvl_usd": Decimal(1_000_000),
        "sleep": lambda _: None,
        "now": lambda: SOURCE_TIME,
    }
    urls = dict.fromkeys(("api_url", "coins_url", "stablecoins_url", "yields_url"), http.url)
    return DefiLlama(**{**urls, **options, **changes})


def fetched(http: ScriptedHttp, kind: str, body: bytes, coins: list[str] | None = None, **changes) -> FeedResult:
    coins = coins or ["ethereum"]
    keys = ",".join(coin if ":" in coin else f"coingecko:{coin}" for coin in coins)
    http.on(PATHS[kind] if kind != "prices" else f"/prices/current/{keys}", Reply(200, body, {"Date": DATE}))
    return client(http, **changes).fetch(kind, FeedState(), coins=coins, scheduled_at=SCHEDULED)


def recorded(http: ScriptedHttp, kind: str, name: str, coins: list[str] | None = None) -> FeedResult:
    return fetched(http, kind, (DATA / name).read_bytes(), coins)


def values(result: FeedResult) -> dict[str, str]:
    return {seen.topic: str(seen.value) for seen in result.observations}


def test_protocols_keep_every_digit_and_sum_the_parts_where_there_is_no_total(http):
    """null tvl is the sum of the unsuffixed chains; a negative, a word and a string record cost only themselves."""
    result = recorded(http, "protocols", "protocols.json")
    assert values(result) == {
        "tvl:protocol:harbour-lend": "18494643359.805428",
        "tvl:protocol:sum-of-parts": "150.00",
        "tvl:protocol:bobs-new-vault": "1234567.890123456789012345",
        "tvl:protocol:empty": "0",
        "tvl:protocol:played-back": "5.5",
    }
    assert result.unusable == 3
    assert result.state.count == 5
    assert result.state.total == pytest.approx(18495878083.19555)


def test_protocols_carry_category_chains_under_todays_names_and_a_source_of_their_own(http):
    seen = {each.topic: each for each in recorded(http, "protocols", "protocols.json").observations}
    harbour, played = seen["tvl:protocol:harbour-lend"], seen["tvl:protocol:played-back"]
    assert harbour.chains == ("Ethereum", "BSC", "Gnosis", "OP Mainnet", "ZKsync Era")
    assert (harbour.category, harbour.source, harbour.observed_at) == ("Lending", "defillama", SOURCE_TIME)
    assert (played.chains, played.source) == (("Terra Classic",), "recorded-interpolated")


def test_chains_drop_the_ghosts_of_old_names(http):
    """ "Binance" with tvl 0 is not a BSC that lost everything; chainId of any type is no matter."""
    result = recorded(http, "chains", "chains.json")
    assert values(result) == {
        "tvl:chain:Ethereum": "50979796337.0647",
        "tvl:chain:BSC": "5514882170.960781",
        "tvl:chain:OP-Mainnet": "447723892.55197465",
        "tvl:chain:HAQQ": "11.146601114985252",
        "tvl:chain:X-Layer": "163535053.91949603",
    }
    assert result.unusable == 1  # the one without a name
    assert {seen.topic: seen.chains for seen in result.observations}["tvl:chain:OP-Mainnet"] == ("OP Mainnet",)


def test_stablecoins_are_their_price(http):
    result = recorded(http, "stablecoins", "stablecoins.json")
    assert values(result) == {"peg:usd-coin": "0.9611", "peg:euro-coin": "1.0842"}
    assert result.observations[0].category == "peggedUSD"
    assert result.observations[0].chains == ("Ethereum", "Terra Classic", "BSC")
    assert result.unusable == 1


def test_yields_are_percent_and_may_be_negative_and_small_pools_are_left_out(http):
    result = recorded(http, "yields", "pools.json")
    assert {topic: Decimal(value) for topic, value in values(result).items()} == {
        "yield:10137e20-efbc-4e15-a733-17ecb52c48e8": Decimal("132.40574"),
        "yield:25171c4c-1877-449a-9f88-45a9f153ee31": Decimal("-0.00002"),
    }
    assert [(seen.category, seen.chains) for seen in result.observations] == [
        ("river-swap", ("Base",)),
        ("river-swap", ("BSC",)),
    ]
    assert result.unusable == 1


def test_prices_carry_their_own_time_and_what_is_missing_or_doubtful_is_no_observation(http):
    coins = ["ethereum", USDC, "doubtful", "unpriced", "worthless", "tomorrow", "timeless", "missing"]
    result = recorded(http, "prices", "prices.json", coins)
    assert values(result) == {
        "price:ethereum": "1917.9113610792424",
        f"price:{USDC}": "0.9996758399978547",
        "price:timeless": "2",
    }
    assert [seen.observed_at for seen in result.observations] == [
        datetime.fromtimestamp(1786196510, UTC),
        datetime.fromtimestamp(1786195910, UTC),
        SOURCE_TIME,
    ]
    assert result.observations[0].confidence == Decimal("0.99")
    assert result.unusable == 2  # a price of zero, a price from tomorrow
    assert result.source_time == SOURCE_TIME


def test_a_price_answered_in_another_spelling_is_found(http):
    body = json.dumps({"coins": {USDC.lower(): {"price": 1, "timestamp": 1786195910}}}).encode()
    assert values(fetched(http, "prices", body, [USDC])) == {f"price:{USDC}": "1"}


def test_the_same_schedule_event_gives_the_same_ids_and_another_gives_others(http):
    http.on("/v2/chains", Reply(200, (DATA / "chains.json").read_bytes()))
    source = client(http)
    first, again, later = (
        {seen.id for seen in source.fetch("chains", FeedState(), coins=[], scheduled_at=at).observations}
        for at in (SCHEDULED, SCHEDULED, SCHEDULED.replace(minute=43))
    )
    assert first == again
    assert not first & later


def test_without_a_date_the_scheduled_time_stands_in(http):
    http.on("/v2/chains", Reply(200, (DATA / "chains.json").read_bytes()))
    result = client(http).fetch("chains", FeedState(), coins=[], scheduled_at=SCHEDULED)
    assert result.source_time is None
    assert {seen.observed_at for seen in result.observations} == {SCHEDULED}


def test_a_long_list_of_chains_is_cut():
    """An exchange is on more chains than anyone filters by; an observation stays small."""
    assert len(chain_names(f"Chain {n}" for n in range(100))) == 40
    assert chain_names(["BSC", "Binance", None, "", "x" * 65]) == ("BSC",)


@pytest.mark.parametrize(
    "tvl", ["1e999999999", '"Infinity"', '"NaN"', "true", "[]", '"1e-999999999"', "1234567890123456789012"]
)
def test_a_figure_that_cannot_be_costs_only_its_record(http, tvl):
    body = b'[{"name":"Odd","tvl":%s},{"name":"Good","tvl":1.5}]' % tvl.encode()
    assert values(fetched(http, "chains", body))["tvl:chain:Good"] == "1.5"


@pytest.mark.parametrize("kind", FEED_KINDS)
@pytest.mark.parametrize(
    "body",
    [b"<!DOCTYPE html><title>Just a moment...</title>", b"", b"null", b'"Internal Error"', b'{"message":"no"}', b"{"],
)
def test_a_body_that_is_not_the_feed_is_a_source_error(http, kind, body):
    with pytest.raises(SourceError, match="not the JSON expected"):
        fetched(http, kind, body)


@pytest.mark.parametrize("kind", FEED_KINDS)
def test_a_body_nested_past_reason_is_a_source_error(http, kind):
    with pytest.raises(SourceError):
        fetched(http, kind, b"[" * 200_000)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
FIELDS = """
name slug tvl chainTvls chains category source price timestamp confidence gecko_id pegType pool apy tvlUsd chain
"""
field = st.sampled_from(FIELDS.split())
records = st.lists(st.dictionaries(field, anything, max_size=8) | anything, max_size=4)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(FEED_KINDS), records=records)
def test_no_json_raises_anything_but_a_source_error(http, kind, records):
    """Whatever the fields hold, a record is read, left out or counted."""
    payload = {
        "prices": {"coins": dict.fromkeys(["coingecko:ethereum"], records[0] if records else None)},
        "stablecoins": {"peggedAssets": records},
        "yields": {"data": records},
    }.get(kind, records)
    try:
        result = fetched(http, kind, json.dumps(payload).encode())
    except SourceError:
        return
    assert len(result.observations) + result.unusable <= max(1, len(records))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(FEED_KINDS), body=st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_source_error(http, kind, body):
    with suppress(SourceError):
        fetched(http, kind, body)


def test_six_thousand_protocols_are_read_in_well_under_a_second(http):
    record = json.loads((DATA / "protocols.json").read_bytes())[0]
    chains = {f"Chain {n}": 1234567.891 * n for n in range(60)}
    payload = [
        {**record, "slug": f"protocol-{n}", "tvl": 1e6 + n / 7, "chainTvls": chains, "description": "x" * 300}
        for n in range(6000)
    ]
    body = json.dumps(payload).encode()
    started = process_time()
    result = fetched(http, "protocols", body)
    assert len(result.observations) == 6000
    assert process_time() - started < 1.0
