"""Who may have what; where each topic stands; what was missed is sent whole or not at all."""

from __future__ import annotations

import pytest

from tests.unit.services.socket_rig import SocketRig

ETH = "price:ethereum"


@pytest.fixture
def rig():
    rig = SocketRig()
    rig.connect()
    return rig


def told(rig, connection="c"):
    return [(u["topic"], u["offset"], u["prev"], u["snapshot"]) for u in rig.jobs.updates(connection)]


def epoch_of(rig, topic=ETH):
    return rig.store.topics[topic].epoch


def subscribed(rig, *topics, connection="c", **fields):
    reply = rig.ask("subscribe", connection, topics=list(topics), **fields)
    assert reply["ok"], reply
    return reply["result"]


def test_a_subscription_tells_its_place_and_sends_the_value(rig):
    rig.see(ETH, "100", "101")
    result = subscribed(rig, ETH)
    assert result["topics"] == {ETH: {"epoch": epoch_of(rig), "offset": 2, "recovered": None}}
    assert result["rejected"] == []
    assert told(rig) == [(ETH, 2, None, True)]


def test_without_snapshot_nothing_is_sent(rig):
    rig.see(ETH, "100")
    subscribed(rig, ETH, snapshot=False)
    assert rig.jobs.jobs == []


def test_a_wildcard_tells_how_many_it_matches_and_sends_them_all(rig):
    for n in range(300):
        rig.see(f"tvl:protocol:p{n}", "5000000")
    assert subscribed(rig, "tvl:protocol:*")["topics"] == {"tvl:protocol:*": {"matched": 300}}
    assert len(told(rig)) == 300
    assert len(rig.jobs.frames("c")) < 5  # frames of 32 KB


# --- who may ---


def test_the_good_topics_of_a_command_succeed_and_the_bad_are_listed(rig):
    rig.see("tvl:chain:Base", "5")
    result = subscribed(rig, ETH, "prize:eth", "alerts:bob", "tvl:chain:Nowhere")
    assert set(result["topics"]) == {ETH}
    assert {(r["topic"], r["code"], r["name"]) for r in result["rejected"]} == {
        ("prize:eth", 2003, "unknown_topic"),
        ("alerts:bob", 2004, "not_allowed"),
        ("tvl:chain:Nowhere", 2003, "unknown_topic"),
    }


@pytest.mark.parametrize(
    ("topics", "code"),
    [
        ([], 2000),
        (["prize:eth"], 2003),
        (["*"], 2003),
        (["alerts:bob"], 2004),
        (["alerts:*"], 2004),
        (["price:" + "x" * 200], 2003),
        (["price:a"] * 1001, 2001),
    ],
)
def test_a_command_of_which_nothing_can_be_done_is_refused(rig, topics, code):
    rig.see(ETH, "1")
    assert rig.code("subscribe", topics=topics) == code


def test_the_own_alerts_may_be_had_before_there_are_any(rig):
    assert set(subscribed(rig, "alerts:ann")["topics"]) == {"alerts:ann"}


def test_a_coin_that_is_polled_or_has_a_key_is_known_and_the_key_is_polled_from_now_on(rig):
    rig.see("price:bitcoin", "1")
    result = subscribed(rig, "price:dai", "price:base:0xabcdef", "price:nonsense")
    assert set(result["topics"]) == {"price:dai", "price:base:0xabcdef"}
    assert rig.store.coins == {"base:0xabcdef"}


def test_a_tier_has_so_many_topics_a_connection(rig):
    rig.connect("d", user="bob", tier="tiny")
    result = subscribed(rig, "price:dai", ETH, "price:*", connection="d")
    assert [(r["topic"], r["code"]) for r in result["rejected"]] == [("price:*", 2001)]
    assert rig.code("subscribe", "d", topics=["price:*"]) == 2001
    assert subscribed(rig, ETH, connection="d", rate="60s")["rejected"] == []


def test_a_rate_above_the_tiers_is_refused_and_not_slowed(rig):
    rig.connect("d", user="bob", tier="free")
    assert rig.code("subscribe", "d", topics=[ETH]) == 2005
    assert rig.code("subscribe", "d", topics=[ETH], rate="1s") == 2005
    assert rig.ask("subscribe", "d", topics=[ETH], rate="5s")["ok"]


def test_a_bad_filter_or_rate_is_refused(rig):
    assert rig.code("subscribe", topics=[ETH], filter={"min_change_pct": 3}) == 2002
    assert rig.code("subscribe", topics=[ETH], rate="2s") == 1004


def test_a_connection_that_has_ended_cannot_subscribe(rig):
    rig.sessions.end(["c"])
    assert rig.code("subscribe", topics=[ETH]) == 2000


def test_a_snapshot_that_cannot_be_sent_fails_the_command(rig):
    rig.see(ETH, "100")
    rig.jobs.takes = lambda _: False
    assert rig.code("subscribe", topics=[ETH]) == 5001


# --- filters ---


def test_a_topic_outside_the_filter_sends_no_snapshot(rig):
    rig.see("tvl:protocol:a", "5", chains=("Base",), category="Dexes")
    rig.see("tvl:protocol:b", "5", chains=("Solana",), category="Dexes")
    subscribed(rig, "tvl:*", filter={"chains": ["Base"], "categories": ["Dexes"]})
    assert told(rig) == [("tvl:protocol:a", 1, None, True)]


# --- resuming ---


def resume(rig, offset, **fields):
    since = {ETH: {"epoch": epoch_of(rig), "offset": offset}}
    result = subscribed(rig, ETH, since=since, **fields)
    return result["topics"][ETH]["recovered"]


def test_everything_that_was_missed_is_sent_in_order(rig):
    rig.see(ETH, "100", "101", "102", "103")
    assert resume(rig, 2) is True
    assert told(rig) == [(ETH, 3, 2, False), (ETH, 4, 3, False)]


def test_where_nothing_was_missed_nothing_is_sent(rig):
    rig.see(ETH, "100")
    assert resume(rig, 1) is True
    assert told(rig) == []


def test_what_is_no_longer_in_the_log_is_a_snapshot_and_never_a_part(rig):
    rig.store.log_entries = 2
    rig.see(ETH, "100", "101", "102", "103")
    assert resume(rig, 1, snapshot=False) is False
    assert told(rig) == [(ETH, 4, None, True)]


def test_another_epoch_is_a_snapshot(rig):
    rig.see(ETH, "100", "101")
    rig.ask("subscribe", topics=[ETH], since={ETH: {"epoch": "old", "offset": 1}})
    assert told(rig) == [(ETH, 2, None, True)]


def test_a_filtered_resume_sends_what_passed_the_filter(rig):
    rig.see(ETH, "100", "100.2", "100.4", "101.5", "101.7")
    assert resume(rig, 1, filter={"min_change_pct": 1}) is True
    assert told(rig) == [(ETH, 4, 1, False)]


def test_a_slower_resume_sends_the_newest_value_only(rig):
    rig.see(ETH, "100", "101", "102", "103")
    assert resume(rig, 1, rate="5s") is True
    assert told(rig) == [(ETH, 4, 1, False)]


def test_a_slower_filtered_resume_sends_the_newest_value_if_any_passed(rig):
    rig.see(ETH, "100", "101.5", "101.7")
    assert resume(rig, 1, rate="5s", filter={"min_change_pct": 1}) is True
    assert [(u["offset"], u["prev"], u["value"]) for u in rig.jobs.updates("c")] == [(3, 1, "101.7")]


def test_a_slower_filtered_resume_sends_nothing_if_nothing_passed(rig):
    rig.see(ETH, "100", "100.2", "100.4")
    assert resume(rig, 1, rate="5s", filter={"min_change_pct": 1}) is True
    assert told(rig) == []


def test_with_a_wildcard_the_topics_absent_from_since_get_a_snapshot(rig):
    rig.see(ETH, "100", "101")
    rig.see("price:dai", "1")
    result = subscribed(rig, "price:*", since={ETH: {"epoch": epoch_of(rig), "offset": 1}})
    assert result["topics"] == {
        "price:*": {"matched": 2},
        ETH: {"epoch": epoch_of(rig), "offset": 2, "recovered": True},
    }
    assert sorted(told(rig)) == [("price:dai", 1, None, True), (ETH, 2, 1, False)]


# --- alerts ---


def alerts_told(rig, connection="c"):
    return [(u["alert"]["id"], u["offset"], u["prev"]) for u in rig.jobs.updates(connection) if "alert" in u]


def test_my_alerts_are_those_of_the_user_under_their_real_name(rig):
    rig.fire("ann", "1")
    assert set(subscribed(rig, "alerts:me")["topics"]) == {"alerts:ann"}
    assert alerts_told(rig) == [("al_1", 1, None)]
    assert rig.ask("unsubscribe", topics=["alerts:me"])["result"]["topics"] == ["alerts:ann"]


def test_alerts_are_realtime_and_unfiltered_whatever_the_command_says_and_the_tier_has(rig):
    rig.connect("d", user="bob", tier="free")
    subscribed(rig, "alerts:me", connection="d")
    subscribed(rig, "alerts:me", ETH, connection="c", rate="60s", filter={"min_change_pct": "10", "chains": ["Base"]})
    for connection, name in (("d", "alerts:bob"), ("c", "alerts:ann")):
        told = rig.ask("list", connection)["result"]["topics"][name]
        assert told == {"rate": "realtime", "filter": None}
    assert rig.ask("list")["result"]["topics"][ETH]["rate"] == "60s"


def test_a_free_key_must_still_name_a_rate_for_what_is_public(rig):
    rig.connect("d", user="bob", tier="free")
    assert rig.code("subscribe", "d", topics=["alerts:me", ETH]) == 2005


def test_missed_alerts_are_all_sent_again_however_slow_the_rate_of_the_command(rig):
    rig.fire("ann", "1")
    subscribed(rig, "alerts:me", snapshot=False)
    rig.fire("ann", *(str(number) for number in range(2, 27)))
    since = {"alerts:me": {"epoch": epoch_of(rig, "alerts:ann"), "offset": 1}}
    result = subscribed(rig, "alerts:me", rate="60s", since=since)
    assert result["topics"]["alerts:ann"] == {"epoch": epoch_of(rig, "alerts:ann"), "offset": 26, "recovered": True}
    assert alerts_told(rig) == [(f"al_{number}", number, number - 1) for number in range(2, 27)]
    assert len(rig.jobs.frames("c")) == 1


def test_nobody_reads_anothers_alerts_by_subscribing_or_resuming(rig):
    rig.fire("bob", "1")
    since = {"alerts:bob": {"epoch": epoch_of(rig, "alerts:bob"), "offset": 0}}
    assert rig.code("subscribe", topics=["alerts:bob"], since=since) == 2004
    subscribed(rig, "alerts:me", "price:*", since=since)
    assert alerts_told(rig) == []


@pytest.mark.parametrize("user", ["*", "b:*"])
def test_a_user_whose_name_is_a_wildcard_reads_nobodys_alerts(rig, user):
    rig.fire("b:1", "1")
    rig.connect("d", user=user)
    assert rig.code("subscribe", "d", topics=["alerts:me"]) == 2004
