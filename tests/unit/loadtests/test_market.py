"""The made-up load."""

from decimal import Decimal

import pytest

from chalicelib.domain.topics import is_topic, kind_of
from chalicelib.settings import DEFAULT_THRESHOLDS
from loadtests.market import Market, of_kind


def test_the_same_seed_moves_the_same():
    first, second = Market(30, seed=7), Market(30, seed=7)
    for _ in range(20):
        assert [(o.topic, o.value) for o in first.moves(5)] == [(o.topic, o.value) for o in second.moves(5)]


def test_every_topic_is_one_and_all_kinds_are_there():
    topics = Market(20, seed=1).topics
    assert all(is_topic(topic) for topic in topics)
    assert {kind_of(topic) for topic in topics} == {"price", "tvl", "peg", "yield"}
    assert len(set(topics)) == 20


@pytest.mark.parametrize("seed", range(3))
def test_every_move_is_a_change_of_its_kind(seed):
    """So that what was published is what is due."""
    market = Market(40, seed)
    known = {observation.topic: observation.value for observation in market.opening()}
    for _ in range(100):
        for moved in market.moves(10):
            percent = abs(moved.value - known[moved.topic]) / known[moved.topic] * 100
            assert percent >= DEFAULT_THRESHOLDS[kind_of(moved.topic)].pct or kind_of(moved.topic) == "tvl"
            if kind_of(moved.topic) == "tvl":  # its threshold is absolute, for topics of this size
                assert abs(moved.value - known[moved.topic]) >= DEFAULT_THRESHOLDS["tvl"].absolute
            known[moved.topic] = moved.value


def test_values_stay_near_where_they_began():
    market = Market(10, seed=3)
    began = {observation.topic: observation.value for observation in market.opening()}
    for _ in range(2000):
        for moved in market.moves(10):
            assert began[moved.topic] / 2 < moved.value < began[moved.topic] * 2


def test_a_burst_names_no_topic_twice():
    """Two values of one topic in one message would be one update, and one of them would seem lost."""
    burst = Market(10, seed=1).moves(50)
    assert sorted(observation.topic for observation in burst) == sorted(Market(10, seed=1).topics)


def test_topics_are_found_by_kind():
    assert of_kind(["price:a", "peg:a", "price:b"], "price") == ["price:a", "price:b"]
    assert Decimal(1) == Market(10, seed=1).opening()[8].value  # a peg begins at its peg
