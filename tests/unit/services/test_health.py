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
    return CheckHealth(store=feeds, now=clock)


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
    source = CheckHealth(store=feeds, now=clock).run().sources["yields"]
    assert (source.status, source.age_s, source.records) == ("never", None, 0)


def test_a_store_that_is_down_is_not_reported_as_degraded(health, feeds):
    feeds.down = {"feed_state"}
    with pytest.raises(StoreDownError):
        health.run()
