"""To whom a change is due, which offset it follows there, and by how much it moved."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.changes import Change, Due, change_pct
from chalicelib.domain.filters import Group
from chalicelib.domain.observations import plain

AT = "2026-11-23T02:00:00.000Z"


def change(**more):
    fields = {"topic": "price:a", "epoch": "e", "offset": 7, "value": "1", "previous": None}
    return Change(**{**fields, "observed_at": AT, "published_at": AT, "source": "test", **more})


def test_an_unfiltered_subscriber_gets_every_change_after_the_one_before():
    assert change().due(Group()) == 6


def test_the_first_change_follows_nothing():
    assert change(offset=1).due(Group()) is None


def test_a_filtered_subscriber_gets_what_passed_its_rung_after_the_last_that_did():
    moved = change(prev={"0.5": 3, "1": None})
    assert moved.due(Group(rung="0.5")) == 3
    assert moved.due(Group(rung="1")) is None
    assert moved.due(Group(rung="2")) is Due.NO


def test_a_slower_rate_gets_only_what_was_marked_for_it():
    moved = change(slow={"5|": 2, "5|1": None})
    assert moved.due(Group(rate_s=5)) == 2
    assert moved.due(Group(rate_s=5, rung="1")) is None
    assert moved.due(Group(rate_s=5, rung="2")) is Due.NO
    assert moved.due(Group(rate_s=60)) is Due.NO


def test_what_is_flushed_to_a_slower_rate_is_not_told_in_real_time_again():
    flushed = change(slow={"5|": 2}, prev={"1": 3}, realtime=False)
    assert flushed.due(Group()) is Due.NO
    assert flushed.due(Group(rung="1")) is Due.NO
    assert flushed.due(Group(rate_s=5)) == 2


def test_a_change_of_another_chain_or_category_is_not_due():
    moved = change(chains=("Base",), category="Dexes", prev={"1": 3}, slow={"5|": 1})
    for rate_s, rung in ((0, ""), (0, "1"), (5, "")):
        assert moved.due(Group(rate_s=rate_s, rung=rung, chains=("Solana",))) is Due.NO
        assert moved.due(Group(rate_s=rate_s, rung=rung, categories=("Dexes",))) is not Due.NO


@pytest.mark.parametrize(
    ("value", "previous", "percent"),
    [
        ("3021.22", "3010.01", "0.3724"),
        ("101", "100", "1.0000"),
        ("99", "100", "-1.0000"),
        ("-1", "-2", "50.0000"),
        ("1", None, None),
        ("1", "0", None),
        ("1000000000000000000", "0.000000000000000000000000000001", None),
    ],
)
def test_a_move_is_told_in_percent_of_the_value_before(value, previous, percent):
    assert change_pct(value, previous) == percent


decimals = st.decimals("-1e18", "1e18", allow_nan=False, places=6)


@given(decimals, decimals)
def test_a_move_in_percent_never_fails_and_has_the_sign_of_the_move(value, previous):
    told = change_pct(plain(value), plain(previous))
    if told is None:
        assert previous == 0 or abs(value / previous) > Decimal("1e17")
    else:
        assert Decimal(told) * (value - previous) >= 0
