"""Aliases that are moved while Lambda keeps environments warm for them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from scripts.deployment.aliases import ALIAS, LOOK_S, STARTING_S, Aliases
from scripts.deployment.errors import StackError

ARN = "arn:aws:lambda:us-east-1:123456789012:function:p-authorize:live"


class Lambda:
    """One alias. After a move the version before keeps a weight for so many looks, as with provisioned concurrency."""

    def __init__(self, looks: int, *, moved_to: str | None = None) -> None:
        self.version, self.weights, self._looks = "7", {}, looks
        self._moved_to = moved_to

    def get_function_configuration(self, **asked: Any) -> dict[str, Any]:
        return asked

    def update_alias(self, *, FunctionVersion: str, **_: Any) -> None:  # noqa: N803 - as boto3 has it
        self.weights = {self.version: 1.0}
        self.version = self._moved_to or FunctionVersion

    def get_alias(self, **_: Any) -> dict[str, Any]:
        if self._looks == 0:
            self.weights = {}
        self._looks -= 1
        return {"FunctionVersion": self.version, "RoutingConfig": {"AdditionalVersionWeights": self.weights}}


def aliases(client: Lambda, slept: list[float]) -> Aliases:
    return Aliases(client, [SimpleNamespace(type=ALIAS, physical_id=ARN)], sleep=slept.append)


def test_a_move_waits_until_lambda_has_started_the_versions_environments():
    slept: list[float] = []
    (pointer,) = aliases(Lambda(looks=3), slept).move({"p-authorize": "6"})
    assert (pointer.version, pointer.weights) == ("6", {})
    assert slept == [LOOK_S] * 3


def test_environments_that_never_start_are_an_error_in_the_end():
    slept: list[float] = []
    with pytest.raises(StackError):
        aliases(Lambda(looks=10_000), slept).move({"p-authorize": "6"})
    assert sum(slept) == STARTING_S


def test_an_alias_that_somebody_else_moves_is_not_waited_for():
    slept: list[float] = []
    with pytest.raises(StackError, match="somebody else"):
        aliases(Lambda(looks=10_000, moved_to="5"), slept).move({"p-authorize": "6"})
    assert slept == []
