"""Functions of a WebSocket API, invoked like all others."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.account.ministack.sockets import Invoked


def answering(result: dict[str, Any]) -> dict[str, Any]:
    return Invoked({"config": {}}, lambda record, event: result).invoke({"body": "x"}, "request")


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
def test_what_goes_wrong_is_told_as_that(result: dict[str, Any]) -> None:
    assert answering(result) == {"status": "error", "error": "broken"}
