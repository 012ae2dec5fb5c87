"""Lambda as a deployment of CodeDeploy uses it, in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Hook = Callable[[Mapping[str, Any]], str | None]


class FakeFunctions:
    """One alias. ``routes`` are all the ways that it was sent; ``hook`` answers every invocation."""

    def __init__(self, version: str, *, hook: Hook = lambda _: None) -> None:
        self.at = version
        self.weights: Mapping[str, float] = {}
        self.routes: list[tuple[str, Mapping[str, float]]] = []
        self.hook = hook

    def route(self, function: str, alias: str, version: str, *, also: Mapping[str, float]) -> None:
        self.at, self.weights = version, also
        self.routes.append((version, also))

    def version(self, function: str, alias: str) -> str:
        return self.at

    def invoke(self, function: str, event: Mapping[str, Any]) -> str | None:
        return self.hook(event)
