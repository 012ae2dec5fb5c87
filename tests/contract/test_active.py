"""ports.Sessions.active: how many are connected and subscribed, without looking through them."""

from __future__ import annotations

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.ports import Active
from tests.contract.stores import fake_store, redis_store

ETH, BTC = "price:ethereum", "price:bitcoin"
STEPS = st.one_of(
    st.tuples(st.just("open"), st.sampled_from("ab"), st.sampled_from([60, 3600])),
    st.tuples(st.just("subscribe"), st.sampled_from("ab"), st.sampled_from([ETH, BTC, "price:*"])),
    st.tuples(st.just("unsubscribe"), st.sampled_from("ab"), st.sampled_from([ETH, BTC, "price:*"])),
    st.tuples(st.just("forget"), st.sampled_from("ab")),
    st.tuples(st.just("wait"), st.sampled_from([1, 45, 130])),
)


def test_connections_and_what_they_want_are_counted(store):
    store.open("a")
    store.open("b")
    store.subscribe("a", ETH, "price:*")
    store.subscribe("b", ETH)
    assert store.sessions.active() == Active(2, 3)


def test_what_is_wanted_twice_counts_once(store):
    store.open("a")
    store.open("a")
    store.subscribe("a", ETH)
    store.subscribe("a", ETH, BTC)
    assert store.sessions.active() == Active(1, 2)


def test_who_leaves_counts_no_more(store):
    store.open("a")
    store.open("b")
    store.subscribe("a", ETH, BTC)
    store.subscribe("b", ETH, BTC)
    store.subscriptions.unsubscribe("a", [BTC, "price:never"])
    assert store.sessions.active() == Active(2, 3)
    store.sessions.forget(["b", "never seen"])
    assert store.sessions.active() == Active(1, 1)


def test_a_connection_whose_end_nobody_told_is_forgotten_with_its_minute(store):
    store.open("a", lasts_s=7200)
    store.subscribe("a", ETH)
    store.clock.forward(hours=2, minutes=1)
    assert store.sessions.active() == Active(0, 0)


def test_a_session_that_is_made_again_counts_once(store):
    store.open("a")
    store.sessions.drop("a")
    assert store.sessions.active() == Active(0, 0)
    store.open("a")
    assert store.sessions.active() == Active(1, 0)


@pytest.fixture
def raw(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        yield client


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=25))
def test_both_stores_count_alike_whatever_happens(redis_url, raw, steps):
    raw.flushall()
    stores = fake_store(), redis_store(redis_url)
    for action, *args in steps:
        for store in stores:
            _play(store, action, *args)
        assert stores[0].sessions.active() == stores[1].sessions.active()


def _play(store, action, *args):
    match action:
        case "open":
            store.open(args[0], lasts_s=args[1])
        case "subscribe" if store.sessions.get(args[0]):
            store.subscribe(*args)
        case "unsubscribe":
            store.subscriptions.unsubscribe(args[0], [args[1]])
        case "forget":
            store.sessions.forget([args[0]])
        case "wait":
            store.clock.forward(seconds=args[0])
