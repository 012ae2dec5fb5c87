"""Where a deployed stage is reached by its clients, as its stack says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from scripts.deployment.account import is_aws
from scripts.deployment.errors import StackError
from scripts.deployment.stack import Stack, StackResource, StackState
from scripts.smoke_checks import Target

Client = Callable[[str], Any]
_GUARD = {"OriginSecretA": "x-origin-verify-a", "OriginSecretB": "x-origin-verify-b"}


def target_of(client: Client, stack: Stack, *, api_key: str | None = None, within_s: float = 15.0) -> Target:
    """What a client must know to use the stage. Raises StackError if there is none.

    Through CloudFront where it stands in front, else to the APIs' own addresses. Where something else than AWS answers
    its APIs, it serves the stage's own ones too, under its own address, and there is no CloudFront to add the headers
    of the origin guard: they are read and sent.
    """
    state = stack.state()
    if state is None:
        raise StackError(f"there is no stack {stack.name}")
    resources = stack.resources()
    headers: Mapping[str, str] = {}
    if not is_aws(stack.client):
        ws_url, rest_url = _emulated(str(stack.client.meta.endpoint_url), resources)
        headers = _guard_headers(client("secretsmanager"), resources)
    elif "WebsocketUrl" in state.outputs:
        ws_url, rest_url = state.outputs["WebsocketUrl"], state.outputs["PublicUrl"]
    else:
        ws_url, rest_url = _direct(state, resources)
    return Target(
        ws_url=ws_url,
        rest_url=rest_url,
        topic_arn=_output(state, "ObservationsTopicArn"),
        queue_url=_output(state, "EventsQueueUrl"),
        api_key=api_key,
        headers=headers,
        within_s=within_s,
    )


def alarms_of(stack: Stack) -> dict[str, str]:
    """Name by logical id of the alarms that sum others up: what they say is what users feel, or what a release did."""
    held = stack.resources()
    return {one.logical_id: one.physical_id for one in held if one.type == "AWS::CloudWatch::CompositeAlarm"}


def _emulated(endpoint: str, resources: tuple[StackResource, ...]) -> tuple[str, str]:
    def invoke(api: str, stage: str) -> str:
        return f"{endpoint}/_aws/execute-api/{_only(resources, api)}/{_only(resources, stage).rpartition('|')[2]}"

    socket = invoke("AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Stage").replace("http", "ws", 1)
    return socket, invoke("AWS::ApiGateway::RestApi", "AWS::ApiGateway::Stage")


def _direct(state: StackState, resources: tuple[StackResource, ...]) -> tuple[str, str]:
    socket = urlsplit(_output(state, "ConnectionsUrl"))
    rest_api, stage = _only(resources, "AWS::ApiGateway::RestApi"), _only(resources, "AWS::ApiGateway::Stage")
    domain = socket.netloc.partition(".")[2]
    return f"wss://{socket.netloc}{socket.path}", f"https://{rest_api}.{domain}/{stage.rpartition('|')[2]}"


def _guard_headers(secrets: Any, resources: tuple[StackResource, ...]) -> dict[str, str]:
    ids = {one.logical_id: one.physical_id for one in resources}
    return {
        header: secrets.get_secret_value(SecretId=ids[name])["SecretString"]
        for name, header in _GUARD.items()
        if name in ids
    }


def _only(resources: tuple[StackResource, ...], kind: str) -> str:
    found = [one.physical_id for one in resources if one.type == kind]
    if len(found) != 1:
        raise StackError(f"one {kind} is expected in the stack, not {len(found)}")
    return found[0]


def _output(state: StackState, name: str) -> str:
    if name not in state.outputs:
        raise StackError(f"the stack has no output {name}")
    return state.outputs[name]
