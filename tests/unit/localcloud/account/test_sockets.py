"""Functions of a WebSocket API, invoked like all others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from localcloud.account.ministack.sockets import Invoked

EVENT = {"body": "x", "requestContext": {"connectionId": "c", "requestId": "r", "stage": "ws"}}


def answering(result: dict[str, Any]) -> dict[str, Any]:
    return Invoked({"config": {}}, lambda record, event: result).invoke(EVENT, "request")


def test_what_a_function_answers_is_passed_on() -> None:
    assert answering({"body": {"statusCode": 200}}) == {"status": "ok", "result": {"statusCode": 200}}


@pytest.mark.parametrize(
    "result",
    [
        {"error": True, "body": {"errorMessage": "broken"}},
        {"throttle": True, "body": {"Message": "broken"}},
        {"error": True, "body": "broken"},
    ],
)
def test_what_goes_wrong_is_told_to_the_client_as_api_gateway_tells_it(result: dict[str, Any]) -> None:
    """Nothing of the error itself, and JSON, as every other frame."""
    answer = answering(result)["result"]
    assert answer["statusCode"] == 500
    assert json.loads(answer["body"]) == {"message": "Internal server error", "connectionId": "c", "requestId": "r"}
