"""Patience tells a client that does not read from a gateway that is throttled."""

import pytest

from chalicelib.adapters.connections.lanes import Lane
from chalicelib.adapters.connections.patience import PATIENCE_S, TRIES_A_ROUND, Patience
from chalicelib.ports import Post


@pytest.fixture
def patience():
    return Patience(100.0)


def lane(*, suspect=False):
    return Lane(Post("c", b"", 0), suspect=suspect)


def throttle(patience, now=100.0):
    for _ in range(20):
        patience.ends(lane(), now)
    assert patience.is_throttled


def test_the_third_failure_ends_a_lane(patience):
    one = lane()
    assert [patience.ends(one, 100.0) for _ in range(TRIES_A_ROUND)] == [False, False, True]


def test_posts_that_succeed_in_between_do_not_clear_the_strikes(patience):
    """A client that reads too slowly does not hold the round either."""
    one = lane()
    for end in (False, False, True):
        patience.taken()
        assert patience.ends(one, 100.0) is end


def test_no_lane_ends_while_the_gateway_is_throttled(patience):
    throttle(patience)
    one = lane()
    assert not any(patience.ends(one, 100.0 + tries / 10) for tries in range(40))


def test_ten_lanes_are_no_throttle_and_eleven_are(patience):
    for _ in range(10):
        patience.ends(lane(), 100.0)
    assert not patience.is_throttled
    patience.ends(lane(), 100.0)
    assert patience.is_throttled


def test_a_lane_that_fails_again_and_again_is_one_witness_only(patience):
    one = lane()
    for _ in range(100):
        patience.ends(one, 100.0)
    assert not patience.is_throttled


def test_posts_that_are_taken_end_the_throttle(patience):
    throttle(patience)
    for _ in range(16):
        patience.taken()
    assert not patience.is_throttled


def test_a_throttle_lasts_while_most_tries_fail(patience):
    """An account's token bucket lets some through all the time."""
    throttle(patience)
    lanes = [lane() for _ in range(30)]
    for number in range(300):
        if number % 3:
            assert not patience.ends(lanes[number % 30], 100.0)
        else:
            patience.taken()
    assert patience.is_throttled


def test_suspects_are_no_witnesses_and_get_their_strikes(patience):
    for _ in range(100):
        patience.ends(lane(suspect=True), 100.0)
    assert not patience.is_throttled
    throttle(patience)
    one = lane(suspect=True)
    assert [patience.ends(one, 100.0) for _ in range(TRIES_A_ROUND)] == [False, False, True]


def test_patience_with_a_gateway_that_takes_nothing_ends(patience):
    throttle(patience)
    one = lane()
    assert not patience.ends(one, 100.0 + PATIENCE_S - 0.1)
    assert patience.ends(one, 100.0 + PATIENCE_S)


def test_a_throttled_gateway_that_lets_some_through_keeps_it(patience):
    throttle(patience)
    one = lane()
    for step in range(10):
        now = 100.0 + step * (PATIENCE_S - 1)
        patience.taken()
        throttle(patience, now)
        assert not patience.ends(one, now)
