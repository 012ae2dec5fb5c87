"""Health: a poller that is dead shows by the clock alone."""

from datetime import timedelta

import pytest

from chalicelib.errors import StoreDownError
from chalicelib.ports import FEED_KINDS, FeedState
from chalicelib.services.health import CheckHealth
from tests.fakes import FakeClock, FakeIngestStore


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def feeds(clock):
    """Every source polled now, due again in a minute."""
    store = FakeIngestStore()
    for kind in FEED_KINDS:
        store.save_feed_state(kind, FeedState(last_success=clock(), next_poll=clock() + timedelta(minutes=1), count=3))
    return store


@pytest.fixture
def health(feeds, clock):
    return CheckHealth(store=feeds, now=clock, probes={})


def test_all_is_well_while_every_source_is_polled(health, clock):
    clock.forward(seconds=30)
    report = health.run()
    assert report.status == "ok"
    assert set(report.sources) == set(FEED_KINDS)
    assert {(source.status, source.age_s, source.records) for source in report.sources.values()} == {("ok", 30, 3)}


@pytest.mark.parametrize(("seconds", "status"), [(360, "ok"), (361, "stale")])
def test_a_source_is_stale_five_minutes_after_it_was_due(health, clock, seconds, status):
    clock.forward(seconds=seconds)
    report = health.run()
    assert {source.status for source in report.sources.values()} == {status}
    assert report.status == ("ok" if status == "ok" else "degraded")


def test_one_stale_source_is_enough_to_be_degraded(health, feeds, clock):
    clock.forward(hours=1)
    for kind in FEED_KINDS[1:]:
        feeds.save_feed_state(kind, FeedState(last_success=clock()))
    report = health.run()
    assert report.status == "degraded"
    assert [kind for kind, source in report.sources.items() if source.status == "stale"] == [FEED_KINDS[0]]


def test_a_source_that_asked_for_a_rest_is_not_stale_meanwhile(health, feeds, clock):
    """A Retry-After of an hour, or an answer that stays fresh for one."""
    for kind in FEED_KINDS:
        feeds.save_feed_state(kind, FeedState(last_success=clock(), next_poll=clock() + timedelta(hours=1)))
    clock.forward(minutes=64)
    assert health.run().status == "ok"
    clock.forward(minutes=2)
    assert health.run().status == "degraded"


def test_a_source_without_a_next_poll_is_judged_by_its_last(health, feeds, clock):
    feeds.save_feed_state("prices", FeedState(last_success=clock()))
    clock.forward(seconds=301)
    assert health.run().sources["prices"].status == "stale"


def test_a_source_that_was_never_polled_with_success_is_said_to_be_that(feeds, clock):
    feeds.save_feed_state("yields", FeedState(next_poll=clock() + timedelta(hours=1)))
    source = CheckHealth(store=feeds, now=clock, probes={}).run().sources["yields"]
    assert (source.status, source.age_s, source.records) == ("never", None, 0)


def test_if_the_store_that_the_socket_needs_does_not_answer_all_is_down(health, feeds):
    feeds.down = {"feed_state"}
    report = health.run()
    assert (report.status, report.stores["redis"].status, report.sources) == ("down", "down", {})


class Probe:
    """Another store; ``down`` until it is not."""

    def __init__(self) -> None:
        self.down, self.asked = False, 0

    def __call__(self) -> None:
        self.asked += 1
        if self.down:
            raise StoreDownError("PostgreSQL at 10.0.0.7:5432 cannot be reached")


def probed(feeds, clock, probe):
    seconds = lambda: clock().timestamp()  # noqa: E731
    return CheckHealth(store=feeds, now=clock, probes={"postgresql": probe}, monotonic=seconds)


def test_another_store_that_is_down_degrades_and_is_named_without_its_address(feeds, clock):
    probe = Probe()
    probe.down = True
    report = probed(feeds, clock, probe).run()
    assert (report.status, report.stores["postgresql"].status, report.stores["redis"].status) == (
        "degraded",
        "down",
        "ok",
    )
    assert "10.0.0.7" not in str(report)


def test_however_often_one_asks_another_store_is_asked_once_in_ten_seconds(feeds, clock):
    probe = Probe()
    health = probed(feeds, clock, probe)
    for _ in range(5):
        health.run()
    assert probe.asked == 1
    clock.forward(seconds=11)
    health.run()
    assert probe.asked == 2
