"""Subscriptions that ask the same are one group, whose name says all of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.filters import Group, parse_group

names = st.text(st.characters(exclude_characters="|,", exclude_categories=["Cs"]), min_size=1, max_size=20)
name_sets = st.lists(names, max_size=5, unique=True).map(sorted).map(tuple)
groups = st.builds(
    Group,
    rate_s=st.sampled_from([0, 1, 5, 15, 60]),
    rung=st.sampled_from(["", "0.5", "1", "10"]),
    chains=name_sets,
    categories=name_sets,
)


@given(groups)
def test_a_groups_name_says_all_of_it(group):
    assert parse_group(group.name) == group


@given(groups, groups)
def test_two_groups_of_one_name_are_one(one, other):
    assert (one.name == other.name) is (one == other)


@pytest.mark.parametrize(
    ("group", "chains", "category", "admitted"),
    [
        (Group(), (), None, True),
        (Group(chains=("Base",)), ("Ethereum", "Base"), None, True),
        (Group(chains=("Base", "Solana")), ("Solana",), None, True),
        (Group(chains=("Base",)), ("Ethereum",), None, False),
        (Group(chains=("Base",)), (), "Dexes", False),
        (Group(categories=("Dexes",)), (), "Dexes", True),
        (Group(categories=("Dexes",)), ("Base",), None, False),
        (Group(chains=("Base",), categories=("Dexes",)), ("Base",), "Lending", False),
        (Group(chains=("Base",), categories=("Dexes",)), ("Base",), "Dexes", True),
    ],
)
def test_a_topic_is_admitted_if_every_filter_holds(group, chains, category, admitted):
    assert group.admits(chains, category) is admitted
