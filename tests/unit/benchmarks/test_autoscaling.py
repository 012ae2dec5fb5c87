"""The laws of the autoscaling simulation: what may never happen, whatever the numbers are."""

from __future__ import annotations

import random
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from benchmarks.autoscaling.chart import Panel, Series, draw
from benchmarks.autoscaling.clients import CONNECTS_PER_S, Clients
from benchmarks.autoscaling.environments import NEW_AT_ONCE, STARTING_S, Environments, ticks
from benchmarks.autoscaling.load import SCENARIOS, Scenario, load_of
from benchmarks.autoscaling.plan import Function, Plan, Policy
from benchmarks.autoscaling.queues import FIRST, Queue
from benchmarks.autoscaling.tracking import TO_ADD, TO_TAKE_AWAY, Tracking
from benchmarks.autoscaling.world import SIMULATED, World
from scripts.costs.prices import load as price_list
from scripts.costs.traffic import STAGES

COLD_S = 1.0


def policy(**changed):
    values = {"least": (2,) * 24, "most": 40, "target": 0.7, "statistic": "Maximum"}
    return Policy(**{**values, "out_cooldown_s": 0.0, "in_cooldown_s": 0.0, **changed})


def plan(places=150, **of_authorize):
    queues = {"process": 20, "record": 4, "tick": 5, "deliver": 10}
    functions = {
        name: Function(name, 0.5, queues.get(name, places), queues.get(name), 10 if name in queues else 1)
        for name in SIMULATED
    }
    functions["authorize"] = Function("authorize", 0.5, places, policy=policy(), **of_authorize)
    return Plan("production", functions, 1000, Decimal(700))


def steady(seconds=180, arrive=None):
    usual = load_of(STAGES["production"], Decimal(700))
    return Scenario("steady", "a usual day", seconds, lambda _: usual, arrive or {}, {})


def refused(world):
    return {name: sum(second.refused for second in runner.seconds) for name, runner in world.runners.items()}


# --- environments ---


def test_a_call_on_a_provisioned_environment_is_never_cold():
    environments = Environments(places=10, cold_s=COLD_S, provisioned=3)
    started = environments.call(3, 0.05, 0)
    assert (started.warm, started.cold, started.refused) == (3, 0, 0)


def test_an_environment_is_warm_for_the_next_call():
    environments = Environments(places=10, cold_s=COLD_S)
    assert environments.call(1, 0.05, 0).cold == 1
    for tick in range(1, ticks(COLD_S + 0.05) + 1):
        environments.passes(tick)
    assert environments.call(1, 0.05, tick).warm == 1


def test_what_exceeds_the_places_is_refused_and_nothing_else():
    environments = Environments(places=10, cold_s=COLD_S, provisioned=4)
    started = environments.call(25, 0.05, 0)
    assert (started.warm, started.cold, started.refused) == (4, 6, 15)


def test_lambda_adds_no_more_than_a_thousand_environments_at_once():
    assert Environments(places=5000, cold_s=COLD_S).call(3000, 0.05, 0).cold == NEW_AT_ONCE


def test_an_environment_that_nobody_needs_is_given_up():
    environments = Environments(places=10, cold_s=COLD_S)
    environments.call(1, 0.05, 0)
    for tick in range(1, ticks(600)):
        environments.passes(tick)
        if tick % ticks(60) == 0:
            environments.minute()
    assert environments.call(1, 0.05, tick).cold == 1


def test_ordered_environments_are_there_after_their_start_and_given_up_ones_at_once():
    environments = Environments(places=20, cold_s=COLD_S, provisioned=2)
    environments.provision(8, 0)
    environments.passes(ticks(STARTING_S) - 1)
    assert environments.provisioned == 2
    environments.passes(ticks(STARTING_S))
    assert environments.provisioned == 8
    environments.provision(3, ticks(STARTING_S))
    assert environments.provisioned == 3


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_the_places_hold(seed):
    """Calls, orders and ends at random: no more at work than places, every environment accounted for."""
    chance = random.Random(seed)
    environments = Environments(places=12, cold_s=COLD_S, provisioned=3)
    for tick in range(3000):
        environments.passes(tick)
        environments.call(chance.randrange(4), chance.choice([0.05, 0.5]), tick)
        if chance.random() < 0.01:
            environments.provision(chance.randrange(9), tick)
        assert 0 <= environments.busy <= 12, f"seed {seed}, tick {tick}"
        assert environments.utilization is None or 0 <= environments.utilization <= 1, f"seed {seed}, tick {tick}"


# --- target tracking ---


def test_two_busy_minutes_add_nothing_and_three_do():
    tracking = Tracking(policy())
    assert [tracking.minute(1.0, number) for number in range(TO_ADD + 1)] == [2, 2, 2, 3]


def test_a_minute_in_between_begins_the_count_anew():
    tracking = Tracking(policy())
    assert {tracking.minute(0.1 if number == 2 else 1.0, number) for number in range(5)} == {2}


def test_fifteen_quiet_minutes_take_away_and_fourteen_do_not():
    tracking = Tracking(policy())
    tracking.wanted = 20
    wanted = [tracking.minute(0.1, number) for number in range(TO_TAKE_AWAY + 1)]
    assert wanted == [20] * TO_TAKE_AWAY + [3]


def test_without_a_call_nothing_is_taken_away():
    tracking = Tracking(policy())
    tracking.wanted = 20
    assert {tracking.minute(None, number) for number in range(60)} == {20}


def test_a_cooldown_holds_back_the_next_addition():
    tracking = Tracking(policy(out_cooldown_s=180.0))
    wanted = [tracking.minute(1.0, number) for number in range(7)]
    assert wanted == [2, 2, 2, 3, 3, 3, 5]


def test_capacity_stays_between_the_schedule_and_the_most():
    least = tuple(4 if hour == 1 else 2 for hour in range(24))
    tracking = Tracking(policy(least=least, most=6), hour=0)
    assert max(tracking.minute(1.0, number) for number in range(30)) == 6
    quiet = [tracking.minute(0.0, number) for number in range(30, 150)]
    assert min(quiet[:30]) == 2
    assert set(quiet[30:90]) == {4}, "the second hour's least"
    assert quiet[-1] == 2


# --- queues ---


def test_a_queue_loses_no_message():
    queue = Queue(most=20, batch=10)
    queue.put(37, 0)
    taken = []
    while queue.depth:
        taken += queue.batches(0)
    assert sum(taken) == 37
    assert max(taken) <= 10


def test_five_batches_are_read_at_first_and_never_more_than_the_most():
    queue = Queue(most=7, batch=10)
    queue.put(10_000, 0)
    assert len(queue.batches(0)) == FIRST
    assert max(len(queue.batches(0)) for _ in range(ticks(10))) == 7


def test_a_message_grows_old_while_it_waits():
    queue = Queue(most=5, batch=1)
    queue.put(1, 0)
    assert queue.age_s(ticks(3)) == pytest.approx(3)


# --- clients ---


def test_api_gateway_lets_in_no_more_than_its_rate():
    """A second's worth at once, and then as many a second."""
    clients = Clients(random.Random(1), 1000)
    clients.arrive(10_000, 0, within_s=0)
    let_in = 0
    for tick in range(1, ticks(5) + 1):
        clients.passes()
        let_in += len(clients.due(tick))
    assert let_in <= 6 * CONNECTS_PER_S


# --- the whole ---


@pytest.fixture(scope="module")
def usual():
    return World(plan(), steady(), COLD_S, seed=1).run()


def test_demand_below_capacity_is_never_refused(usual):
    assert set(refused(usual).values()) == {0}


def test_without_a_policy_capacity_is_constant(usual):
    provisioned = {second.provisioned for second in usual.runners["connect"].seconds}
    assert provisioned == {0}
    assert {second.provisioned for second in usual.runners["authorize"].seconds} == {2}


def test_every_client_comes_back_however_few_places_there_are():
    world = World(plan(places=20), steady(120, arrive={10: 500}), COLD_S, seed=1).run()
    assert len(world.clients.back) == 500
    assert refused(world)["authorize"] > 0


def test_more_places_refuse_no_more_calls():
    counts = [
        sum(refused(World(plan(places), steady(60, arrive={10: 500}), COLD_S, seed=1).run()).values())
        for places in (20, 60, 150, 600)
    ]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 0


def test_the_same_seed_gives_the_same_run():
    runs = [World(plan(), steady(60, arrive={10: 300}), COLD_S, seed=7).run() for _ in range(2)]
    assert runs[0].clients.back == runs[1].clients.back


def test_what_is_kept_warm_costs_by_the_gigabyte_and_second(usual):
    prices = price_list()
    warm = usual.dollars(prices)["kept warm"]
    price = float(prices["lambda-arm64-provisioned-gb-second"].cost(Decimal(1)))
    assert warm == pytest.approx(180 * 2 * 0.5 * price)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_of_the_load_model(name):
    scenario = SCENARIOS[name]("production", Decimal(700))
    usual, most = scenario.at(0), scenario.at(scenario.seconds // 4)
    assert usual.seconds.keys() >= set(SIMULATED)
    assert most.connects_per_s >= usual.connects_per_s > 0


# --- charts ---


def test_a_chart_is_svg_whose_lines_stay_inside():
    values = [float(number % 7) for number in range(300)]
    text = draw("A < B", "a day", [Panel("one", "s", [Series("x", values, "a", "area")])], range(300))
    root = ElementTree.fromstring(text)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for line in root.iter("{http://www.w3.org/2000/svg}line"):
        assert 0 <= float(line.attrib["x1"]) <= float(line.attrib["x2"]) <= width
        assert 0 <= float(line.attrib["y1"]) <= height
    assert "A < B" in root.itertext()
