"""What is made of DefiLlama's charts, and how a run goes on after it was broken off."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from chalicelib.adapters.defillama.fetcher import Page
from chalicelib.domain.observations import Observation, observation_id
from chalicelib.errors import SourceError, StoreDownError
from scripts.backfill import Backfill, main, parser
from scripts.backfilling.charts import Charts, Hosts, Topic
from scripts.backfilling.progress import Bar, Progress
from scripts.backfilling.sinks import DatabaseSink

DAY_S = 86_400
SINCE, UNTIL = datetime(2021, 1, 1, tzinfo=UTC), datetime(2021, 1, 4, tzinfo=UTC)
NOON = int(SINCE.timestamp()) + DAY_S // 2


class FakeFetcher:
    """Answers by the end of a URL's path; keeps what it was asked."""

    def __init__(self, **answers: object) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def get(self, url: str, *, etag: object, deadline: float) -> Page:
        self.asked.append(url)
        name = url.partition("?")[0].rpartition("/")[2].partition("%")[0]
        if name not in self.answers:
            raise SourceError(f"GET {url}: status 404")
        return Page(json.dumps(self.answers[name]).encode(), None, None, None)


def topic(kind: str, name: str, **more: object) -> Topic:
    return Topic(kind, Observation("", name, Decimal(1), UNTIL, **more))


def read(fetcher: FakeFetcher, wanted: Topic, **options: str) -> list[tuple[int, str]]:
    found = Charts(fetcher, Hosts(), **options).read(wanted, SINCE, UNTIL)
    return [(int(seen.observed_at.timestamp()) - NOON, str(seen.value)) for seen in found]


def test_a_coins_prices_are_asked_for_in_parts_and_put_in_order():
    prices = [{"timestamp": NOON + DAY_S, "price": 2.5}, {"timestamp": NOON, "price": 1.5}]
    fetcher = FakeFetcher(coingecko={"coins": {"coingecko:bitcoin": {"prices": prices}}})
    assert read(fetcher, topic("prices", "price:bitcoin"), period="1h") == [(0, "1.5"), (DAY_S, "2.5")]
    assert [url.partition("?")[2] for url in fetcher.asked] == [f"start={int(SINCE.timestamp())}&span=72&period=1h"]
    Charts(fetcher, Hosts()).read(topic("pegs", "peg:dai"), SINCE, SINCE + timedelta(days=1200))
    assert [url.rpartition("span=")[2] for url in fetcher.asked[1:]] == [
        "500&period=1d",
        "500&period=1d",
        "200&period=1d",
    ]


def test_a_protocols_last_point_is_of_now_and_not_recorded():
    days = [{"date": NOON, "totalLiquidityUSD": 7}, {"date": NOON + 60, "totalLiquidityUSD": 8}]
    assert read(FakeFetcher(aave={"tvl": days}), topic("protocols", "tvl:protocol:aave")) == [(0, "7")]


def test_a_chain_is_asked_for_by_its_name_and_not_by_its_topic():
    fetcher = FakeFetcher(Near=[{"date": NOON, "tvl": 3}, {"date": NOON + 9 * DAY_S, "tvl": 4}])
    assert read(fetcher, topic("chains", "tvl:chain:Near-Protocol", chains=("Near Protocol",))) == [(0, "3")]
    assert fetcher.asked[0].endswith("/v2/historicalChainTvl/Near%20Protocol")


def test_a_pools_yield_may_be_negative_and_a_price_may_not_be_zero():
    at = datetime.fromtimestamp(NOON, UTC).isoformat()
    pool = {"data": [{"timestamp": at, "apy": -0.5}]}
    assert read(FakeFetcher(x=pool), topic("yields", "yield:x")) == [(0, "-0.5")]
    zero = {"coins": {"coingecko:a": {"prices": [{"timestamp": NOON, "price": 0}]}}}
    assert read(FakeFetcher(coingecko=zero), topic("prices", "price:a")) == []


def test_a_point_has_the_id_that_a_poll_of_it_would_have_had():
    prices = {"coins": {"coingecko:bitcoin": {"prices": [{"timestamp": NOON, "price": 1.50}]}}}
    (seen,) = Charts(FakeFetcher(coingecko=prices), Hosts()).read(topic("prices", "price:bitcoin"), SINCE, UNTIL)
    assert seen.id == observation_id("price:bitcoin", str(NOON), Decimal("1.5"))


def test_an_answer_that_is_no_chart_is_said_to_be():
    with pytest.raises(SourceError, match="not the JSON expected"):
        read(FakeFetcher(aave={"tvl": "soon"}), topic("protocols", "tvl:protocol:aave"))


# --- going on ---


class FakeSink:
    def __init__(self) -> None:
        self.taken: list[str] = []
        self.full = False

    def take(self, observations):
        if self.full:
            raise StoreDownError("full")
        self.taken += [str(seen.value) for seen in observations]


def run(tmp_path, fetcher: FakeFetcher, sink: FakeSink, *topics: Topic) -> Backfill:
    words = ["--queue-url", "q", "--from-recorded", "--since", "2021-01-01", "--until", "2021-01-04"]
    run = Backfill(parser().parse_args(words), sink, Progress(tmp_path / "state.json"))
    run.topics = lambda *_: list(topics)
    run._fetcher = fetcher
    run.load("chains", Hosts(), ())
    return run


def test_a_second_run_goes_on_after_the_last_point_of_the_first(tmp_path):
    fetcher, sink = FakeFetcher(Base=[{"date": NOON, "tvl": 1}]), FakeSink()
    base = topic("chains", "tvl:chain:Base", chains=("Base",))
    run(tmp_path, fetcher, sink, base)
    fetcher.answers["Base"] = [{"date": NOON, "tvl": 1}, {"date": NOON + DAY_S, "tvl": 2}]
    again = run(tmp_path, fetcher, sink, base)
    assert (sink.taken, again.done.observations) == (["1", "2"], 1)


def test_what_the_sink_did_not_take_is_read_again(tmp_path):
    fetcher, sink = FakeFetcher(Base=[{"date": NOON, "tvl": 1}]), FakeSink()
    sink.full = True
    base = topic("chains", "tvl:chain:Base", chains=("Base",))
    with pytest.raises(StoreDownError):
        run(tmp_path, fetcher, sink, base)
    sink.full = False
    run(tmp_path, fetcher, sink, base)
    assert sink.taken == ["1"]


def test_a_topic_that_fails_does_not_end_the_run(tmp_path, capsys):
    fetcher, sink = FakeFetcher(Base=[{"date": NOON, "tvl": 1}]), FakeSink()
    done = run(tmp_path, fetcher, sink, topic("chains", "tvl:chain:Gone"), topic("chains", "tvl:chain:Base")).done
    assert (done.failed, done.observations) == (1, 1)
    assert "tvl:chain:Gone: GET" in capsys.readouterr().err


def test_the_bar_says_how_much_is_left():
    now = iter((0.0, 30.0, 30.0, 30.0))
    bar = Bar(4, out=io.StringIO(), clock=lambda: next(now))
    bar.step(1500, "price:dai")
    assert (
        bar.line("price:dai") == "[######..................] 1/4 topics, 1,500 observations, 1 min 30 s left  price:dai"
    )


def test_a_database_is_named_by_a_whole_url():
    for url in ("mysql://a@b/c", "postgresql://127.0.0.1/x", "postgresql://a@b"):
        with pytest.raises(ValueError, match="not of the form"):
            DatabaseSink(url)


def test_a_wrong_kind_is_refused_with_those_there_are(capsys):
    with pytest.raises(SystemExit):
        main(["--dry-run", "--kinds", "prices,shares"])
    assert "shares: not among prices, protocols, chains, pegs, yields" in capsys.readouterr().err


def test_what_is_no_day_is_refused_with_an_example(capsys):
    with pytest.raises(SystemExit):
        main(["--dry-run", "--since", "yesterday"])
    assert "argument --since: 'yesterday': expected a day like 2021-09-06, in UTC" in capsys.readouterr().err


def test_a_run_that_finds_all_of_it_loaded_says_how_a_new_database_is_filled(tmp_path, capsys):
    state = tmp_path / "state.json"
    day = datetime(2021, 9, 6, tzinfo=UTC)
    Progress(state).done("price:dai", day)
    words = ["--dry-run", "--from-recorded", "--kinds", "prices", "--coins", "dai", "--until", "2021-09-06"]
    assert main([*words, "--state", str(state)]) == 0
    assert f"{state} says that all of it was loaded before; for a new database: --restart" in capsys.readouterr().err
