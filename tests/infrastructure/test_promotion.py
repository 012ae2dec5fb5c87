"""How a release gets its traffic: shifted, verified before, watched during and after."""

from __future__ import annotations

import json

import pytest

from chalicelib.container import Container
from chalicelib.services.expectations import TRIALS
from scripts.packaging.merge import Merged
from scripts.packaging.project import PROJECT
from scripts.packaging.transform import transform
from scripts.packaging.versions import set_code
from tests.infrastructure import monitoring_model as model
from tests.infrastructure.conftest import assembled_stage
from tests.infrastructure.kinds import Resources, actions, listed, of_type, statements
from tests.infrastructure.lambdas import alias_of, functions, references, settings_of
from tests.infrastructure.monitoring_model import ALARM, COMPOSITE
from tests.infrastructure.test_functions import WITHOUT_ALIAS

GROUP, APPLICATION = "AWS::CodeDeploy::DeploymentGroup", "AWS::CodeDeploy::Application"
RECORDED = PROJECT / "chalicelib" / "recorded_events"
# Of each recorded event, the test data that has its shape.
SHAPES = {
    "authorize_with_a_key": "authorizer_request",
    "authorize_with_a_token": "authorizer_request",
    "connect": "websocket_connect",
    "message": "websocket_message",
    "disconnect": "websocket_disconnect",
    "poll": "scheduled",
    "sweep": "scheduled",
    "process": "sqs_batch",
    "tick": "sqs_batch",
    "deliver": "sqs_batch",
    "prune": "sqs_batch",
    "api_health": "rest_v1_proxy",
    "api_token": "rest_v1_proxy",
}


def shifted(resources: Resources) -> set[str]:
    return functions(resources).keys() - WITHOUT_ALIAS


# --- the shift ---


def test_every_alias_moves_by_a_deployment_group_of_its_own(resources):
    (application,) = of_type(resources, APPLICATION)
    for name in shifted(resources):
        assert resources[alias_of(name)]["UpdatePolicy"] == {
            "CodeDeployLambdaAliasUpdate": {
                "ApplicationName": {"Ref": application},
                "DeploymentGroupName": {"Ref": f"{name}DeploymentGroup"},
                "BeforeAllowTrafficHook": {"Ref": "VerifyRelease"},
            }
        }, name
    assert of_type(resources, GROUP).keys() == {f"{name}DeploymentGroup" for name in shifted(resources)}


def test_production_shifts_a_tenth_first_and_the_others_everything(resources, stage):
    wanted = "Canary10Percent5Minutes" if stage == "production" else "AllAtOnce"
    names = {json.dumps(group["DeploymentConfigName"]) for group in of_type(resources, GROUP).values()}
    assert len(names) == 1
    assert f"CodeDeployDefault.Lambda{wanted}" in names.pop()


@pytest.mark.parametrize(
    "choice", assembled_stage("production").template["Parameters"]["DeploymentType"]["AllowedValues"]
)
def test_every_choice_is_a_configuration_of_codedeploys_own(choice):
    """Of another one SAM makes a name as it stands, which no account has."""
    made = assembled_stage("production")
    resources = transform(made.template, {**made.parameters, "DeploymentType": choice})["Resources"]
    (application,) = of_type(resources, APPLICATION)
    for group in of_type(resources, GROUP).values():
        assert "CodeDeployDefault.Lambda" in json.dumps(group["DeploymentConfigName"])
        assert group["ApplicationName"] == {"Ref": application}


def test_a_shift_is_rolled_back_by_failure_alarm_and_stop(resources):
    for name, group in of_type(resources, GROUP).items():
        assert group["DeploymentStyle"] == {"DeploymentType": "BLUE_GREEN", "DeploymentOption": "WITH_TRAFFIC_CONTROL"}
        assert group["AutoRollbackConfiguration"] == {
            "Enabled": True,
            "Events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"],
        }, name


def test_without_shifting_aliases_are_moved_by_cloudformation_and_nothing_else_changes(stage):
    """The way back: the same functions and versions, so that an older release is what it was."""
    made = assembled_stage(stage)
    with_it, without = (
        transform(made.template, {**made.parameters, "TrafficShifting": each})["Resources"]
        for each in ("true", "false")
    )
    gone = {name for name, each in with_it.items() if each["Type"] in (GROUP, APPLICATION)}
    assert with_it.keys() - without.keys() == gone
    assert [name for name, each in without.items() if "UpdatePolicy" in each] == []
    for name in without:
        assert {**with_it[name], "UpdatePolicy": None} == {**without[name], "UpdatePolicy": None}, name


def test_how_traffic_is_shifted_makes_no_new_version():
    """A version for every change of the shift could not be told from one for a change of what runs."""
    one, other = (digests_with(DeploymentType=each) for each in ("AllAtOnce", "Linear10PercentEvery1Minute"))
    assert one == other


def digests_with(**parameters: str) -> dict[str, str]:
    """The digests by which SAM decides on new versions."""
    made = assembled_stage("production")
    merged = Merged("test", json.loads(json.dumps(made.template)))
    set_code(merged, {**made.parameters, **parameters}, "0" * 64)
    return {
        name: each["Properties"]["AutoPublishCodeSha256"]
        for name, each in merged.template["Resources"].items()
        if each["Type"] == "AWS::Serverless::Function"
    }


# --- the alarms ---


def test_every_shift_watches_ten_alarms_on_metrics_at_most(resources):
    """CodeDeploy's documentation knows alarms on metrics only."""
    for name, group in of_type(resources, GROUP).items():
        watched = [each["Name"]["Ref"] for each in group["AlarmConfiguration"]["Alarms"]]
        assert group["AlarmConfiguration"]["Enabled"] is True
        assert len(set(watched)) == len(watched) <= 10, name
        assert {resources[each]["Type"] for each in watched} == {ALARM}, name


def test_what_stops_a_shift_rolls_the_stack_back_too(resources):
    """The composite has all of it and more: afterwards there is no limit of ten."""
    parts = set(model.children(of_type(resources, COMPOSITE)["DeploymentAlarm"]))
    for group in of_type(resources, GROUP).values():
        assert {each["Name"]["Ref"] for each in group["AlarmConfiguration"]["Alarms"]} <= parts


def test_no_deployment_waits_for_somebody_to_tidy_up(resources):
    """An alarm on what is left lying, or that stays until the next run, would keep the cure from being deployed."""
    parts = set(model.children(of_type(resources, COMPOSITE)["DeploymentAlarm"]))
    alarms = of_type(resources, ALARM)
    assert "DeadLettersTooMany" in alarms
    assert "DeadLettersTooMany" not in parts
    assert {part: alarms[part]["TreatMissingData"] for part in parts} == dict.fromkeys(parts, "notBreaching")
    stocks = {use.name for use in model.alarm_uses(resources) if use.where in parts} & {
        "ApproximateNumberOfMessagesVisible",
        "FreeStorageSpace",
        "DaysToExpiry",
    }
    assert stocks == set()


def test_the_new_version_of_every_function_with_steady_calls_is_watched_by_itself(resources, assembled):
    """rotate is called once a month, maintain once a day."""
    found = {
        (use.dimensions["FunctionName"], use.dimensions["ExecutedVersion"]["Ref"].partition(".")[0])
        for use in model.alarm_uses(resources)
        if "ExecutedVersion" in use.dimensions
    }
    wanted = {
        (
            functions(resources)[name]["FunctionName"],
            next(references(resources[alias_of(name)]["Properties"]["FunctionVersion"])),
        )
        for name in shifted(resources) - {"Rotate", "Maintain"}
    }
    assert found == wanted


def test_the_trigger_of_a_change_set_is_told(resolved):
    assert resolved["Outputs"]["RollbackAlarmArn"]["Value"] == {"Fn::GetAtt": ["DeploymentAlarm", "Arn"]}


# --- the hook ---


def test_the_hook_itself_is_neither_shifted_nor_aliased(resources):
    assert "VerifyReleaseDeploymentGroup" not in resources
    assert "VerifyReleaseAliaslive" not in resources


def test_a_release_is_judged_by_its_own_hook(resources):
    """Without it CloudFormation might change the hook last, and the old one would judge."""
    for name in shifted(resources):
        assert "VerifyRelease" in listed(resources[name]["DependsOn"]), name


def test_the_hook_has_events_for_every_function_that_is_shifted_and_no_other(resources, assembled):
    prefix = assembled.parameters["NamePrefix"]
    names = {functions(resources)[name]["FunctionName"].removeprefix(prefix) for name in shifted(resources)}
    assert set(TRIALS) == names
    variables = functions(resources)["VerifyRelease"]["Environment"]["Variables"]
    assert variables["NAME_PREFIX"] == prefix


def test_the_hook_may_call_those_functions_with_a_qualifier_and_no_other(resources, assembled):
    prefix = assembled.parameters["NamePrefix"]
    (policy,) = resources["VerifyReleaseRole"]["Properties"]["Policies"]
    (calling,) = [each for each in statements(policy["PolicyDocument"]) if actions(each) == ["lambda:InvokeFunction"]]
    called = {arn.partition(":function:")[2] for arn in calling["Resource"]}
    assert called == {f"{prefix}{name}:*" for name in TRIALS}


def test_codedeploy_calls_nothing_but_the_hook(resources):
    (policy,) = resources["CodeDeployRole"]["Properties"]["Policies"]
    held = {action: each["Resource"] for each in statements(policy["PolicyDocument"]) for action in actions(each)}
    assert held["lambda:InvokeFunction"] == {"Fn::GetAtt": ["VerifyRelease", "Arn"]}
    assert {"lambda:UpdateAlias", "lambda:GetAlias", "cloudwatch:DescribeAlarms"} <= held.keys()


# --- what is recorded ---


def test_every_recorded_event_is_used_and_every_one_used_is_recorded():
    used = {trial.event for trials in TRIALS.values() for trial in trials}
    assert {path.stem for path in RECORDED.glob("*.json")} == used


@pytest.mark.parametrize(("name", "like"), SHAPES.items())
def test_a_recorded_event_has_the_shape_of_what_aws_sends(name, like):
    """Names of members, all the way down; of lists the first item."""
    sent = json.loads((PROJECT / "tests" / "data" / "events" / f"{like}.json").read_text())
    recorded = json.loads((RECORDED / f"{name}.json").read_text())
    optional = {"Origin", "x-api-key", "token", "rehearsal"}
    assert members(recorded) - members(sent) <= {path for path in members(recorded) if path[-1] in optional}
    assert {path for path in members(sent) - members(recorded) if path[-1] not in optional} == set()


def members(value: object, above: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    if isinstance(value, dict):
        return {(*above, key) for key in value} | {
            path for key, inner in value.items() for path in members(inner, (*above, key))
        }
    return members(value[0], (*above, "0")) if isinstance(value, list) and value else set()


def test_a_recorded_rotation_is_about_the_stages_own_secret(resources):
    settings = settings_of(functions(resources)["VerifyRelease"])
    assert Container(settings)._recorded("rotate")["SecretId"] == settings.token_secret_id
