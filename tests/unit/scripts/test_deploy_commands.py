"""The command lines of deploy, rollback, releases and smoke: what is refused before anything is asked of AWS."""

from __future__ import annotations

import io
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError

from scripts import deploy, releases, rollback, smoke
from scripts.deployment.account import role_for
from scripts.deployment.changes import Cause, Change, Fate
from scripts.deployment.command import ended
from scripts.deployment.console import Console
from scripts.deployment.errors import RefusedError
from scripts.deployment.guards import ALARM, not_in_alarm, told_unpublished, usable, within_the_role
from scripts.deployment.smoking import states_of
from scripts.deployment.stack import Stack, StackState


@pytest.mark.parametrize(
    ("program", "words", "says"),
    [
        (deploy, [], "name a STAGE"),
        (deploy, ["preview"], "invalid choice"),
        (deploy, ["dev", "--version", "a", "--release", "b"], "not allowed with"),
        (deploy, ["dev", "--version", "a b"], "is not of letters"),
        (deploy, ["dev", "--monitor-minutes", "181"], "not from 0 to 180"),
        (deploy, ["dev", "--parameter", "x"], "not NAME=VALUE"),
        (deploy, ["dev", "--keep"], "--keep is for --target local"),
        (rollback, [], "STAGE"),
        (releases, [], "STAGE"),
        (smoke, [], "name a STAGE, or give"),
        (smoke, ["--ws-url", "ws://x"], "name a STAGE, or give"),
        (smoke, ["dev", "--ws-url", "ws://x"], "finds its addresses"),
    ],
)
def test_a_wrong_command_line_is_refused_with_its_reason(
    program: Any, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        program.main(words)
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("program", [deploy, rollback, releases])
def test_without_a_region_it_is_refused_with_what_to_set(
    program: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    assert program.main(["dev", "--json"]) == 3
    said = capsys.readouterr()
    assert "set AWS_REGION" in said.err
    assert '"outcome": "refused"' in said.out


def test_without_credentials_it_is_refused_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        raise NoCredentialsError

    assert ended("releases", work, as_json=False) == 3
    assert "unable to locate credentials: log in" in capsys.readouterr().err


def test_an_interrupted_command_says_what_became_of_its_work(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        raise KeyboardInterrupt

    assert [ended("x", work, as_json=False), ended("x", work, as_json=False, interrupted="It goes on")] == [130, 130]
    assert capsys.readouterr().err == "x: interrupted\nx: interrupted. It goes on\n"


ROLES = {"ExecutionRole": "defi-stream-staging-ExecutionRole-1X"}


@pytest.mark.parametrize(
    ("who", "role"),
    [
        (
            "arn:aws:sts::123456789012:assumed-role/defi-stream-staging-DeployRole-2Y/GitHubActions (octocat 7)",
            "arn:aws:iam::123456789012:role/defi-stream-staging-ExecutionRole-1X",
        ),
        ("arn:aws:sts::123456789012:assumed-role/defi-stream-dev-DeployRole-2Y/GitHubActions", None),
        ("arn:aws:sts::123456789012:assumed-role/Admin/me", None),
        ("arn:aws:iam::123456789012:user/me", None),
    ],
)
def test_only_the_stages_own_deploy_role_hands_over_its_execution_role(who: str, role: str | None) -> None:
    assert role_for(who, "defi-stream-staging", ROLES) == role


class CloudWatch:
    """Its client, for alarms in these states."""

    def __init__(self, **states: str) -> None:
        self._states = states

    def describe_alarms(self, *, AlarmNames: list[str], AlarmTypes: list[str]) -> dict[str, Any]:  # noqa: N803 - boto3's
        assert "CompositeAlarm" in AlarmTypes
        found = [{"AlarmName": name, "StateValue": self._states[name]} for name in AlarmNames if name in self._states]
        return {"CompositeAlarms": found}


def test_a_stage_that_is_in_alarm_takes_no_release() -> None:
    """CloudFormation would take every one back."""
    state = StackState("UPDATE_COMPLETE", outputs={ALARM: "arn:aws:cloudwatch:eu-west-1:1:alarm:Deployment"})
    with pytest.raises(RefusedError, match=r"Deployment is in ALARM now(.|\n)*--at-once"):
        not_in_alarm(CloudWatch(Deployment="ALARM"), state)
    not_in_alarm(CloudWatch(Deployment="OK"), state)
    not_in_alarm(CloudWatch(), StackState("UPDATE_COMPLETE"))


def test_an_alarm_that_is_not_there_is_told_as_unknown() -> None:
    alarms = {"ServiceDown": "dev-ServiceDown", "Degraded": "dev-Degraded"}
    states = states_of(CloudWatch(**{"dev-Degraded": "OK"}), alarms)
    assert states == {"ServiceDown": "UNKNOWN", "Degraded": "OK"}


def lambda_change(name: str, entity: str) -> Change:
    cause = Cause("Environment", recreates=False, is_certain=True, entity=entity, source="ParameterReference")
    return Change(Fate.CHANGED, name, "AWS::Lambda::Function", [cause])


def test_a_parameter_that_reaches_no_version_that_serves_is_told() -> None:
    said = io.StringIO()
    published = Change(Fate.ADDED, "PollVersion1a", "AWS::Lambda::Version")
    changes = [lambda_change("Poll", "LogLevel"), lambda_change("Sweep", "LogSampleRate"), published]
    told_unpublished([*changes, lambda_change("Tick", "Version")], console=Console(out=said))
    (line,) = said.getvalue().splitlines()
    assert "LogSampleRate reaches no function's alias" in line


class Held:
    """CloudFormation's client for a stack with one resource that could not be taken back."""

    def get_paginator(self, operation: str) -> Held:
        assert operation == "list_stack_resources"
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        stuck = {
            "LogicalResourceId": "Poll",
            "ResourceType": "AWS::Lambda::Function",
            "ResourceStatus": "UPDATE_FAILED",
        }
        return [{"StackResourceSummaries": [stuck]}]


def test_a_stack_that_could_not_be_taken_back_says_what_to_do() -> None:
    stack = Stack(Held(), "defi-stream-staging")
    with pytest.raises(
        RefusedError, match="continue-update-rollback --stack-name defi-stream-staging --resources-to-skip Poll"
    ):
        usable(stack, StackState("UPDATE_ROLLBACK_FAILED"), console=Console(json=True), may_delete=True)


EXECUTION = "arn:aws:iam::123456789012:role/defi-stream-staging-ExecutionRole-1X"


@pytest.mark.parametrize("name", ["DeployRole", "ExecutionRole", "DeployNetwork", "FunctionBoundary"])
def test_the_deployments_own_roles_are_changed_by_a_person_in_a_role_of_theirs(name: str) -> None:
    """A stack remembers the role of the workflow: without another one a person would work in it, and be taken back."""
    kind = "AWS::IAM::Role" if name.endswith("Role") else "AWS::IAM::ManagedPolicy"
    change = Change(Fate.CHANGED, name, kind)
    with pytest.raises(RefusedError, match=rf"changes {name}(.|\n)*--role"):
        within_the_role([change], EXECUTION, stack="defi-stream-staging")
    for role in (None, "arn:aws:iam::123456789012:role/Admin"):
        within_the_role([change], role, stack="defi-stream-staging")


def test_what_the_execution_role_may_change_is_not_refused() -> None:
    allowed = [
        Change(Fate.TAGGED, "DeployRole", "AWS::IAM::Role"),
        Change(Fate.SAME, "DeployNetwork", "AWS::IAM::ManagedPolicy"),
        Change(Fate.CHANGED, "CodeDeployRole", "AWS::IAM::Role"),
        Change(Fate.CHANGED, "DeploymentAlarm", "AWS::CloudWatch::CompositeAlarm"),
    ]
    within_the_role(allowed, EXECUTION, stack="defi-stream-staging")
