"""Slower rates: the newest value at each tick, once, also when a flush stops half way."""

from __future__ import annotations

import pytest

from chalicelib.domain.filters import Group
from chalicelib.errors import StoreDownError
from chalicelib.ports import Tick
from chalicelib.services.conflation import GRACE_S, Conflation
from tests.fake_store import FakeAudience, FakeStore, FakeStream, FakeSubscriptions
from tests.fakes import FakeClock, FakeJobQueue, FakeRetries, FakeTickQueue, seen

ETH = "price:ethereum"


class Rig:
    """ "c" gets ethereum every five seconds at most; the first value went out at once."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.stream, self.jobs, self.ticks = FakeStream(self.store), FakeJobQueue(), FakeTickQueue()
        self.conflation = Conflation(
            stream=self.stream,
            audience=FakeAudience(self.store),
            jobs=self.jobs,
            ticks=self.ticks,
            retries=FakeRetries(),
            frame_bytes=32_768,
            posts_per_job=500,
        )
        for connection, group in (("c", Group(rate_s=5)), ("fast", Group())):
            FakeSubscriptions(self.store).subscribe(
                connection, {ETH: "-"}, group=group, ends_ms=2**52, max_topics=9, snapshot=False, since={}
            )
        self.see("100")

    def see(self, *values: str) -> list[Tick]:
        return list(self.stream.sequence([seen(ETH, value, self.clock()) for value in values]).ticks)

    def told(self) -> list[tuple[str, int, int | None]]:
        return [(update["value"], update["offset"], update["prev"]) for update in self.jobs.updates("c")]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_tick_sends_the_newest_value_after_the_one_that_was_sent_last(rig):
    (tick,) = rig.see("101", "102", "103")
    rig.clock.forward(seconds=5)
    assert rig.conflation.flush(tick) == 1
    assert rig.told() == [("103", 4, 1)]


def test_a_tick_tells_nothing_to_those_in_real_time(rig):
    (tick,) = rig.see("101")
    rig.clock.forward(seconds=5)
    rig.conflation.flush(tick)
    assert rig.jobs.updates("fast") == []


def test_a_tick_of_nothing_is_harmless(rig):
    assert rig.conflation.flush(Tick(60, 1)) == 0
    assert rig.jobs.jobs == []


def test_a_tick_that_comes_twice_tells_once(rig):
    (tick,) = rig.see("101")
    rig.clock.forward(seconds=5)
    assert [rig.conflation.flush(tick), rig.conflation.flush(tick)] == [1, 0]
    assert len(rig.told()) == 1


def test_a_job_that_is_not_taken_is_sent_again_with_the_same_offset(rig):
    (tick,) = rig.see("101")
    rig.clock.forward(seconds=5)
    rig.jobs.takes = lambda _: False
    with pytest.raises(StoreDownError):
        rig.conflation.flush(tick)
    rig.jobs.takes = lambda _: True
    rig.see("102")
    rig.conflation.flush(tick)
    assert rig.told() == [("101", 2, 1)]


def test_a_flush_that_stops_before_it_is_done_is_sent_again_with_the_same_offset(rig):
    (tick,) = rig.see("101")
    rig.clock.forward(seconds=5)
    rig.store.down = {"flushed"}
    with pytest.raises(StoreDownError):
        rig.conflation.flush(tick)
    rig.store.down = set()
    rig.conflation.flush(tick)
    assert rig.told() == [("101", 2, 1), ("101", 2, 1)]


def test_what_was_sent_at_once_within_the_slot_waits_for_the_next_tick(rig):
    rig.clock.forward(seconds=33)
    rig.see("101")
    (tick,) = rig.see("102")
    rig.clock.forward(seconds=2)
    assert rig.conflation.flush(tick) == 0
    assert rig.ticks.ticks == [Tick(5, tick.slot + 1)]
    rig.clock.forward(seconds=5)
    rig.conflation.flush(rig.ticks.ticks[0])
    assert rig.told() == [("102", 3, 2)]


def test_the_sweep_takes_a_slot_whose_tick_was_lost(rig):
    rig.see("101")
    rig.clock.forward(seconds=5 + GRACE_S)
    assert len(rig.conflation.sweep()) == 1
    assert rig.told() == [("101", 2, 1)]
    assert list(rig.conflation.sweep()) == []


def test_the_sweep_leaves_a_slot_that_is_not_over(rig):
    rig.see("101")
    rig.clock.forward(seconds=4 + GRACE_S)
    assert list(rig.conflation.sweep()) == []
