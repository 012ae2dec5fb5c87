"""DefiLlama's Pro API, whose key is a part of every URL and of nothing that anybody reads."""

import json
import logging
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

import pytest
import urllib3

from chalicelib.adapters.defillama import DefiLlama
from chalicelib.adapters.defillama.pro import ProSource, pro_urls
from chalicelib.errors import SourceError, StoreDownError
from chalicelib.handlers import schedules
from chalicelib.ports import FeedState
from chalicelib.services.ingest import Ingest
from chalicelib.telemetry import log
from tests.fakes import FakeClock, FakeIngestStore, FakePublisher, FakeSource
from tests.unit.adapters.scripted_http import Reply, ScriptedHttp

KEY = "s3cr3t-pro-key"
NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
AREAS = {
    "prices": "/coins/prices/current/coingecko:ethereum",
    "protocols": "/api/protocols",
    "chains": "/api/v2/chains",
    "stablecoins": "/stablecoins/stablecoins",
    "yields": "/yields/pools",
}
EMPTY = {"prices": {"coins": {}}, "stablecoins": {"peggedAssets": []}, "yields": {"status": "success", "data": []}}


class Rerouted(urllib3.PoolManager):
    """Sends what is meant for any host of DefiLlama's to the scripted server."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.target = url

    def request(self, method, url, **options):
        return super().request(method, self.target + urllib3.util.parse_url(url).request_uri, **options)


@pytest.fixture
def http():
    with ScriptedHttp() as server:
        yield server


@pytest.fixture(autouse=True)
def everything_is_logged():
    logger = logging.getLogger("urllib3")
    before = logger.level
    logger.setLevel(logging.DEBUG)
    yield
    logger.setLevel(before)
    log.configure(level="INFO", stage="test", version="test")  # as the tests' conftest has it


def pro(http, keys: list[str]) -> ProSource:
    """A source whose key is the last of ``keys``."""
    make = partial(
        DefiLlama,
        timeout_s=5.0,
        coins_per_request=50,
        yield_min_tvl_usd=Decimal(0),
        http=Rerouted(http.url),
        sleep=lambda _: None,
        random=lambda: 1.0,
        now=lambda: NOW,
    )
    return ProSource(key=lambda: keys[-1], make=lambda urls: make(**urls))


def poll(source, kind="chains"):
    return source.fetch(kind, FeedState(), coins=["ethereum"], scheduled_at=NOW)


@pytest.mark.parametrize(("kind", "path"), AREAS.items())
def test_every_feed_is_asked_for_under_the_key_in_its_own_area(http, kind, path):
    http.on(f"/{KEY}{path}", Reply(200, json.dumps(EMPTY.get(kind, [])).encode()))
    poll(pro(http, [KEY]), kind)
    assert [asked.partition("?")[0] for asked in http.paths] == [f"/{KEY}{path}"]


def test_all_areas_are_at_the_one_host_of_the_pro_api():
    assert all(url.startswith(f"https://pro-api.llama.fi/{KEY}/") for url in pro_urls(KEY).values())


def test_a_key_that_changed_is_used_at_the_next_poll(http):
    keys = ["the-first-key"]
    source = pro(http, keys)
    for key in ("the-first-key", "the-second-key\n"):
        keys.append(key)
        http.on(f"/{key.strip()}/api/v2/chains", Reply(200, b"[]"))
        poll(source)
    assert http.paths == ["/the-first-key/api/v2/chains", "/the-second-key/api/v2/chains"]


def test_a_source_is_made_once_for_a_key():
    """It keeps connections."""
    made = []

    def make(urls):
        made.append(urls)
        return FakeSource()

    source = ProSource(key=lambda: KEY, make=make)
    for kind in AREAS:
        poll(source, kind)
    assert len(made) == 1


@pytest.mark.parametrize("text", ["", "short", "../../other/path", "a key with spaces", "k" * 129, '{"key": "s3cr3t"}'])
def test_what_can_be_no_key_is_refused_and_not_repeated(http, text):
    with pytest.raises(SourceError, match="no key") as caught:
        poll(pro(http, [text]))
    assert not text or text not in str(caught.value)
    assert http.paths == []


def test_a_key_that_cannot_be_read_is_a_source_that_may_answer_later():
    def away() -> str:
        raise StoreDownError("Secrets Manager cannot be read")

    with pytest.raises(SourceError) as caught:
        poll(ProSource(key=away, make=lambda _: FakeSource()))
    assert caught.value.temporary


class Event:
    context = None

    @staticmethod
    def to_dict():
        return {"time": "2026-11-23T02:00:00Z", "id": "e"}


TROUBLE = {
    "refused": Reply(403, f'{{"message": "key {KEY} is unknown"}}'.encode()),
    "not found": Reply(404),
    "throttled": Reply(429, b"<html>", {"Retry-After": "60"}),
    "broken": Reply(500, KEY.encode()),
    "not JSON": Reply(200, f"<html>{KEY}</html>".encode()),
    "cut off": Reply(200, b"[", length=100),
    "elsewhere": Reply(307, headers={"Location": f"https://objects.example.com/{KEY}/v2"}),
    "no URL": Reply(307, headers={"Location": f"https://[{KEY}"}),
    "without TLS": Reply(307, headers={"Location": f"http://objects.example.com/{KEY}/v2"}),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_whatever_goes_wrong_the_key_is_in_no_log_line_error_metric_or_state(http, caplog, capsys, trouble):
    caplog.set_level(logging.DEBUG)
    log.configure(level="DEBUG", stage="test", version="test")
    for path in AREAS.values():
        http.on(f"/{KEY}{path}", TROUBLE[trouble])
    http.on(f"/{KEY}/v2", Reply(500))
    store = FakeIngestStore()
    ingest = Ingest(
        source=pro(http, [KEY]), store=store, publisher=FakePublisher(), coins=["ethereum"], now=FakeClock(NOW)
    )
    report = schedules.poll(Event(), ingest)
    assert [feed["status"] for feed in report["feeds"]] == ["failed"] * 5
    printed = capsys.readouterr()
    assert '"event": "feed"' in printed.out
    assert KEY not in printed.out + printed.err + caplog.text + repr(store.states) + repr(report)


def test_after_a_good_poll_the_key_is_not_in_what_is_kept(http, capsys, caplog):
    caplog.set_level(logging.DEBUG)
    log.configure(level="DEBUG", stage="test", version="test")
    for kind, path in AREAS.items():
        http.on(f"/{KEY}{path}", Reply(200, json.dumps(EMPTY.get(kind, [])).encode(), {"ETag": "1"}))
    store = FakeIngestStore()
    source = pro(http, [KEY])
    Ingest(source=source, store=store, publisher=FakePublisher(), coins=["ethereum"], now=FakeClock(NOW)).run(
        scheduled_at=NOW, owner="e"
    )
    kept = repr(store.states)
    assert "https://pro-api.llama.fi/***/api/v2/chains" in kept
    assert KEY not in kept + capsys.readouterr().out + caplog.text
