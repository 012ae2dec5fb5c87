"""Where the smoke test goes, by what the stack says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from scripts.deployment.addresses import target_of
from scripts.deployment.drift import detect
from scripts.deployment.errors import StackError
from scripts.deployment.stack import Stack

OUTPUTS = {
    "ObservationsTopicArn": "arn:topic",
    "EventsQueueUrl": "https://queue",
    "ConnectionsUrl": "https://abc.execute-api.eu-west-1.amazonaws.com/ws",
}
EDGE = {"WebsocketUrl": "wss://stream.example.com/ws", "PublicUrl": "https://stream.example.com"}
HELD = {
    "WebsocketAPI": ("AWS::ApiGatewayV2::Api", "abc"),
    "WebsocketStage": ("AWS::ApiGatewayV2::Stage", "ws"),
    "RestAPI": ("AWS::ApiGateway::RestApi", "def"),
    "RestStage": ("AWS::ApiGateway::Stage", "v"),
    "OriginSecretA": ("AWS::SecretsManager::Secret", "arn:a"),
    "OriginSecretB": ("AWS::SecretsManager::Secret", "arn:b"),
}


class CloudFormation:
    """Its client, for one stack; ``drifted`` are its resources that are not as they were made."""

    def __init__(self, endpoint: str, outputs: dict[str, str], *, drifted: list[dict[str, Any]] | None = None) -> None:
        self.meta = SimpleNamespace(endpoint_url=endpoint)
        self._outputs = outputs
        self._drifted = drifted or []

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        outputs = [{"OutputKey": name, "OutputValue": value} for name, value in self._outputs.items()]
        return {"Stacks": [{"StackStatus": "UPDATE_COMPLETE", "Outputs": outputs}]}

    def get_paginator(self, operation: str) -> CloudFormation:
        assert operation == "list_stack_resources"
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        held = [
            {"LogicalResourceId": name, "ResourceType": kind, "PhysicalResourceId": physical}
            for name, (kind, physical) in HELD.items()
        ]
        return [{"StackResourceSummaries": held}]

    def detect_stack_drift(self, **_: str) -> dict[str, str]:
        return {"StackDriftDetectionId": "1"}

    def describe_stack_drift_detection_status(self, **_: str) -> dict[str, str]:
        return {"DetectionStatus": "DETECTION_COMPLETE"}

    def describe_stack_resource_drifts(self, **_: object) -> dict[str, Any]:
        return {"StackResourceDrifts": self._drifted}


class Secrets:
    def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803 - boto3's
        return {"SecretString": f"value of {SecretId}"}


def no_secrets(service: str) -> Any:
    raise AssertionError(f"{service} is not asked")


AWS = "https://cloudformation.eu-west-1.amazonaws.com"


def test_through_cloudfront_where_it_stands_in_front() -> None:
    target = target_of(no_secrets, Stack(CloudFormation(AWS, OUTPUTS | EDGE), "x"))
    assert (target.ws_url, target.rest_url, target.headers) == (EDGE["WebsocketUrl"], EDGE["PublicUrl"], {})


def test_to_the_apis_themselves_where_it_does_not() -> None:
    target = target_of(no_secrets, Stack(CloudFormation(AWS, OUTPUTS), "x"))
    assert target.ws_url == "wss://abc.execute-api.eu-west-1.amazonaws.com/ws"
    assert target.rest_url == "https://def.execute-api.eu-west-1.amazonaws.com/v"


def test_on_this_machine_under_the_emulators_address_with_the_guards_headers() -> None:
    stack = Stack(CloudFormation("http://127.0.0.1:4566", OUTPUTS | EDGE), "x")
    target = target_of(lambda _: Secrets(), stack)
    assert target.ws_url == "ws://127.0.0.1:4566/_aws/execute-api/abc/ws"
    assert target.rest_url == "http://127.0.0.1:4566/_aws/execute-api/def/v"
    assert target.headers == {"x-origin-verify-a": "value of arn:a", "x-origin-verify-b": "value of arn:b"}


def test_a_stack_without_what_publishing_takes_says_so() -> None:
    with pytest.raises(StackError, match="no output ObservationsTopicArn"):
        target_of(no_secrets, Stack(CloudFormation(AWS, EDGE), "x"))


def drift(kind: str, *paths: str, status: str = "MODIFIED") -> dict[str, Any]:
    differences = [{"PropertyPath": path} for path in paths]
    return {
        "LogicalResourceId": "It",
        "ResourceType": kind,
        "StackResourceDriftStatus": status,
        "PropertyDifferences": differences,
    }


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (drift("AWS::Lambda::Alias", "/FunctionVersion", "/RoutingConfig"), []),
        (drift("AWS::Lambda::Alias", "/FunctionVersion", "/Description"), ["AWS::Lambda::Alias It: /Description"]),
        (drift("AWS::SQS::Queue", "/DelaySeconds"), ["AWS::SQS::Queue It: /DelaySeconds"]),
        (drift("AWS::Lambda::Alias", status="DELETED"), ["AWS::Lambda::Alias It: is gone"]),
    ],
)
def test_what_the_platform_itself_changes_is_no_drift(found: dict[str, Any], told: list[str]) -> None:
    report = detect(Stack(CloudFormation(AWS, OUTPUTS, drifted=[found]), "x"))
    assert [str(one) for one in report.drifted] == told
