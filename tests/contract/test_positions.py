"""ports.Positions: where a topic stands, and where the stream joins its past."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from chalicelib.ports import Place
from tests.contract.stores import LOG_ENTRIES, Store
from tests.fakes import seen

TOPIC = "price:ethereum"


def change(store: Store, *minutes: int) -> list[datetime]:
    """A change at each of these minutes from now."""
    times = [store.clock() + timedelta(minutes=minute) for minute in minutes]
    store.stream.sequence([seen(TOPIC, str(100 + 10 * n), at) for n, at in enumerate(times)])
    return times


def joined(store: Store, at: datetime | None) -> int:
    place = store.positions.join(TOPIC, at)
    assert isinstance(place, Place)
    assert place.epoch == store.positions.newest([TOPIC])[TOPIC].epoch
    return place.offset


def test_the_newest_value_is_told_with_its_position(store):
    change(store, 0, 1)
    (newest,) = store.positions.newest([TOPIC, "price:nothing"]).values()
    assert (newest.topic, newest.value, newest.offset) == (TOPIC, "110", 2)


def test_in_a_new_epoch_the_newest_value_has_the_new_position(store):
    change(store, 0, 1)
    before = store.positions.newest([TOPIC])[TOPIC].epoch
    store.fail_over()
    newest = store.positions.newest([TOPIC])[TOPIC]
    assert (newest.value, newest.offset) == ("110", 0)
    assert newest.epoch != before


@pytest.mark.parametrize(("seen_until", "offset"), [(None, 0), (-1, 0), (0, 1), (1, 2), (2, 3), (9, 3)])
def test_what_was_seen_is_before_the_place_where_the_stream_joins(store, seen_until, offset):
    times = change(store, 0, 1, 2)
    at = None if seen_until is None else times[0] + timedelta(minutes=seen_until)
    assert joined(store, at) == offset


def test_of_a_log_that_was_cut_everything_is_left_to_the_stream(store):
    times = change(store, *range(LOG_ENTRIES + 5))
    assert joined(store, times[0] - timedelta(minutes=1)) == 5


def test_a_topic_without_changes_has_no_place(store):
    assert store.positions.join("price:nothing", None) is None
