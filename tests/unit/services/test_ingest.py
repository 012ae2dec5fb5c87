"""What a run of ingest publishes, remembers and reports."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.errors import SourceError, StoreDownError
from chalicelib.ports import FEED_KINDS, FeedResult, FeedState
from chalicelib.services.ingest import Ingest, IngestReport
from tests.fakes import FakeClock, FakeIngestStore, FakePublisher, FakeSource, seen


class Rig:
    """Ingest on fakes; ``run`` is one schedule event, a minute after the last."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.source = FakeSource()
        self.store = FakeIngestStore()
        self.publisher = FakePublisher()
        self.ingest = Ingest(
            source=self.source,
            store=self.store,
            publisher=self.publisher,
            coins=["bitcoin", "ethereum"],
            now=self.clock,
        )

    def run(self, **later: float) -> IngestReport:
        self.clock.forward(**(later or {"minutes": 1}))
        self.publisher.batches.clear()
        self.source.asked.clear()
        return self.ingest.run(scheduled_at=self.clock().replace(second=0), owner=f"run at {self.clock()}")

    def answer(self, kind: str, *figures: tuple[str, str], total: float = 0.0, **changes) -> None:
        """Script a good payload, made when it is asked for."""

        def payload(state: FeedState) -> FeedResult:
            now = self.clock()
            observations = [seen(topic, value, now) for topic, value in figures]
            fresh = FeedState(count=len(observations), total=total, last_success=now)
            return FeedResult(observations, replace(fresh, **changes), now)

        self.source.answers[kind] = payload

    def answer_chains(self, count: int, each: int = 10) -> None:
        figures = [(f"tvl:chain:C{n}", str(each + n / 1000)) for n in range(count)]
        self.answer("chains", *figures, total=float(count * each))


@pytest.fixture
def rig() -> Rig:
    return Rig()


def feed(report: IngestReport, kind: str):
    return next(each for each in report.feeds if each.kind == kind)


def test_only_what_is_new_is_published(rig):
    """The same value of a feed without times is the same observation, whenever it is polled."""
    rig.answer("chains", ("tvl:chain:Base", "1"), ("tvl:chain:Ink", "2"))
    first = rig.run()
    assert rig.publisher.figures("tvl:") == [("tvl:chain:Base", "1"), ("tvl:chain:Ink", "2")]
    rig.answer("chains", ("tvl:chain:Base", "1.0"), ("tvl:chain:Ink", "3"))
    second = rig.run()
    assert rig.publisher.figures("tvl:") == [("tvl:chain:Ink", "3")]
    assert (feed(first, "chains").new, feed(second, "chains").new, feed(second, "chains").seen) == (2, 1, 2)


def test_a_price_is_new_when_its_time_or_its_value_is(rig):
    at = datetime(2026, 11, 23, 1, 59, tzinfo=UTC)
    for observation, expected in [
        (seen("price:bitcoin", "1", at), 1),
        (seen("price:bitcoin", "1", at), 0),
        (seen("price:bitcoin", "1", at + timedelta(seconds=30)), 1),
        (seen("price:bitcoin", "2", at + timedelta(seconds=30)), 1),
    ]:
        rig.source.answers["prices"] = FeedResult([observation], FeedState(count=1), rig.clock())
        assert feed(rig.run(), "prices").new == expected


def test_a_second_run_does_nothing_while_the_first_has_the_lease(rig):
    rig.store.owner = "another"
    assert rig.run() == IngestReport(held=True)
    assert rig.source.asked == []
    assert rig.publisher.batches == []
    assert rig.store.owner == "another"


def test_the_lease_is_given_back(rig):
    rig.run()
    assert rig.store.owner is None


def test_the_lease_is_given_back_when_a_feed_breaks_and_the_others_are_published_first(rig):
    rig.answer("yields", ("yield:a", "1"))
    rig.source.answers["chains"] = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        rig.run()
    assert rig.publisher.figures("yield:") == [("yield:a", "1")]
    assert rig.store.owner is None


def test_a_lease_that_cannot_be_given_back_costs_nothing_but_time(rig):
    rig.store.down.add("release")
    rig.answer("yields", ("yield:a", "1"))
    assert feed(rig.run(), "yields").status == "polled"


@pytest.mark.parametrize("method", ["acquire", "wanted_coins"])
def test_a_store_that_is_down_at_the_start_fails_the_run(rig, method):
    rig.store.down.add(method)
    with pytest.raises(StoreDownError):
        rig.run()
    assert rig.store.owner is None


def test_one_failing_feed_stops_no_other(rig):
    for kind in FEED_KINDS:
        rig.answer(kind, (f"tvl:protocol:{kind}", "1"))
    rig.source.answers["protocols"] = SourceError("GET /protocols: status 500", temporary=True)
    report = rig.run()
    assert {each.kind: each.status for each in report.feeds} == dict.fromkeys(FEED_KINDS, "polled") | {
        "protocols": "failed"
    }
    assert feed(report, "protocols").error == "GET /protocols: status 500"
    assert len(rig.publisher.of("tvl:")) == 4
    assert "protocols" not in rig.store.states


def test_a_slow_feed_delays_no_other(rig):
    """Prices are on the topic while /protocols is still being read."""
    prices_out = threading.Event()
    rig.answer("prices", ("price:bitcoin", "1"))
    rig.publisher.fails = lambda batch: prices_out.set() if batch[0].topic == "price:bitcoin" else False

    def slow(state: FeedState) -> FeedResult:
        assert prices_out.wait(10)
        return FeedResult((), state, None)

    rig.source.answers["protocols"] = slow
    assert feed(rig.run(), "protocols").status == "polled"


def test_a_feed_rests_until_the_source_may_have_something_newer(rig):
    rig.answer("chains", ("tvl:chain:Base", "1"), next_poll=rig.clock() + timedelta(minutes=3))
    assert feed(rig.run(), "chains").status == "polled"
    assert feed(rig.run(), "chains").status == "not_due"
    assert "chains" not in rig.source.kinds
    assert feed(rig.run(), "chains").status == "polled"


def test_retry_after_is_honoured_and_bounded(rig):
    rig.source.answers["chains"] = SourceError("429", temporary=True, retry_after=150)
    rig.source.answers["yields"] = SourceError("429", temporary=True, retry_after=1e9)
    rig.run()
    assert rig.store.states["chains"].next_poll == rig.clock() + timedelta(seconds=150)
    assert rig.store.states["yields"].next_poll == rig.clock() + timedelta(hours=1)
    assert feed(rig.run(), "chains").status == "not_due"


def test_what_was_not_published_is_not_remembered(rig):
    """A crash between the two publishes the same ids again."""
    rig.answer("chains", ("tvl:chain:Base", "1"))
    rig.publisher.fails = lambda batch: batch[0].topic.startswith("tvl:")
    report = rig.run()
    assert (feed(report, "chains").status, feed(report, "chains").error) == ("failed", "the topic took nothing")
    assert "tvl:chain:Base" not in rig.store.tokens
    assert "chains" not in rig.store.states
    rig.publisher.fails = lambda _: False
    assert feed(rig.run(), "chains").new == 1


def test_what_was_published_but_not_remembered_is_published_again_with_the_same_id(rig):
    at = rig.clock()
    rig.source.answers["prices"] = FeedResult([seen("price:bitcoin", "1", at)], FeedState(count=1), at)
    rig.store.down.add("save_last_seen")
    assert feed(rig.run(), "prices").status == "failed"
    (first,) = rig.publisher.of("price:")
    rig.store.down.clear()
    rig.run()
    (again,) = rig.publisher.of("price:")
    assert again.id == first.id


def test_a_large_feed_is_remembered_piece_by_piece(rig):
    rig.answer_chains(2500)
    rig.publisher.fails = lambda batch: any(each.topic == "tvl:chain:C2100" for each in batch)
    assert feed(rig.run(), "chains").status == "failed"
    assert len([topic for topic in rig.store.tokens if topic.startswith("tvl:")]) == 2000
    rig.publisher.fails = lambda _: False
    assert feed(rig.run(), "chains").new == 500


def test_nothing_is_published_when_the_lease_is_about_to_expire(rig):
    def slow(state: FeedState) -> FeedResult:
        rig.clock.forward(seconds=51)
        return FeedResult([seen("price:bitcoin", "1", rig.clock())], FeedState(count=1), None)

    rig.source.answers["prices"] = slow
    report = feed(rig.run(), "prices")
    assert report.status == "failed"
    assert rig.publisher.of("price:") == []


@pytest.mark.parametrize(("count", "each"), [(49, 100), (100, 4), (0, 0)])
def test_a_shrunken_payload_changes_nothing(rig, count, each):
    """Half the records gone, or half the value: the source is broken, not DeFi."""
    rig.answer_chains(100)
    rig.run()
    before = rig.store.states["chains"]
    rig.answer_chains(count, each)
    report = feed(rig.run(), "chains")
    assert report.status == "shrunken"
    assert f"{count} records" in report.error
    assert rig.publisher.of("tvl:") == []
    assert rig.store.states["chains"] == before


def test_a_payload_that_shrank_a_little_is_accepted(rig):
    rig.answer_chains(100)
    rig.run()
    rig.answer_chains(60, 11)
    assert feed(rig.run(), "chains").status == "polled"


def test_a_shrunken_payload_is_refused_until_it_recovers(rig):
    rig.answer_chains(100)
    rig.run()
    rig.answer_chains(40)
    assert [feed(rig.run(), "chains").status for _ in range(8)] == ["shrunken"] * 8
    rig.answer_chains(100)
    assert feed(rig.run(), "chains").status == "polled"


def test_after_a_day_the_smaller_payload_is_the_truth(rig):
    rig.answer_chains(100)
    rig.run()
    rig.answer_chains(40)
    assert feed(rig.run(hours=23), "chains").status == "shrunken"
    assert feed(rig.run(hours=2), "chains").status == "polled"


def test_a_shrunken_payload_keeps_the_old_etags_but_rests_as_the_source_asks(rig):
    rig.answer("chains", ("tvl:chain:Base", "9"), total=9.0, etags={"/v2/chains": "good"})
    rig.run()
    until = rig.clock() + timedelta(minutes=9)
    rig.answer("chains", total=0.0, etags={"/v2/chains": "bad"}, next_poll=until)
    rig.run()
    assert rig.store.states["chains"].etags == {"/v2/chains": "good"}
    assert rig.store.states["chains"].next_poll == until


def test_missing_prices_are_no_reason_to_refuse_the_others(rig):
    rig.answer("prices", *((f"price:c{n}", "1") for n in range(10)))
    rig.run()
    rig.answer("prices", ("price:c0", "2"))
    assert feed(rig.run(), "prices").status == "polled"
    rig.answer("prices")
    assert feed(rig.run(), "prices").status == "shrunken"


def test_an_unchanged_feed_is_a_success_without_news(rig):
    rig.answer_chains(3)
    rig.run()
    rig.source.answers["chains"] = lambda state: FeedResult((), replace(state, last_success=rig.clock()), None)
    assert feed(rig.run(), "chains").status == "unchanged"
    assert rig.store.states["chains"].count == 3
    assert rig.store.states["chains"].last_success == rig.clock()


def test_coins_are_the_settings_and_those_somebody_wants_each_once(rig):
    rig.store.wanted = ["base:0xB", "base:0xA", "ethereum"]
    rig.run()
    assert rig.source.asked[0][2] == ["bitcoin", "ethereum", "base:0xA", "base:0xB"]


def test_nobody_can_make_us_ask_for_more_than_five_thousand_coins(rig):
    rig.store.wanted = [f"base:0x{n:06}" for n in range(6000)]
    rig.run()
    assert len(rig.source.asked[0][2]) == 5000
    assert rig.source.asked[0][2][:2] == ["bitcoin", "ethereum"]


def test_the_freshness_of_prices_is_the_age_of_the_newest_on_the_sources_clock(rig):
    """The source may live in another year: only its own clock tells the age."""
    there = datetime(2022, 5, 7, 10, 0, tzinfo=UTC)
    prices = [seen("price:bitcoin", "1", there - timedelta(seconds=95)), seen("price:ethereum", "1", there)]
    rig.source.answers["prices"] = FeedResult(prices[:1], FeedState(count=1), there)
    rig.run()
    assert rig.publisher.figures("feed:prices") == [("feed:prices", "95")]
    rig.run()
    assert rig.publisher.figures("feed:prices") == [("feed:prices", "155")]  # nothing new for another minute
    rig.source.answers["prices"] = FeedResult(prices, FeedState(count=2), there)
    rig.run()
    assert rig.publisher.figures("feed:prices") == [("feed:prices", "0")]


def test_freshness_grows_while_a_feed_rests_is_unchanged_or_fails(rig):
    rig.answer_chains(3)
    rig.run()
    rig.run()
    ages = [rig.publisher.figures("feed:chains")]
    rig.source.answers["chains"] = lambda state: FeedResult((), state, None)
    rig.run()
    ages.append(rig.publisher.figures("feed:chains"))
    rig.source.answers["chains"] = SourceError("down", retry_after=90)
    rig.run()
    ages.append(rig.publisher.figures("feed:chains"))
    rig.run()
    ages.append(rig.publisher.figures("feed:chains"))
    assert [value for ((_, value),) in ages] == ["60", "120", "180", "240"]


def test_freshness_is_stamped_by_our_clock_and_is_new_every_run(rig):
    rig.answer_chains(1)
    rig.run()
    (first,) = rig.publisher.of("feed:chains")
    rig.run()
    (second,) = rig.publisher.of("feed:chains")
    assert second.observed_at == rig.clock()
    assert first.id != second.id


@pytest.mark.parametrize("answer", [SourceError("down"), FeedResult((), FeedState(), None)])
def test_a_feed_that_never_had_data_has_no_freshness(rig, answer):
    rig.source.answers["chains"] = answer
    rig.run()
    rig.run()
    assert rig.publisher.of("feed:chains") == []


def test_the_report_counts_what_was_published(rig):
    rig.answer_chains(7)
    report = rig.run()
    assert report.published == sum(map(len, rig.publisher.batches))
    assert feed(report, "chains").published == 8  # and its freshness


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.booleans(), st.booleans()), max_size=25))
def test_whatever_fails_in_between_the_last_value_arrives_and_none_is_published_twice_in_a_row(steps):
    """Publishing or remembering fails at will: a value is repeated only after a failure, and none is lost."""
    rig = Rig()
    failed = False
    stream: list[tuple[str, str, bool]] = []
    for name, value, publish_fails, remember_fails in [*steps, ("a", 9, False, False)]:
        rig.answer("yields", (f"yield:{name}", str(value)))
        rig.publisher.fails = lambda _, fails=publish_fails: fails
        rig.store.down = {"save_last_seen"} if remember_fails else set()
        status = feed(rig.run(), "yields").status
        stream += [(topic, figure, failed) for topic, figure in rig.publisher.figures("yield:")]
        assert publish_fails or remember_fails or status == "polled"
        failed = failed or remember_fails
    assert stream[-1][:2] == ("yield:a", "9")
    for topic in {each[0] for each in stream}:
        mine = [each for each in stream if each[0] == topic]
        assert all(left[1] != right[1] or right[2] for left, right in pairwise(mine))


def test_what_is_published_is_counted_and_how_old_the_newest_is(rig, measured):
    rig.answer("chains", ("tvl:chain:Base", "5"), ("tvl:chain:Sui", "7"))
    with measured() as found:
        report = rig.run()
    assert found["ObservationsPublished"] == [report.published]
    assert found["SourceAge", "chains"] == [0]
    assert len(found["PollDuration"]) == len(FEED_KINDS)


def test_a_failed_poll_is_counted_for_its_feed(rig, measured):
    rig.source.answers["yields"] = SourceError("down")
    with measured() as found:
        rig.run()
    assert found["PollFailures", "yields"] == [1]
    assert ("PollFailures", "chains") not in found
