"""Trying a release out before it gets traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class FunctionVersion:
    """A published version of a function, by the function's name."""

    function: str
    version: str


@dataclass(frozen=True, slots=True)
class Invoked:
    """What an invocation came to: ``payload`` is its answer, or the error that the function ended with."""

    payload: Any
    failed: bool
    took_s: float


class Functions(Protocol):
    def invoke(self, function: str, qualifier: str, event: Mapping[str, Any]) -> Invoked:
        """Call a version or an alias and wait for its answer.

        Raises StoreDownError if it could not be called now: it is throttled, starts up, or Lambda cannot be reached.
        """
        ...


class Deployments(Protocol):
    """What shifts an alias from one version to the next."""

    def shifting_to(self, deployment: str) -> Sequence[FunctionVersion]:
        """The versions that a deployment brings in."""
        ...

    def judge(self, deployment: str, hook: str, *, succeeded: bool) -> None:
        """Tell whether it may go on. ``hook`` is the id of this call of the hook."""
        ...
