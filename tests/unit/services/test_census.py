"""Who is connected, counted and found."""

from __future__ import annotations

import pytest

from chalicelib.domain.filters import Group
from chalicelib.ports import Session
from chalicelib.services.census import Census
from tests.fake_store import FakeSessions, FakeStore, FakeSubscriptions
from tests.fakes import FakeClock


@pytest.fixture
def census() -> Census:
    store = FakeStore(FakeClock())
    sessions, subscriptions = FakeSessions(store), FakeSubscriptions(store)
    ends_ms = store.now_ms() + 7200_000
    for connection, user, tier, topics in (
        ("a", "ann", "pro", ["price:ethereum", "price:bitcoin"]),
        ("b", "ann", "pro", ["price:*"]),
        ("c", "bob", "free", ["tvl:chain:Base"]),
        ("d", "eve", "free", []),
    ):
        sessions.open(connection, Session(user, tier, ends_ms, ends_ms), 10)
        wanted = {"ends_ms": ends_ms, "max_topics": 10, "snapshot": False, "since": {}}
        subscriptions.subscribe(connection, dict.fromkeys(topics, "-"), group=Group(), **wanted)
    return Census(sessions=sessions)


def test_a_count_is_by_tier_and_names_the_busiest_users_and_topics(census):
    counted = census.count(top=1)
    assert (counted.connections, counted.subscriptions) == (4, 4)
    assert counted.tiers == {"pro": 2, "free": 2}
    assert counted.users == {"ann": 2}
    assert len(counted.topics) == 1


@pytest.mark.parametrize(
    ("narrowed", "found"),
    [
        ({}, ["a", "b", "c", "d"]),
        ({"user": "ann"}, ["a", "b"]),
        ({"tier": "free"}, ["c", "d"]),
        ({"topic": "price:ethereum"}, ["a", "b"]),
        ({"topic": "price:*"}, ["b"]),
        ({"topic": "price:ethereum", "tier": "free"}, []),
    ],
)
def test_connections_are_found_by_user_tier_and_the_topics_that_they_get(census, narrowed, found):
    assert [one.connection for one in census.find(limit=10, **narrowed)] == found


def test_no_more_are_told_than_were_asked_for(census):
    assert len(census.find(limit=3)) == 3
