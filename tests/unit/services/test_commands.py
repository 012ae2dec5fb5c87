"""A frame is always answered, in the protocol's words, and by the protocol's limits."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import errors
from chalicelib.domain.alerts import AlertState
from chalicelib.errors import DefiStreamError
from chalicelib.services import commands
from tests.fake_alerts import rule_of
from tests.unit.services.socket_rig import API_KEY, SocketRig

ETH = "price:ethereum"


@pytest.fixture
def rig():
    rig = SocketRig()
    rig.connect()
    return rig


def test_a_ping_is_answered_with_the_time_and_the_end_of_the_session(rig):
    reply = rig.ask("ping", id=4)
    assert (reply["id"], reply["ok"]) == (4, True)
    assert set(reply["result"]) == {"at", "session_expires"}


def test_a_list_tells_rate_and_filter_of_every_subscription(rig):
    rig.ask("subscribe", topics=[ETH], rate="5s", filter={"min_change_pct": 1, "chains": ["Base"]})
    rig.ask("subscribe", topics=["tvl:*"])
    assert rig.ask("list")["result"]["topics"] == {
        ETH: {"rate": "5s", "filter": {"min_change_pct": "1", "chains": ["Base"]}},
        "tvl:*": {"rate": "realtime", "filter": None},
    }


def test_unsubscribing_tells_what_was_left(rig):
    rig.ask("subscribe", topics=[ETH, "tvl:*"])
    assert rig.ask("unsubscribe", topics=[ETH, "peg:dai"])["result"]["topics"] == [ETH]
    assert list(rig.ask("list")["result"]["topics"]) == ["tvl:*"]


def test_unsubscribing_from_a_star_leaves_everything(rig):
    rig.ask("subscribe", topics=[ETH, "tvl:*"])
    assert rig.ask("unsubscribe", topics=["*"])["result"]["topics"] == [ETH, "tvl:*"]
    assert rig.ask("list")["result"]["topics"] == {}


def test_unsubscribing_from_nothing_leaves_nothing(rig):
    rig.ask("subscribe", topics=[ETH])
    assert rig.ask("unsubscribe", topics=[])["result"]["topics"] == []
    assert list(rig.ask("list")["result"]["topics"]) == [ETH]


# --- acknowledging ---


@pytest.fixture
def fired(rig):
    """An alert of ann's that is on."""
    rig.rule_store.create(rule_of("ann"), limit=1)
    rig.alert_states.put(AlertState(rule="ru_1", phase="firing", alert="al_1", version=2))
    return rig


def test_an_alert_that_is_acknowledged_is_so_from_then_on(fired):
    for _ in range(2):
        result = fired.ask("ack", id=6, rule="ru_1", alert="al_1")["result"]
        assert result.items() >= {"rule": "ru_1", "alert": "al_1", "state": "acknowledged"}.items()
    assert fired.alert_states.load(["ru_1"])["ru_1"].state.phase == "acknowledged"
    assert len(fired.life.events) == 1


@pytest.mark.parametrize(("rule", "alert"), [("ru_1", "al_0"), ("ru_2", "al_1"), ("", "")])
def test_what_is_not_on_cannot_be_acknowledged(fired, rule, alert):
    assert fired.code("ack", rule=rule, alert=alert) == 2010


def test_an_alert_that_is_over_cannot_be_acknowledged(fired):
    fired.alert_states.put(AlertState(rule="ru_1", phase="cooling", alert="al_1", version=3))
    assert fired.code("ack", rule="ru_1", alert="al_1") == 2010


def test_nobody_acknowledges_anothers_alert(fired):
    fired.connect("d", user="bob")
    assert fired.code("ack", "d", rule="ru_1", alert="al_1") == 2010
    assert fired.alert_states.load(["ru_1"])["ru_1"].state.phase == "firing"


# --- limits ---


def test_commands_above_the_tiers_rate_wait(rig):
    replies = [rig.ask("ping") for _ in range(51)]
    assert all(reply["ok"] for reply in replies[:50])
    assert replies[50]["error"]["code"] == 3001
    assert replies[50]["error"]["retry_after"] == 0.1
    rig.clock.forward(seconds=0.1)
    assert rig.ask("ping")["ok"]


def test_nonsense_costs_as_much_as_a_command(rig):
    codes = [rig.send("nonsense")["error"]["code"] for _ in range(51)]
    assert codes == [1001] * 50 + [3001]


# --- sessions ---


def test_an_expired_session_is_told_to_refresh(rig):
    rig.clock.forward(seconds=3600)
    assert rig.code("ping") == 4001


def test_a_refresh_extends_even_an_expired_session(rig):
    rig.ask("subscribe", topics=[ETH])
    rig.clock.forward(seconds=3601)
    assert rig.audience.recipients([ETH]) == {}
    token = rig.tokens.issue(api_key=API_KEY, address="1.2.3.4").token
    assert rig.ask("refresh", id="r", token=token)["ok"]
    assert rig.ask("ping")["ok"]
    assert len(rig.audience.recipients([ETH])) == 1


def test_a_refresh_never_outlasts_the_connection(rig):
    rig.clock.forward(seconds=3500)
    rig.ask("refresh", token=rig.tokens.issue(api_key=API_KEY, address="a").token)
    rig.clock.forward(seconds=3500)
    token = rig.tokens.issue(api_key=API_KEY, address="a").token
    rig.ask("refresh", token=token)
    session = rig.store.sessions["c"]
    assert session.session_ms == session.ends_ms


def test_a_refresh_with_somebody_elses_token_is_refused(rig):
    rig.connect("d", user="bob")
    token = rig.tokens.issue(api_key=API_KEY, address="a").token
    assert rig.code("refresh", "d", token=token) == 4000


def test_an_anonymous_session_is_refreshed_by_another_anonymous_token(rig):
    rig.connect("d", user="anonymous-1", tier="free")
    token = rig.tokens.issue(api_key=None, address="a").token
    assert rig.ask("refresh", "d", token=token)["ok"]


def test_a_token_refreshes_once(rig):
    token = rig.tokens.issue(api_key=API_KEY, address="a").token
    assert rig.ask("refresh", token=token)["ok"]
    assert rig.code("refresh", token=token) == 4003


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é" * 50, "x" * 5000])
def test_what_is_no_token_refreshes_nothing(rig, token):
    assert rig.code("refresh", token=token) == 4000


def test_a_session_that_the_store_lost_is_made_again_and_told_to_subscribe_again(rig):
    rig.store.sessions.clear()
    assert rig.ask("ping")["ok"]
    assert [(m["type"], m["name"]) for m in rig.jobs.messages("c")] == [("notice", "resubscribe")]
    assert rig.store.sessions["c"].user == "ann"
    rig.ask("list")
    assert len(rig.jobs.messages("c")) == 1


def test_a_rebuilt_session_ends_with_its_connection(rig):
    rig.store.sessions.clear()
    rig.send('{"action":"ping"}', identity=rig.identity(lasts_s=86_400))
    session = rig.store.sessions["c"]
    assert session.session_ms == session.ends_ms == int(rig.clock().timestamp() + 7800) * 1000


def test_a_lost_session_whose_notice_cannot_be_sent_is_missed_again(rig):
    rig.store.sessions.clear()
    rig.jobs.takes = lambda _: False
    assert rig.code("ping") == 5001
    rig.jobs.takes = lambda _: True
    rig.ask("ping")
    assert len(rig.jobs.messages("c")) == 1


# --- faults ---


@pytest.mark.parametrize("method", ["get", "subscribe", "subscribed", "unsubscribe"])
def test_a_store_that_is_down_is_temporary(rig, method):
    rig.store.down = {method}
    action = {"get": "ping", "subscribed": "list"}.get(method, method)
    reply = rig.ask(action, id=9, topics=[ETH])
    assert (reply["error"]["code"], reply["error"]["temporary"]) == (5001, True)
    if method != "get":
        assert reply["id"] == 9


def test_what_nobody_foresaw_is_5000_with_the_request_and_no_trace(rig):
    rig.store.subs = None
    error = rig.ask("list", id=1)["error"]
    assert (error["code"], error["temporary"]) == (5000, True)
    assert error["message"].endswith("tell us request r1")
    assert "NoneType" not in json.dumps(error)


# --- anything ---

DOCUMENTED = {
    kind.code
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, DefiStreamError) and kind not in (DefiStreamError,)
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
topic_like = st.sampled_from([ETH, "price:*", "alerts:ann", "alerts:bob", "price:base:0xabc", "tvl:*", "*"]) | st.text(
    max_size=20
)
positions = st.fixed_dictionaries({"epoch": st.text(max_size=5), "offset": st.integers(-1, 2**60)})
near_commands = st.fixed_dictionaries(
    {"action": st.sampled_from(["subscribe", "unsubscribe", "list", "ping", "refresh"])},
    optional={
        "id": st.integers() | st.text(max_size=40),
        "topics": st.lists(topic_like, max_size=5),
        "rate": st.sampled_from(["realtime", "1s", "60s", "2s"]),
        "filter": st.fixed_dictionaries(
            {},
            optional={
                "min_change_pct": st.sampled_from(["1", 0.5, 7]),
                "chains": st.lists(st.text(max_size=4), max_size=3),
            },
        ),
        "snapshot": st.booleans(),
        "since": st.dictionaries(topic_like, positions, max_size=3),
        "token": st.text(max_size=30),
    },
)


@given(st.lists(st.text() | json_values.map(json.dumps) | near_commands.map(json.dumps), max_size=8))
def test_anything_is_answered_with_a_reply_or_a_documented_code(bodies):
    rig = SocketRig()
    rig.connect()
    rig.see(ETH, "100", "101")
    for body in bodies:
        reply = rig.send(body)
        assert reply["ok"] or reply["error"]["code"] in DOCUMENTED
        assert reply["ok"] or not reply["error"]["message"].startswith("something went wrong"), body
    assert rig.store.coins <= {"base:0xabc"}


# --- replies that would be too long ---


def test_a_long_list_comes_in_pages_that_miss_nothing(rig, monkeypatch):
    monkeypatch.setattr(commands, "LIST_BYTES", 300)
    names = [f"price:base:0x{number:03}" for number in range(7)]
    rig.ask("subscribe", topics=names)
    told, after = [], None
    while True:
        result = rig.ask("list", **({"after": after} if after else {}))["result"]
        told += result["topics"]
        after = result["next"]
        if after is None:
            break
    assert told == names


def test_a_reply_that_no_message_could_hold_is_an_error_of_the_protocol(rig, monkeypatch):
    monkeypatch.setattr(commands, "MAX_REPLY_BYTES", 50)
    assert rig.ask("list", id=1)["error"]["code"] == 1002


def test_a_snapshot_of_thousands_of_topics_is_paid_for_with_the_commands_that_follow(rig, monkeypatch):
    monkeypatch.setattr(commands, "READS_PER_TOKEN", 1)
    for number in range(60):
        rig.see(f"tvl:chain:c{number}", "1")
    assert rig.ask("subscribe", topics=["tvl:*"])["ok"]
    refused = rig.ask("ping", id=5)
    assert (refused["id"], refused["error"]["code"]) == (5, 3001)


def test_a_connection_that_has_ended_is_not_made_again(rig):
    rig.ask("ping")
    rig.sessions.end(["c"])
    assert rig.ask("ping")["error"]["code"] == 2000
    assert rig.jobs.messages("c") == []


def test_a_client_is_told_to_subscribe_again_until_it_does(rig):
    """The notice travels by queue and may be dropped on a socket that was stuck: each ping repeats it."""
    rig.ask("subscribe", topics=["price:base:0xabc"])
    rig.store.sessions.clear()
    assert rig.ask("ping")["ok"]
    rig.ask("ping")
    assert [message["name"] for message in rig.jobs.messages("c")] == ["resubscribe", "resubscribe"]
    rig.ask("subscribe", topics=["price:base:0xabc"])
    rig.ask("ping")
    assert len(rig.jobs.messages("c")) == 2


def test_what_a_client_subscribes_to_before_it_knows_of_its_loss_settles_nothing(rig):
    rig.store.sessions.clear()
    rig.ask("subscribe", topics=["price:base:0xabc"])
    rig.ask("ping")
    assert len(rig.jobs.messages("c")) == 2
