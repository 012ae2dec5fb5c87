"""A topic's past: the width of candles, gaps, and where the stream joins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.errors import UnknownTopicError, WrongTypeError
from chalicelib.ports import Place
from chalicelib.services.reading import RAW, PageStart, ReadHistory
from tests.fake_history import FakeHistory
from tests.fake_store import FakePositions, FakeStore, FakeStream
from tests.fakes import FakeClock, seen

TOPIC = "price:ethereum"


class Rig:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.history, self.store = FakeHistory(), FakeStore(self.clock)
        self.stream = FakeStream(self.store)
        self.reading = ReadHistory(
            reader=self.history, positions=FakePositions(self.store), now=self.clock, fine_months=4
        )

    def ago(self, **by: float) -> datetime:
        return self.clock() - timedelta(**by)

    def record(self, *at: datetime) -> None:
        self.history.record([seen(TOPIC, "1", each) for each in at])

    def read(self, **asked):
        return self.reading.run(TOPIC, **asked)


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.record(made.ago(minutes=3))
    return made


def test_without_a_beginning_it_is_the_last_day(rig):
    assert rig.read(width=60).start == rig.ago(days=1)


def test_where_the_last_day_has_nothing_it_is_from_the_newest_on(rig):
    rig.clock.forward(seconds=10 * 86400)
    page = rig.read()
    assert [candle.samples for candle in page.candles] == [1]
    assert page.end == rig.clock()
    assert [point.value for point in rig.read(width=RAW).points] == [1]


def test_pages_without_a_beginning_go_on_where_they_were_when_the_newest_has_moved(rig):
    rig.clock.forward(seconds=10 * 86400)
    following = PageStart(RAW, rig.ago(days=9), "")
    rig.record(rig.ago(days=8), rig.ago(minutes=1))
    assert len(rig.read(width=RAW, page=following).points) == 2


@pytest.mark.parametrize(
    ("back", "width"),
    [
        (timedelta(minutes=1000), 1),
        (timedelta(minutes=1001), 5),
        (timedelta(minutes=5000), 5),
        (timedelta(minutes=5005), 60),
        (timedelta(days=41), 60),
        (timedelta(days=42), 1440),
        (timedelta(days=4000), 1440),
    ],
)
def test_the_width_is_the_finest_that_makes_one_page(rig, back, width):
    assert rig.read(start=rig.clock() - back).width == width


def test_a_day_is_read_where_nothing_is_said(rig):
    page = rig.read()
    assert (page.start, page.end, page.width) == (rig.ago(days=1), rig.clock(), 5)


@pytest.mark.parametrize(("start", "width"), [("2026-08-01", 1), ("2026-07-31", 60)])
def test_a_range_before_what_is_kept_of_fine_candles_has_wider_ones(rig, start, width):
    """Four months: this one and the three before it."""
    begin = datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert rig.read(start=begin, end=begin + timedelta(hours=2)).width == width


def test_a_candle_that_began_before_the_range_is_in_it(rig):
    page = rig.read(start=rig.ago(minutes=2), width=60)
    assert [candle.start for candle in page.candles] == [rig.ago(hours=1)]
    assert page.start == rig.ago(hours=1)


def test_where_nothing_was_observed_is_one_gap(rig):
    page = rig.read(start=rig.ago(minutes=30), end=rig.ago(minutes=20), width=5)
    assert page.gaps == [(rig.ago(minutes=30), rig.ago(minutes=20))]


def test_the_future_is_no_gap(rig):
    page = rig.read(start=rig.ago(minutes=5), end=rig.ago(minutes=-600), width=5)
    assert page.gaps == []


def test_single_observations_have_no_gaps(rig):
    page = rig.read(width=RAW)
    assert ([point.observed_at for point in page.points], page.gaps) == ([rig.ago(minutes=3)], ())


def test_pages_of_observations_of_one_moment_leave_none_out(rig):
    rig.history.record([seen(TOPIC, str(n), rig.ago(minutes=2)) for n in range(1500)])
    first = rig.read(width=RAW)
    second = rig.read(width=RAW, page=first.following)
    told = [point.id for page in (first, second) for point in page.points]
    assert (len(first.points), len(set(told)), second.following) == (1000, 1501, None)


def change(rig: Rig, *minutes_ago: float) -> None:
    rig.stream.sequence([seen(TOPIC, str(1000 - ago), rig.ago(minutes=ago)) for ago in minutes_ago])


def live(rig: Rig) -> int:
    place = rig.read().live
    assert isinstance(place, Place)
    assert place.epoch == rig.store.topics[TOPIC].epoch
    return place.offset


def test_what_is_recorded_is_not_streamed_again(rig):
    change(rig, 300, 200, 3)
    assert live(rig) == 3


def test_what_is_not_recorded_yet_is_streamed(rig):
    """record may be behind: the newest of the history is three minutes old, two changes are newer."""
    change(rig, 300, 3, 2, 1)
    assert live(rig) == 2


def test_if_nothing_of_the_log_is_recorded_all_of_it_is_streamed(rig):
    change(rig, 2, 1)
    assert live(rig) == 0


def test_if_the_log_is_gone_a_snapshot_comes(rig):
    """A position that cannot be resumed from is answered with one."""
    change(rig, 10, 2)
    rig.store.topics[TOPIC].log.clear()
    assert live(rig) == 1


def test_a_topic_that_only_the_stream_knows_has_a_past_without_anything(rig):
    rig.history.seen.clear()
    change(rig, 1)
    page = rig.read()
    assert (page.candles, len(page.gaps), page.live.offset) == ([], 1, 0)


def test_a_topic_that_nobody_knows_is_unknown(rig):
    with pytest.raises(UnknownTopicError):
        rig.reading.run("price:nothing")


def test_from_is_before_to(rig):
    with pytest.raises(WrongTypeError):
        rig.read(start=rig.clock(), end=rig.clock())
