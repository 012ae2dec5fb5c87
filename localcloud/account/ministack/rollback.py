"""Which alarms roll an update back, and for how long they are watched after it.

Source: CloudFormation API Reference, RollbackConfiguration: the triggers are watched during the operation and for
MonitoringTimeInMinutes after all resources are deployed; a trigger that does not exist fails the operation; whoever
names none keeps those of the operation before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PREFIX = "RollbackConfiguration."


@dataclass(frozen=True, slots=True)
class RollbackConfiguration:
    """``alarms`` are names."""

    alarms: tuple[str, ...] = ()
    minutes: int = 0


def read(parameters: Mapping[str, Any]) -> RollbackConfiguration | None:
    """Of a request to CloudFormation; None if it says nothing of it."""
    if not any(key.startswith(_PREFIX) for key in parameters):
        return None
    arns = []
    while arn := _one(parameters, f"{_PREFIX}RollbackTriggers.member.{len(arns) + 1}.Arn"):
        arns.append(arn.partition(":alarm:")[2] or arn)
    return RollbackConfiguration(tuple(arns), int(_one(parameters, f"{_PREFIX}MonitoringTimeInMinutes") or 0))


def _one(parameters: Mapping[str, Any], name: str) -> str:
    found = parameters.get(name, "")
    return str(found[0] if isinstance(found, list) else found)
