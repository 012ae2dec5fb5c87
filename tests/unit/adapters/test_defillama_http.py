"""How DefiLlama is asked: retries, redirects, conditional requests, bounds and secrets."""

import gzip
import json
import logging
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import urllib3

from chalicelib.adapters.defillama import DefiLlama, fetcher
from chalicelib.adapters.defillama.fetcher import ThrottledError, redact
from chalicelib.adapters.defillama.headers import fresh_for_s, http_date, retry_after_s
from chalicelib.errors import SourceError
from chalicelib.ports import FeedKind, FeedResult, FeedState
from tests.unit.adapters.scripted_http import Reply, ScriptedHttp

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
CHAINS = b'[{"name":"Ethereum","tvl":50979796337.0647}]'
CHAIN_VALUES = [Decimal("50979796337.0647")]
GOOD = Reply(200, CHAINS)


@pytest.fixture
def http() -> Iterator[ScriptedHttp]:
    with ScriptedHttp() as server:
        yield server


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def source(http, waits) -> DefiLlama:
    return client(http.url, waits)


def client(url: str, waits: list[float], *, timeout_s: float = 5.0, coins_per_request: int = 2, **options) -> DefiLlama:
    return DefiLlama(
        api_url=url,
        coins_url=url,
        stablecoins_url=url,
        yields_url=url,
        timeout_s=timeout_s,
        coins_per_request=coins_per_request,
        yield_min_tvl_usd=Decimal(0),
        sleep=waits.append,
        random=lambda: 1.0,
        now=lambda: NOW,
        **options,
    )


def poll(source: DefiLlama, kind: FeedKind = "chains", state: FeedState | None = None, coins=()) -> FeedResult:
    return source.fetch(kind, state or FeedState(), coins=coins, scheduled_at=NOW)


def values(result: FeedResult) -> list[Decimal]:
    return [seen.value for seen in result.observations]


def priced(*keys: str) -> bytes:
    return json.dumps({"coins": {key: {"price": 1, "timestamp": 1763863000} for key in keys}}).encode()


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_throttling_and_server_errors_are_tried_again_after_a_jittered_growing_wait(http, source, waits, status):
    http.on("/v2/chains", Reply(status, b"<html>"), Reply(status, b"{}"), GOOD)
    assert values(poll(source)) == CHAIN_VALUES
    assert waits == [0.5, 1.0]


def test_a_source_that_stays_down_is_given_up_after_three_tries(http, source):
    http.on("/v2/chains", Reply(500, b"Internal Error"))
    with pytest.raises(SourceError, match="status 500") as caught:
        poll(source)
    assert caught.value.temporary
    assert caught.value.retry_after is None
    assert len(http.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 204, 206, 304])
def test_what_no_retry_cures_is_not_retried(http, source, status):
    http.on("/v2/chains", Reply(status, CHAINS if status != 204 else b""))
    with pytest.raises(SourceError, match=f"status {status}") as caught:
        poll(source)
    assert not caught.value.temporary
    assert len(http.requests) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "2"},
        {"Retry-After": "Mon, 23 Nov 2026 02:00:02 GMT"},
        {"Retry-After": "Sat, 07 May 2022 10:00:02 GMT", "Date": "Sat, 07 May 2022 10:00:00 GMT"},
    ],
)
def test_a_short_retry_after_is_waited_out(http, source, waits, headers):
    """In seconds or as a date, which counts from the answer's own Date."""
    http.on("/v2/chains", Reply(429, b"slow down", headers), GOOD)
    assert values(poll(source)) == CHAIN_VALUES
    assert waits == [2.0]


def test_a_long_retry_after_is_handed_on(http, source, waits):
    http.on("/v2/chains", Reply(429, b"<html>", {"Retry-After": "600"}), GOOD)
    with pytest.raises(ThrottledError) as caught:
        poll(source)
    assert caught.value.retry_after == 600
    assert waits == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_followed(http, source, status):
    """Big answers live in object storage, behind a 307."""
    http.on("/v2/chains", Reply(status, b"", {"Location": "/elsewhere/big.json"}))
    http.on("/elsewhere/big.json", GOOD)
    assert values(poll(source)) == CHAIN_VALUES


def test_redirects_come_to_an_end(http, source):
    http.on("/v2/chains", Reply(307, b"", {"Location": "/v2/chains"}))
    with pytest.raises(SourceError, match="more than 3 redirects"):
        poll(source)
    assert len(http.requests) == 4


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://example.org/x", "http://[broken"])
def test_redirects_leave_http_for_nothing(http, source, location):
    http.on("/v2/chains", Reply(302, b"", {"Location": location}))
    with pytest.raises(SourceError, match="redirected"):
        poll(source)


def test_a_connection_is_used_again(http, waits):
    pools = urllib3.PoolManager()
    source = client(http.url, waits, http=pools)
    http.on("/v2/chains", Reply(200, gzip.compress(CHAINS), {"Content-Encoding": "gzip"}))
    for _ in range(3):
        poll(source)
    assert pools.connection_from_url(http.url).num_connections == 1


def test_gzip_is_asked_for_and_read(http, source):
    http.on("/v2/chains", Reply(200, gzip.compress(CHAINS), {"Content-Encoding": "gzip"}))
    assert values(poll(source)) == CHAIN_VALUES
    assert http.requests[0][1]["accept-encoding"] == "gzip"


def test_a_truncated_body_is_not_believed(http, source, waits):
    http.on("/v2/chains", Reply(200, CHAINS, length=len(CHAINS) + 10), GOOD)
    assert values(poll(source)) == CHAIN_VALUES
    assert len(waits) == 1


def test_half_a_gzip_is_not_believed(http, source):
    half = gzip.compress(CHAINS * 1000)[:-30]
    http.on("/v2/chains", Reply(200, half, {"Content-Encoding": "gzip"}))
    with pytest.raises(SourceError):
        poll(source)


def test_what_is_not_gzip_though_it_says_so_is_a_source_error(http, source):
    http.on("/v2/chains", Reply(200, CHAINS, {"Content-Encoding": "gzip"}))
    with pytest.raises(SourceError, match="DecodeError"):
        poll(source)


def test_a_body_is_bounded_after_decompression(http, source, monkeypatch):
    """A megabyte on the wire must not become a gigabyte in memory."""
    monkeypatch.setattr(fetcher, "MAX_BODY_BYTES", 1_000_000)
    http.on("/v2/chains", Reply(200, gzip.compress(b" " * 5_000_000), {"Content-Encoding": "gzip"}))
    with pytest.raises(SourceError, match="more than 1000000 bytes"):
        poll(source)
    assert len(http.requests) == 1


def test_a_source_that_stalls_is_left_within_the_budget(http, waits):
    http.on("/v2/chains", Reply(200, b"[", length=100, stall=True))
    with pytest.raises(SourceError, match=r"ReadTimeoutError|out of time") as caught:
        poll(client(http.url, waits, timeout_s=0.3))
    assert caught.value.temporary
    assert waits == []


def test_a_refused_connection_is_tried_again(waits):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(SourceError, match="NewConnectionError") as caught:
            poll(client(url, waits))
    assert caught.value.temporary
    assert waits == [0.5, 1.0]


def test_an_etag_is_sent_back_and_304_means_unchanged(http, source):
    http.on("/v2/chains", Reply(200, CHAINS, {"ETag": 'W/"one"'}), Reply(304, b"", {"Cache-Control": "max-age=60"}))
    first = poll(source)
    second = poll(source, state=first.state)
    assert "if-none-match" not in http.requests[0][1]
    assert http.requests[1][1]["if-none-match"] == 'W/"one"'
    assert list(second.observations) == []
    assert second.state.etags == first.state.etags
    assert (second.state.count, second.state.total) == (first.state.count, first.state.total)
    assert second.state.next_poll == NOW + timedelta(seconds=60)


def test_expires_is_read_on_the_sources_clock(http, source):
    """Its clock may show another year; only the distance from Date counts."""
    headers = {"Date": "Sat, 07 May 2022 10:00:00 GMT", "Expires": "Sat, 07 May 2022 10:20:00 GMT"}
    http.on("/v2/chains", Reply(200, CHAINS, headers))
    assert poll(source).state.next_poll == NOW + timedelta(minutes=20)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"expires": "0"}, None),
        ({"expires": "yesterday"}, None),
        ({"cache-control": "public, max-age=600"}, 600),
        ({"cache-control": "public, max-age=600", "age": "550"}, 50),
        ({"cache-control": "s-maxage=5"}, None),
        ({"cache-control": "max-age=600", "expires": "Mon, 23 Nov 2026 02:00:05 GMT"}, 600),
        ({"expires": "Mon, 23 Nov 2026 02:05:20 GMT"}, 320),
        ({"expires": "Mon, 23 Nov 2026 01:00:00 GMT"}, 0),
        ({"expires": "Mon, 23 Nov 2026 02:05:20 GMT", "age": "old"}, 320),
    ],
)
def test_how_long_an_answer_stays_fresh(headers, expected):
    assert fresh_for_s(headers, NOW) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("7", 7), (" 7 ", 7), ("-1", None), ("soon", None), ("", None), ("Mon, 23 Nov 2026 01:00:00 GMT", 0)],
)
def test_how_long_retry_after_asks_to_wait(text, expected):
    assert retry_after_s({"retry-after": text}, NOW) == expected


def test_an_http_date_without_a_zone_is_utc():
    assert http_date("Mon, 23 Nov 2026 02:00:00 -0000") == NOW


def test_a_mad_expiry_does_not_silence_a_feed(http, source):
    http.on("/v2/chains", Reply(200, CHAINS, {"Cache-Control": "max-age=99999999"}))
    assert poll(source).state.next_poll == NOW + timedelta(hours=2)


def test_coins_are_asked_for_in_batches_each_key_once(http, source):
    http.on("/prices/current/coingecko:bitcoin,coingecko:ethereum", Reply(200, priced("coingecko:bitcoin")))
    http.on("/prices/current/base:0xAb", Reply(200, priced("base:0xAb")))
    result = poll(
        source, "prices", coins=["bitcoin", "ethereum", "coingecko:ethereum", "bitcoin", "base:0xAb", "no/\n"]
    )
    assert [seen.topic for seen in result.observations] == ["price:bitcoin", "price:base:0xAb"]
    assert sorted(http.paths) == [
        "/prices/current/base:0xAb?searchWidth=4h",
        "/prices/current/coingecko:bitcoin,coingecko:ethereum?searchWidth=4h",
    ]


def test_no_coins_are_no_request(http, source):
    assert list(poll(source, "prices").observations) == []
    assert http.requests == []


def test_a_batch_that_fails_costs_only_its_coins(http, source):
    http.on("/prices/current/coingecko:a,coingecko:b", Reply(400, b'{"message":"no"}'))
    http.on("/prices/current/coingecko:c", Reply(200, priced("coingecko:c"), {"Cache-Control": "max-age=300"}))
    result = poll(source, "prices", coins=["a", "b", "c"])
    assert [seen.topic for seen in result.observations] == ["price:c"]
    assert result.unusable == 2
    assert result.state.next_poll is None  # the others are asked for again in a minute


def test_a_batch_of_html_costs_only_its_coins(http, source):
    http.on("/prices/current/coingecko:a,coingecko:b", Reply(200, b"<html>"))
    http.on("/prices/current/coingecko:c", Reply(200, priced("coingecko:c")))
    assert poll(source, "prices", coins=["a", "b", "c"]).unusable == 2


def test_batches_that_all_fail_fail_the_poll_with_the_longest_rest(http, source):
    http.on("/prices/current/coingecko:a,coingecko:b", Reply(503, b"", {"Retry-After": "60"}))
    http.on("/prices/current/coingecko:c", Reply(503, b"", {"Retry-After": "90"}))
    with pytest.raises(SourceError) as caught:
        poll(source, "prices", coins=["a", "b", "c"])
    assert caught.value.retry_after == 90


def test_a_source_that_throttles_is_not_asked_for_the_remaining_batches(http, waits):
    source = client(http.url, waits, coins_per_request=1)
    coins = [f"c{n}" for n in range(60)]
    for coin in coins:
        http.on(f"/prices/current/coingecko:{coin}", Reply(429, b"<html>", {"Retry-After": "900"}))
    with pytest.raises(SourceError) as caught:
        poll(source, "prices", coins=coins)
    assert caught.value.retry_after == 900
    assert len(http.requests) <= 8  # those already on their way


def test_unchanged_batches_still_count(http, source):
    http.on("/prices/current/coingecko:a,coingecko:b", Reply(200, priced("coingecko:a"), {"ETag": "1"}), Reply(304))
    http.on("/prices/current/coingecko:c", Reply(200, priced("coingecko:c"), {"ETag": "2"}))
    first = poll(source, "prices", coins=["a", "b", "c"])
    second = poll(source, "prices", state=first.state, coins=["a", "b", "c"])
    assert (first.state.count, second.state.count) == (2, 3)
    assert [seen.topic for seen in second.observations] == ["price:c"]
    assert second.state.etags == first.state.etags


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://pro-api.llama.fi/s3cr3t/api/protocols", "https://pro-api.llama.fi/***/api/protocols"),
        ("https://PRO-API.llama.fi:443/s3cr3t?x=1", "https://PRO-API.llama.fi:443/***"),
        ("https://user:pass@api.llama.fi/protocols", "https://api.llama.fi/protocols"),
    ],
)
def test_a_key_is_never_shown(url, shown):
    assert redact(url) == shown


class Rerouted(urllib3.PoolManager):
    """Sends what is meant for the Pro host to the scripted server."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.target = url

    def request(self, method, url, **options):
        return super().request(method, url.replace("https://pro-api.llama.fi", self.target), **options)


@pytest.fixture
def urllib3_log() -> Iterator[None]:
    logger = logging.getLogger("urllib3")
    before = logger.level
    yield
    logger.setLevel(before)


@pytest.mark.usefixtures("urllib3_log")
def test_a_pro_key_is_in_no_error_log_line_or_state(http, waits, caplog):
    caplog.set_level(logging.DEBUG)
    http.on("/s3cr3t/v2/chains", Reply(200, CHAINS, {"ETag": "1"}), Reply(500), Reply(200, b"<html>"), Reply(404))
    source = client("https://pro-api.llama.fi/s3cr3t", waits, http=Rerouted(http.url))
    state = poll(source).state
    told = [repr(state), caplog.text]
    for _ in range(2):
        with pytest.raises(SourceError) as caught:
            poll(source, state=state)
        told.append(repr(caught.value))
        assert caught.value.__cause__ is None
    assert http.requests[1][1]["if-none-match"] == "1"
    assert "s3cr3t" not in "".join([*told, caplog.text])


def test_a_redirect_never_leaves_tls():
    with pytest.raises(SourceError, match="redirected"):
        fetcher._redirected("https://api.llama.fi/protocols", "http://api.llama.fi/protocols", "protocols")
