"""What is told of CodeDeploy's shifts, and how they are stopped."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from scripts.deployment.aliases import ALIAS
from scripts.deployment.shifting import Shifts, stop
from scripts.deployment.stack import Stack, StackEvent, StackResource
from scripts.deployment.waiting import Waiting


class CodeDeploy:
    """Its client, with one deployment that ends before it can be stopped."""

    def __init__(self, code: str) -> None:
        self._code = code

    def list_deployments(self, **_: Any) -> dict[str, Any]:
        return {"deployments": ["d-1"]}

    def stop_deployment(self, **_: Any) -> None:
        raise ClientError({"Error": {"Code": self._code, "Message": "no"}}, "StopDeployment")

    def get_deployment(self, **_: Any) -> dict[str, Any]:
        return {"deploymentInfo": {"status": "Succeeded"}}


SHIFTING = [
    StackResource("App", "AWS::CodeDeploy::Application", "app"),
    StackResource("Group", "AWS::CodeDeploy::DeploymentGroup", "group"),
]


def test_a_shift_that_has_ended_meanwhile_does_not_stop_a_rollback() -> None:
    ended = CodeDeploy("DeploymentAlreadyCompletedException")
    assert stop(ended, SHIFTING, waiting=Waiting(every_s=0), say=lambda _: None) == ["d-1"]
    with pytest.raises(ClientError):
        stop(CodeDeploy("AccessDeniedException"), SHIFTING, waiting=Waiting(every_s=0), say=lambda _: None)


class Failed:
    """CodeDeploy's client, whose deployments have failed for this reason."""

    def __init__(self, message: str) -> None:
        self._message = message

    def get_deployment(self, **_: Any) -> dict[str, Any]:
        return {"deploymentInfo": {"status": "Failed", "errorInformation": {"message": self._message}}}


class OneStack(Stack):
    def __init__(self) -> None:
        super().__init__(None, "defi-stream-staging")

    def resources(self) -> tuple[StackResource, ...]:
        return (StackResource("VerifyReleaseLogGroup", "AWS::Logs::LogGroup", "/aws/lambda/x-verify-release"),)


def told_of(message: str) -> list[str]:
    said: list[str] = []
    shifts = Shifts(OneStack(), None, Failed(message), said.append)
    for name in ("PollAliaslive", "SweepAliaslive"):
        shifts.event(StackEvent(name, ALIAS, "UPDATE_FAILED", "deployment d-ABCDEFGHI has failed"))
    return said


def test_a_version_that_the_hook_refused_says_once_where_it_is_written_why() -> None:
    said = told_of("the lifecycle event hook BeforeAllowTraffic failed")
    (where,) = [line for line in said if "aws logs tail" in line]
    assert "/aws/lambda/x-verify-release" in where


def test_a_shift_that_an_alarm_stopped_says_which_and_nothing_of_the_hook() -> None:
    assert told_of("alarm x is in ALARM") == ["CodeDeploy d-ABCDEFGHI: alarm x is in ALARM"] * 2
