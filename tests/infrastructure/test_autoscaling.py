"""How much of everything may run, in every stage: places, warm environments, ceilings of tables."""

from __future__ import annotations

import copy
import math
from decimal import Decimal

import pytest

from benchmarks.autoscaling.clients import CONNECTS_PER_S
from benchmarks.autoscaling.load import load_of
from benchmarks.autoscaling.plan import plan_of
from scripts.costs.prices import UnpricedError
from scripts.costs.provisioned import minimums, targets
from scripts.costs.template import Template
from scripts.costs.traffic import STAGES
from scripts.packaging.merge import Merged
from scripts.packaging.versions import FUNCTION, set_code
from tests.infrastructure.conftest import resolved_stage
from tests.infrastructure.kinds import of_type
from tests.infrastructure.lambdas import functions

TARGET, POLICY = "AWS::ApplicationAutoScaling::ScalableTarget", "AWS::ApplicationAutoScaling::ScalingPolicy"
HOT = {"Authorize", "WebsocketMessage", "Process", "Deliver"}
NOW_AND_THEN = {"Maintain", "Migrate", "Rotate", "VerifyRelease"}
QUOTA, UNRESERVED = 1000, 100  # of an account that has not asked for more
ALARM_AT = 0.8  # of the quota, reserved places included


@pytest.fixture(scope="module")
def production():
    return resolved_stage("production")["Resources"]


@pytest.fixture(scope="module")
def plan(production):
    return plan_of("production", production)


def places(resources):
    return {
        name: function["ReservedConcurrentExecutions"]
        for name, function in functions(resources).items()
        if "ReservedConcurrentExecutions" in function
    }


# --- places ---


def test_whoever_is_called_by_clients_queues_or_the_minute_has_places_of_its_own(deploy):
    owned = places(deploy(ConcurrencyReserved="yes"))
    assert set(functions(deploy())) - owned.keys() == NOW_AND_THEN


def test_a_small_account_takes_every_stage(deploy):
    """Lambda refuses a reservation that leaves fewer than 100 for the rest."""
    assert places(deploy(ConcurrencyReserved="no")) == {}


def test_a_new_stage_reserves_nothing_unless_it_is_told_to():
    assert places(resolved_stage("dev")["Resources"]) == {}


def test_production_and_staging_fit_into_one_account_with_room_below_its_alarm():
    held = sum(sum(places(resolved_stage(stage)["Resources"]).values()) for stage in ("staging", "production"))
    assert held <= ALARM_AT * QUOTA
    assert held <= QUOTA - UNRESERVED


def test_every_row_is_a_functions_and_warm_ones_fit_into_its_places(assembled, resources):
    """The rows are the ends of the functions' names."""
    prefix, mappings = assembled.parameters["NamePrefix"], assembled.template["Mappings"]
    named = {function["FunctionName"].removeprefix(prefix) for function in functions(resources).values()}
    assert mappings["Places"].keys() <= named
    for name, row in mappings["Ready"].items():
        assert row["Night"] <= row["Day"] <= row["Most"] <= mappings["Places"][name]["production"], name


def test_a_change_of_places_publishes_no_version(assembled):
    """Lambda publishes nothing that is like the newest version: the stack would fail."""

    def digests(word):
        merged = Merged("", copy.deepcopy(assembled.template))
        set_code(merged, {**assembled.parameters, "ConcurrencyReserved": word}, "0" * 64)
        made = of_type(merged.template["Resources"], FUNCTION)
        return {name: properties["AutoPublishCodeSha256"] for name, properties in made.items()}

    assert digests("yes") == digests("no")


# --- provisioned concurrency ---


def test_only_production_keeps_environments_warm():
    kept = {stage: TARGET in {r["Type"] for r in resolved_stage(stage)["Resources"].values()} for stage in STAGES}
    assert kept == {"dev": False, "staging": False, "production": True}


def test_what_clients_and_changes_wait_for_is_kept_warm(deploy):
    assert set(targets(Template(deploy(ProvisionedConcurrency="yes"))).values()) == HOT


def test_every_target_is_the_live_alias_of_a_function_with_a_policy_on_its_own_metric(production):
    scaled = targets(Template(production))
    policies = of_type(production, POLICY)
    assert {each["ScalingTargetId"]["Ref"] for each in policies.values()} == scaled.keys()
    for name, policy in policies.items():
        function = functions(production)[scaled[policy["ScalingTargetId"]["Ref"]]]["FunctionName"]
        metric = policy["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"]
        assert (metric["Namespace"], metric["MetricName"]) == ("AWS/Lambda", "ProvisionedConcurrencyUtilization"), name
        assert {each["Name"]: each["Value"] for each in metric["Dimensions"]} == {
            "FunctionName": function,
            "Resource": f"{function}:live",
        }, name


def test_no_alias_has_a_number_of_its_own(production):
    """It would be set back with every release, and CodeDeploy would meet it half way."""
    aliases = of_type(production, "AWS::Lambda::Alias")
    assert [name for name, alias in aliases.items() if "ProvisionedConcurrencyConfig" in alias] == []


def test_nothing_that_is_kept_warm_starts_from_a_snapshot(production):
    """Lambda takes one or the other."""
    assert [name for name, function in functions(production).items() if "SnapStart" in function] == []


def test_the_schedule_says_the_minimum_of_every_hour(production):
    """A release registers a target with the night's: the next hour's action puts it right."""
    for name, target in of_type(production, TARGET).items():
        hours = [hour for action in target["ScheduledActions"] for hour in hours_of(action["Schedule"])]
        assert sorted(hours) == list(range(24)), name
        assert max(minimums(target)) > min(minimums(target)) == target["MinCapacity"], name


def hours_of(schedule):
    field = schedule.removeprefix("cron(").split()[1]
    for part in field.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def test_the_most_is_what_the_limits_before_a_function_can_bring(plan):
    seconds = load_of(STAGES["production"], Decimal(700)).seconds
    handshakes, commands = CONNECTS_PER_S, plan.socket_requests_per_s - CONNECTS_PER_S
    for name, calls in (("authorize", handshakes), ("message", commands)):
        policy = plan.functions[name].policy
        assert policy.most == math.ceil(calls * seconds[name] / policy.target), name
    for name in ("process", "deliver"):
        assert plan.functions[name].policy.most == plan.functions[name].places == plan.functions[name].pollers, name


def test_a_policy_waits_until_it_can_see_what_it_did(plan):
    """A minute's value, a minute late, of environments that start for one: sooner it would add for one load twice."""
    assert {each.policy.out_cooldown_s >= 180 for each in plan.functions.values() if each.policy} == {True}


# --- what it costs ---


def target_with(*actions):
    scheduled = [
        {"ScheduledActionName": "x", "Schedule": schedule, "ScalableTargetAction": {"MinCapacity": least}}
        for schedule, least in actions
    ]
    return {"MinCapacity": 1, "ScheduledActions": scheduled}


def test_a_minimum_holds_until_the_next_action():
    least = minimums(target_with(("cron(0 8 * * ? *)", 4), ("cron(0 20 * * ? *)", 2)))
    assert least == (2,) * 8 + (4,) * 12 + (2,) * 4


def test_without_a_schedule_the_targets_own_minimum_holds():
    assert minimums(target_with()) == (1,) * 24


@pytest.mark.parametrize("schedule", ["rate(1 hour)", "cron(30 8 * * ? *)", "cron(0 8 ? * MON *)"])
def test_a_schedule_that_is_not_understood_is_not_free(schedule):
    with pytest.raises(UnpricedError):
        minimums(target_with((schedule, 4)))


# --- tables ---


def test_every_table_and_index_has_a_ceiling(resources):
    for name, table in of_type(resources, "AWS::DynamoDB::Table").items():
        for each in (table, *table.get("GlobalSecondaryIndexes", [])):
            ceiling = each["OnDemandThroughput"]
            assert ceiling == {"MaxReadRequestUnits": 1000, "MaxWriteRequestUnits": 500}, name


def test_a_storm_of_handshakes_stays_below_the_ceiling_of_the_keys(production):
    """One read each."""
    assert production["KeysTable"]["Properties"]["OnDemandThroughput"]["MaxReadRequestUnits"] / 2 >= CONNECTS_PER_S
