"""ports.Stream and ports.Audience: one order, one offset, one log a topic."""

from datetime import timedelta

import pytest

from chalicelib.domain.filters import Group
from chalicelib.ports import Tick
from tests.fakes import alert_seen, seen

ETH = "price:ethereum"


def one(sequenced):
    (change,) = sequenced.changes
    return change


def test_a_first_observation_is_a_change_with_nothing_before_it(store):
    change = one(store.sequence(ETH, "100", chains=("Ethereum",), category="L1"))
    assert (change.offset, change.previous, change.value) == (1, None, "100")
    assert (change.chains, change.category) == (("Ethereum",), "L1")
    assert change.prev == dict.fromkeys(("0.5", "1", "2", "5", "10"))


def test_offsets_count_changes_and_each_names_the_value_before(store):
    changes = store.sequence(ETH, "100", "101", "102").changes
    assert [(c.offset, c.previous) for c in changes] == [(1, None), (2, "100"), (3, "101")]
    assert len({c.epoch for c in changes}) == 1


@pytest.mark.parametrize(
    ("topic", "before", "after", "changes"),
    [
        (ETH, "100", "100.1", True),
        (ETH, "100", "100.0999", False),
        (ETH, "100", "100", False),
        (ETH, "0", "0.0000001", True),
        ("tvl:protocol:aave", "5000000", "5009999", False),
        ("tvl:protocol:aave", "5000000", "5010000", True),
        ("tvl:chain:Base", "100", "101", True),
        ("yield:pool", "10", "10.4", False),
        ("yield:pool", "10", "9.5", True),
        ("peg:dai", "1", "0.9989", True),
    ],
)
def test_a_move_below_the_threshold_of_its_kind_is_no_change(store, topic, before, after, changes):
    store.sequence(topic, before)
    store.clock.forward(seconds=1)
    assert (one(store.sequence(topic, after)) is not None) is changes


def test_slow_drift_passes_a_filter_rung_in_the_end(store):
    changes = store.sequence(ETH, "100", "100.2", "100.4", "100.6").changes
    assert ["0.5" in change.prev for change in changes] == [True, False, False, True]
    assert changes[3].prev["0.5"] == 1


def test_an_observation_applied_before_keeps_its_first_offset(store):
    first = one(store.sequence(ETH, "100"))
    store.sequence(ETH, "110")
    assert one(store.sequence(ETH, "100")) == first


def test_what_is_older_than_the_newest_is_dropped_and_stays_dropped(store):
    store.sequence(ETH, "100")
    late = seen(ETH, "50", store.clock() - timedelta(seconds=1))
    assert [one(store.stream.sequence([late])) for _ in range(2)] == [None, None]


def test_an_unchanged_value_still_makes_what_is_older_old(store):
    store.sequence(ETH, "100")
    between = seen(ETH, "200", store.clock() + timedelta(seconds=1))
    store.clock.forward(seconds=2)
    assert one(store.sequence(ETH, "100")) is None
    assert one(store.stream.sequence([between])) is None


def test_after_a_failover_the_next_observation_is_a_change_of_a_new_epoch(store):
    before = one(store.sequence(ETH, "100"))
    store.fail_over()
    store.clock.forward(seconds=1)
    after = one(store.sequence(ETH, "100"))
    assert after.epoch != before.epoch
    assert (after.offset, after.previous) == (1, "100")
    assert "10" in after.prev


def test_after_a_failover_an_observation_sent_again_is_a_change_too(store):
    store.sequence(ETH, "100")
    store.fail_over()
    assert one(store.sequence(ETH, "100")).offset == 1


# --- alerts: events, not readings ---


def test_alerts_that_come_out_of_order_are_all_told_in_the_order_they_came(store):
    late = alert_seen("ann", "1", store.clock() - timedelta(minutes=5))
    changes = store.stream.sequence([alert_seen("ann", "2", store.clock()), late]).changes
    assert [(c.offset, c.alert) for c in changes] == [(1, alert_seen("ann", "2", store.clock()).alert), (2, late.alert)]


def test_two_alerts_of_one_figure_at_one_time_are_two_and_compare_with_nothing(store):
    alerts = [alert_seen("ann", number, store.clock()) for number in "12"]
    assert [(c.offset, c.previous) for c in store.stream.sequence(alerts).changes] == [(1, None), (2, None)]


def test_an_alert_that_is_sent_again_keeps_its_offset(store):
    first, second = (alert_seen("ann", number, store.clock()) for number in "12")
    changes = store.stream.sequence([first, second]).changes
    assert store.stream.sequence([first]).changes == [changes[0]]


def test_the_last_alert_is_the_snapshot_and_those_missed_come_again_whole(store):
    changes = store.stream.sequence([alert_seen("ann", number, store.clock()) for number in "123"]).changes
    joined = store.subscribe("c", "alerts:ann").reads[0]
    assert joined.snapshot.alert == changes[2].alert
    resumed = store.subscribe("c", "alerts:ann", since={"alerts:ann": (changes[0].epoch, 1)}).reads[0]
    assert [change.alert for change in resumed.missed] == [changes[1].alert, changes[2].alert]


# --- slower rates ---


@pytest.fixture
def slow(store):
    store.subscribe("c", ETH, group=Group(rate_s=5))
    return store


def test_the_first_change_after_quiet_goes_out_at_once_at_every_rate(slow):
    sequenced = slow.sequence(ETH, "100")
    assert one(sequenced).slow == {"5|": None}
    assert list(sequenced.ticks) == []


def test_the_next_change_waits_for_the_end_of_its_slot(slow):
    slow.sequence(ETH, "100")
    sequenced = slow.sequence(ETH, "101")
    slot = slow.now_ms() // 5000 + 1
    assert one(sequenced).slow == {}
    assert list(sequenced.ticks) == [Tick(5, slot)]
    slow.clock.forward(seconds=5)
    flushed = slow.stream.flush(Tick(5, slot))
    assert [(c.offset, c.value, c.slow, c.realtime) for c in flushed.changes] == [(2, "101", {"5|": 1}, False)]


def test_a_slot_is_armed_once(slow):
    slow.sequence(ETH, "100")
    assert len(slow.sequence(ETH, "101").ticks) == 1
    assert list(slow.sequence(ETH, "102").ticks) == []


def test_a_flush_tells_the_newest_value_only(slow):
    slow.sequence(ETH, "100")
    (tick,) = slow.sequence(ETH, "101", "102", "103").ticks
    slow.clock.forward(seconds=5)
    assert [c.value for c in slow.stream.flush(tick).changes] == ["103"]


def test_a_flush_gives_the_same_again_until_it_is_done(slow):
    slow.sequence(ETH, "100")
    (tick,) = slow.sequence(ETH, "101").ticks
    slow.clock.forward(seconds=5)
    first = slow.stream.flush(tick)
    slow.sequence(ETH, "102")
    assert list(slow.stream.flush(tick).changes) == list(first.changes)
    slow.stream.flushed(tick, first.changes)
    assert list(slow.stream.flush(tick).changes) == []


def test_what_was_sent_within_the_interval_waits_for_the_next_tick(slow):
    slow.clock.forward(seconds=3)
    slow.sequence(ETH, "100")  # at once, in the middle of a slot
    (tick,) = slow.sequence(ETH, "101").ticks
    slow.clock.forward(seconds=2)
    flushed = slow.stream.flush(tick)
    assert list(flushed.changes) == []
    assert flushed.next_tick == Tick(5, tick.slot + 1)
    slow.clock.forward(seconds=5)
    assert [c.value for c in slow.stream.flush(flushed.next_tick).changes] == ["101"]


def test_a_slower_rate_with_a_filter_hears_of_moves_that_pass_it(store):
    store.subscribe("c", ETH, group=Group(rate_s=5, rung="1"))
    store.sequence(ETH, "100")
    assert list(store.sequence(ETH, "100.5").ticks) == []
    assert len(store.sequence(ETH, "101").ticks) == 1


def test_a_flush_is_due_only_to_those_whose_filter_was_passed_since(slow):
    slow.subscribe("d", ETH, group=Group(rate_s=5, rung="1"))
    slow.sequence(ETH, "100")
    (tick,) = slow.sequence(ETH, "100.5").ticks
    slow.clock.forward(seconds=5)
    assert [c.slow for c in slow.stream.flush(tick).changes] == [{"5|": 1}]


def test_a_slot_whose_tick_was_lost_is_overdue(slow):
    slow.sequence(ETH, "100", "101")
    slow.clock.forward(seconds=9)
    assert list(slow.stream.overdue(5.0)) == []
    slow.clock.forward(seconds=1)
    (tick,) = slow.stream.overdue(5.0)
    flushed = slow.stream.flush(tick)
    assert [c.value for c in flushed.changes] == ["101"]
    slow.stream.flushed(tick, flushed.changes)
    assert list(slow.stream.overdue(5.0)) == []


def test_a_flush_that_was_not_finished_is_overdue(slow):
    slow.sequence(ETH, "100")
    (tick,) = slow.sequence(ETH, "101").ticks
    slow.clock.forward(seconds=5)
    slow.stream.flush(tick)
    slow.clock.forward(seconds=5)
    assert list(slow.stream.overdue(5.0)) == [tick]


# --- audience ---


def test_recipients_are_grouped_by_what_they_ask_for(store):
    slow = Group(rate_s=5, rung="1", chains=("Base",), categories=("Dexes",))
    store.subscribe("a", ETH)
    store.subscribe("b", ETH, "price:*")
    store.subscribe("c", ETH, group=slow)
    found = store.audience.recipients([ETH, "price:*", "price:dai"])
    assert {name: {g: sorted(m) for g, m in groups.items()} for name, groups in found.items()} == {
        ETH: {Group(): ["a", "b"], slow: ["c"]},
        "price:*": {Group(): ["b"]},
    }


def test_a_connection_that_has_ended_by_the_clock_gets_nothing(store):
    store.subscribe("a", ETH, ends_ms=store.now_ms() + 60_000)
    store.clock.forward(seconds=60)
    assert store.audience.recipients([ETH]) == {}
