"""How a deployment of a Lambda function moves its traffic: the steps that its configuration says.

Sources: CodeDeploy User Guide, "Predefined deployment configurations for an AWS Lambda compute platform"; CodeDeploy
API Reference, TrafficRoutingConfig.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "CodeDeployDefault.Lambda"
_NAMED = re.compile(r"(?P<kind>Canary|Linear)(?P<percent>\d+)Percent(?:Every)?(?P<minutes>\d+)Minutes?\Z")


class ConfigurationError(ValueError):
    """A deployment configuration that there is not."""


@dataclass(frozen=True, slots=True)
class Step:
    """``percent`` of the invocations go to the new version, for so many minutes."""

    percent: int
    minutes: float


def steps(name: str, own: Mapping[str, Mapping[str, Any]]) -> tuple[Step, ...]:
    """The steps before all traffic is the new version's; none for all at once. Raises ConfigurationError.

    ``own`` are the account's own configurations by name, each the properties of its resource.
    """
    if name in own:
        return _of_properties(name, own[name].get("TrafficRoutingConfig") or {})
    short = name.removeprefix(PREFIX)
    found = _NAMED.match(short)
    if short == "AllAtOnce":
        return ()
    if found is None or not name.startswith(PREFIX):
        raise ConfigurationError(f"there is no deployment configuration {name}")
    return _steps(found["kind"], int(found["percent"]), float(found["minutes"]))


def _of_properties(name: str, routing: Mapping[str, Any]) -> tuple[Step, ...]:
    kind = routing.get("Type", "AllAtOnce")
    if kind == "AllAtOnce":
        return ()
    if kind == "TimeBasedCanary":
        given = routing["TimeBasedCanary"]
        return _steps("Canary", int(given["CanaryPercentage"]), float(given["CanaryInterval"]))
    if kind == "TimeBasedLinear":
        given = routing["TimeBasedLinear"]
        return _steps("Linear", int(given["LinearPercentage"]), float(given["LinearInterval"]))
    raise ConfigurationError(f"{name}: traffic is not routed by {kind}")


def _steps(kind: str, percent: int, minutes: float) -> tuple[Step, ...]:
    if not 0 < percent < 100:
        raise ConfigurationError(f"a step is between 1 and 99 percent, not {percent}")
    if kind == "Canary":
        return (Step(percent, minutes),)
    return tuple(Step(reached, minutes) for reached in range(percent, 100, percent))
