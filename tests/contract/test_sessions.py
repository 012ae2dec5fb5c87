"""ports.Sessions, Subscriptions, Limits: who is there, what each wants, how much each may."""

from decimal import Decimal

import pytest

from chalicelib.domain.filters import Group
from chalicelib.ports import Session

ETH = "price:ethereum"


# --- sessions ---


def test_an_opened_session_is_found(store):
    session = Session("u", "pro", store.now_ms() + 3600_000, store.now_ms() + 7200_000)
    assert store.sessions.open("a", session, 1) is None
    assert store.sessions.get("a") == session
    assert store.sessions.get("b") is None


def test_a_full_tier_names_who_holds_its_places_the_oldest_first(store):
    store.open("b", limit=2)
    store.clock.forward(seconds=1)
    store.open("a", limit=2)
    assert list(store.open("c", limit=2)) == []  # a handshake may still be under way
    store.clock.forward(seconds=30)
    assert list(store.open("c", limit=2)) == ["b", "a"]
    assert store.sessions.get("c") is None
    assert store.open("z", "somebody else", limit=2) is None


def test_opening_again_takes_no_second_place(store):
    store.open("a", limit=1)
    assert store.open("a", limit=1) is None


def test_a_connection_past_its_end_holds_no_place(store):
    store.open("a", limit=1)
    store.clock.forward(hours=2)
    assert store.open("b", limit=1) is None


def test_forgetting_frees_the_place_and_counts_who_was_known(store):
    store.open("a", limit=1)
    assert store.sessions.forget(["a", "never seen"]) == 1
    assert store.sessions.forget(["a"]) == 0
    assert store.sessions.get("a") is None
    assert store.open("b", limit=1) is None


def test_a_connection_that_has_ended_cannot_be_opened_or_subscribe(store):
    store.open("a")
    store.subscribe("a", ETH)
    store.sessions.forget(["a"])
    assert store.open("a") is None
    assert store.sessions.get("a") is None
    assert store.subscribe("a", ETH) is None
    assert store.audience.recipients([ETH]) == {}


def test_a_dropped_session_keeps_its_subscriptions_and_may_be_opened_again(store):
    store.open("a")
    store.subscribe("a", ETH)
    store.sessions.drop("a")
    assert store.sessions.get("a") is None
    assert store.open("a") is None
    assert store.audience.recipients([ETH]) == {ETH: {Group(): ["a"]}}


def test_extending_moves_the_end_of_its_subscriptions(store):
    store.open("a", lasts_s=60)
    store.subscribe("a", ETH, ends_ms=store.now_ms() + 60_000)
    later_ms = store.now_ms() + 600_000
    store.sessions.extend("a", later_ms)
    store.clock.forward(seconds=61)
    assert store.audience.recipients([ETH]) == {ETH: {Group(): ["a"]}}
    assert store.sessions.get("a").session_ms == later_ms


def test_a_session_extended_after_its_end_is_told_again(store):
    store.open("a", lasts_s=60)
    store.subscribe("a", ETH, ends_ms=store.now_ms() + 60_000)
    store.clock.forward(seconds=61)
    assert store.audience.recipients([ETH]) == {}  # looks, and clears away what is empty
    store.sessions.extend("a", store.now_ms() + 60_000)
    assert store.audience.recipients([ETH]) == {ETH: {Group(): ["a"]}}


def test_extending_a_session_that_is_not_known_is_harmless(store):
    store.sessions.extend("a", store.now_ms() + 1000)
    assert store.sessions.get("a") is None


def test_who_ends_soon_is_named_until_it_was_announced_or_has_ended(store):
    for connection in "abc":
        store.open(connection)
        store.clock.forward(minutes=1)
    before_ms = store.sessions.get("b").ends_ms
    assert sorted(store.sessions.ending(before_ms)) == ["a", "b"]
    store.sessions.announced(["b"])
    store.sessions.announced([])
    assert list(store.sessions.ending(before_ms)) == ["a"]
    store.sessions.forget(["a"])
    assert list(store.sessions.ending(before_ms)) == []


# --- subscriptions ---


def test_a_subscription_reads_the_newest_value_and_its_place(store):
    (change,) = store.sequence(ETH, "100").changes
    subscribed = store.subscribe("a", ETH)
    (read,) = subscribed.reads
    assert (read.topic, read.epoch, read.offset, read.recovered) == (ETH, change.epoch, 1, None)
    assert read.snapshot == change
    assert list(read.missed) == []
    assert list(subscribed.patterns) == [(ETH, "ok", 1)]


def test_without_snapshot_only_the_place_is_read(store):
    store.sequence(ETH, "100")
    (read,) = store.subscribe("a", ETH, snapshot=False).reads
    assert (read.offset, read.snapshot) == (1, None)


def test_a_topic_of_which_nothing_was_heard_has_no_place_yet(store):
    (read,) = store.subscribe("a", ETH).reads
    assert (read.epoch, read.offset, read.recovered, read.snapshot) == (None, 0, None, None)


def test_a_wildcard_says_how_many_it_matches_and_reads_each(store):
    store.sequence(ETH, "100")
    store.sequence("price:dai", "1")
    store.sequence("tvl:chain:Base", "5")
    subscribed = store.subscribe("a", "price:*")
    assert list(subscribed.patterns) == [("price:*", "ok", 2)]
    assert sorted(read.topic for read in subscribed.reads) == ["price:dai", ETH]


def test_a_wildcard_reads_no_topic_that_has_its_own_subscription(store):
    store.sequence(ETH, "100")
    store.sequence("price:dai", "1")
    store.subscribe("a", ETH)
    assert [read.topic for read in store.subscribe("a", "price:*").reads] == ["price:dai"]


def test_a_topic_is_unknown_once_its_source_was_heard_without_it(store):
    assert store.subscribe("a", patterns={"price:later": ""}).patterns[0][1] == "ok"
    store.sequence(ETH, "100")
    outcomes = store.subscribe("b", patterns={"price:nope": "", ETH: "", "price:coming": "-"}).patterns
    assert [(name, outcome) for name, outcome, _ in outcomes] == [
        ("price:nope", "unknown"),
        (ETH, "ok"),
        ("price:coming", "ok"),
    ]
    assert set(store.subscriptions.subscribed("b")) == {ETH, "price:coming"}


def test_a_connection_has_its_tiers_topics_and_no_more(store):
    outcomes = store.subscribe("a", "price:a", "price:b", "price:c", max_topics=2).patterns
    assert [outcome for _, outcome, _ in outcomes] == ["ok", "ok", "too_many"]
    again = store.subscribe("a", "price:b", max_topics=2, group=Group(rate_s=5)).patterns
    assert again[0][1] == "ok"


def test_subscribing_again_replaces_rate_and_filter(store):
    fast, slow = Group(), Group(rate_s=60, rung="2")
    store.subscribe("a", ETH, group=fast)
    store.subscribe("a", ETH, group=slow)
    assert store.subscriptions.subscribed("a") == {ETH: slow}
    assert store.audience.recipients([ETH]) == {ETH: {slow: ["a"]}}


def test_unsubscribing_leaves_what_was_named_and_held(store):
    store.subscribe("a", ETH, "price:*")
    assert list(store.subscriptions.unsubscribe("a", [ETH, "price:never"])) == [ETH]
    assert set(store.subscriptions.subscribed("a")) == {"price:*"}
    assert store.audience.recipients([ETH]) == {}


def test_unsubscribing_from_nothing_named_leaves_everything(store):
    store.subscribe("a", ETH, "price:*")
    assert sorted(store.subscriptions.unsubscribe("a", [])) == ["price:*", ETH]
    assert store.subscriptions.subscribed("a") == {}


# --- resuming ---


def test_resuming_gives_everything_after_the_offset(store):
    changes = store.sequence(ETH, "100", "101", "102").changes
    (read,) = store.subscribe("a", ETH, since={ETH: (changes[0].epoch, 1)}).reads
    assert (read.recovered, read.snapshot, list(read.missed)) == (True, None, list(changes[1:]))


def test_resuming_where_nothing_was_missed_sends_nothing(store):
    (change,) = store.sequence(ETH, "100").changes
    (read,) = store.subscribe("a", ETH, since={ETH: (change.epoch, 1)}).reads
    assert (read.recovered, read.snapshot, list(read.missed)) == (True, None, [])


@pytest.mark.parametrize(("epoch", "offset"), [("another", 6), (None, 0), (None, 8)])
def test_what_cannot_be_recovered_whole_is_a_snapshot_even_unasked(store, epoch, offset):
    """Another epoch; older than the log of five; an offset that was never given."""
    changes = store.sequence(ETH, *(str(100 + n) for n in range(7))).changes
    since = {ETH: (epoch or changes[0].epoch, offset)}
    (read,) = store.subscribe("a", ETH, snapshot=False, since=since).reads
    assert (read.recovered, read.snapshot, list(read.missed)) == (False, changes[-1], [])


def test_the_whole_log_can_be_recovered(store):
    changes = store.sequence(ETH, *(str(100 + n) for n in range(7))).changes
    (read,) = store.subscribe("a", ETH, since={ETH: (changes[0].epoch, 2)}).reads
    assert list(read.missed) == list(changes[2:])


def test_a_wildcard_resumes_each_topic_that_is_named_and_reads_the_rest(store):
    (eth,) = store.sequence(ETH, "100").changes
    store.sequence("price:dai", "1")
    since = {ETH: (eth.epoch, 1), "price:lost": ("old", 4), "tvl:chain:Base": ("old", 1)}
    reads = {read.topic: read for read in store.subscribe("a", "price:*", since=since).reads}
    assert {topic: read.recovered for topic, read in reads.items()} == {
        ETH: True,
        "price:dai": None,
        "price:lost": False,
    }
    assert reads["price:dai"].snapshot.value == "1"
    assert reads["price:lost"].snapshot is None


def test_after_a_failover_a_resume_gets_the_value_under_the_new_epoch(store):
    (before,) = store.sequence(ETH, "100").changes
    store.fail_over()
    (read,) = store.subscribe("a", ETH, since={ETH: (before.epoch, 1)}).reads
    assert read.recovered is False
    assert read.epoch not in (None, before.epoch)
    assert (read.offset, read.snapshot.offset, read.snapshot.epoch) == (0, 0, read.epoch)
    assert Decimal(read.snapshot.value) == 100


# --- limits ---


def test_a_bucket_gives_its_burst_then_says_how_long_to_wait(store):
    assert [store.limits.take("k", 2, 3) for _ in range(4)] == [0, 0, 0, 0.5]
    assert store.limits.take("another", 2, 3) == 0


def test_a_meter_says_what_is_left_and_when_all_is_again(store):
    metered = [store.limits.meter("m", 2, 3) for _ in range(4)]
    assert [each.left for each in metered] == [2, 1, 0, 0]
    assert [each.wait_s for each in metered] == [0, 0, 0, 0.5]
    assert [each.full_s for each in metered] == [0.5, 1, 1.5, 1.5]


def test_a_bucket_fills_with_time_up_to_its_burst(store):
    for _ in range(3):
        store.limits.take("k", 2, 3)
    store.clock.forward(seconds=0.5)
    assert store.limits.take("k", 2, 3) == 0
    assert store.limits.take("k", 2, 3) > 0
    store.clock.forward(minutes=1)
    assert [store.limits.take("k", 2, 3) for _ in range(4)] == [0, 0, 0, 0.5]


def test_once_is_true_once(store):
    assert [store.limits.once("a", 60), store.limits.once("a", 60), store.limits.once("b", 60)] == [True, False, True]


# --- who is there ---


def test_everybody_is_listed_with_what_they_are_subscribed_to(store):
    store.open("a", "ann")
    store.open("b", "bob")
    store.subscribe("a", ETH, "tvl:*", group=Group(rate_s=5))
    listed = {one.connection: one for part in store.sessions.listed() for one in part}
    assert {name: one.session.user for name, one in listed.items()} == {"a": "ann", "b": "bob"}
    assert listed["a"].session == store.sessions.get("a")
    assert listed["a"].subscriptions == dict.fromkeys([ETH, "tvl:*"], Group(rate_s=5).name)
    assert listed["b"].subscriptions == {}


def test_thousands_are_listed_each_once(store):
    for number in range(2500):
        store.open(f"c{number}", limit=10_000)
    listed = [one.connection for part in store.sessions.listed() for one in part]
    assert len(listed) == len(set(listed)) == 2500


def test_who_has_ended_is_not_listed(store):
    store.open("a")
    store.sessions.forget(["a"])
    assert [one for part in store.sessions.listed() for one in part] == []
