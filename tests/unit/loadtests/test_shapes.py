"""How many users a shape wants, and when."""

import pytest

from loadtests.shapes import SHAPES, Plan, usual_spawn_rate


def plan(shape, users=100):
    return Plan(shape, users, spawn_rate=10, duration_s=90)


def test_a_ramp_adds_a_tenth_of_the_users_each_tenth_of_the_time():
    assert [plan("ramp").users_at(second) for second in (0, 8.9, 9, 45, 89.9)] == [10, 10, 20, 60, 100]


def test_a_spike_has_all_users_in_the_middle_third_alone():
    assert [plan("spike").users_at(second) for second in (0, 29.9, 30, 59.9, 60, 90)] == [20, 20, 100, 100, 20, 20]


@pytest.mark.parametrize("shape", ["steady", "soak", "storm"])
def test_the_others_have_all_users_all_the_time(shape):
    assert {plan(shape).users_at(second) for second in range(0, 90, 10)} == {100}


@pytest.mark.parametrize("shape", SHAPES)
def test_there_is_always_a_user(shape):
    assert plan(shape, users=1).users_at(0) == 1


def test_a_storm_breaks_out_after_each_third():
    assert [plan("storm").storms_by(second) for second in (0, 29, 30, 59, 60, 90)] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("shape", sorted(set(SHAPES) - {"storm"}))
def test_only_a_storm_breaks_sockets(shape):
    assert plan(shape).storms_by(90) == 0


def test_users_come_before_the_load_unless_their_coming_is_the_load():
    assert {shape: plan(shape).coming_s for shape in SHAPES} == {
        "steady": 10,
        "soak": 10,
        "storm": 10,
        "ramp": 0,
        "spike": 0,
    }


@pytest.mark.parametrize(("shape", "users", "rate"), [("spike", 100, 50), ("steady", 500, 25), ("ramp", 20, 5)])
def test_users_come_one_by_one_but_a_spike_comes_at_once(shape, users, rate):
    assert usual_spawn_rate(shape, users) == rate
