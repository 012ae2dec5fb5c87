"""Fakes of what a release goes through: deployments that shift, and functions that answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chalicelib.errors import StoreDownError
from chalicelib.ports import FunctionVersion, Invoked


class FakeDeployments:
    """ports.Deployments. ``down`` makes it unreachable."""

    def __init__(self, *targets: FunctionVersion) -> None:
        self.targets = list(targets)
        self.verdicts: list[tuple[str, str, bool]] = []
        self.down = False

    def shifting_to(self, deployment: str) -> Sequence[FunctionVersion]:
        if self.down:
            raise StoreDownError("CodeDeploy cannot be reached")
        return list(self.targets)

    def judge(self, deployment: str, hook: str, *, succeeded: bool) -> None:
        if self.down:
            raise StoreDownError("CodeDeploy cannot be reached")
        self.verdicts.append((deployment, hook, succeeded))


Answer = Callable[[Mapping[str, Any]], Invoked]


class FakeFunctions:
    """ports.Functions. ``answers`` by function; ``refusals`` counts calls that are throttled first."""

    def __init__(self, **answers: Invoked | Answer) -> None:
        self.answers = answers
        self.calls: list[tuple[str, str]] = []
        self.refusals = 0

    def invoke(self, function: str, qualifier: str, event: Mapping[str, Any]) -> Invoked:
        self.calls.append((function, qualifier))
        if self.refusals:
            self.refusals -= 1
            raise StoreDownError("Rate exceeded")
        answer = self.answers[function.removeprefix("p-")]
        return answer(event) if callable(answer) else answer
