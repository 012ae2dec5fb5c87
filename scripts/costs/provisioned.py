"""Environments that are kept warm: how many by the hour, as the template's schedules say, and what they cost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from scripts.costs.lines import Charge
from scripts.costs.prices import MONTH_SECONDS, UnpricedError
from scripts.costs.template import Properties, Template

TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
DIMENSION = "lambda:function:ProvisionedConcurrency"
EVERY_DAY = re.compile(r"cron\(0 ([\d,-]+) \* \* \? \*\)")


def provisioned(template: Template) -> Iterator[Charge]:
    """The minimum around the clock; what a policy adds under load comes and goes with the load.

    The seconds in which such an environment works are cheaper than others: left out, so this is on the high side.
    """
    for name, function in targets(template).items():
        properties = template.functions[function]
        (architecture,) = properties.get("Architectures", ["x86_64"])
        memory_gb = Decimal(str(properties.get("MemorySize", 128))) / 1024
        mean = Decimal(sum(minimums(template.resources[name]["Properties"]))) / 24
        seconds = mean * memory_gb * MONTH_SECONDS
        yield Charge(
            "Lambda", f"provisioned, {architecture}", seconds, f"lambda-{architecture}-provisioned-gb-second", name
        )


def targets(template: Template) -> dict[str, str]:
    """The logical ids of scalable targets, and of the function whose alias each scales. Raises UnpricedError."""
    found = {}
    for name, target in template.of_type(TARGET).items():
        if target["ScalableDimension"] != DIMENSION:
            raise UnpricedError(f"{name}: nothing is known of the cost of {target['ScalableDimension']}")
        (alias,) = set(_references(target["ResourceId"]))
        found[name] = str(template.of_type("AWS::Lambda::Alias")[alias]["FunctionName"]["Ref"])
    return found


def minimums(target: Properties) -> tuple[int, ...]:
    """The least capacity in each hour of a day, UTC: what the last scheduled action before its end has set.

    Raises UnpricedError for a schedule that is not by the full hours of every day.
    """
    by_hour: dict[int, int] = {}
    for action in target.get("ScheduledActions", []):
        daily = EVERY_DAY.fullmatch(action["Schedule"])
        if not daily or action.get("Timezone", "UTC") != "UTC":
            raise UnpricedError(f"{action['ScheduledActionName']}: not by the hours of every day, UTC")
        least = action["ScalableTargetAction"].get("MinCapacity")
        by_hour |= {hour: int(least) for hour in _hours(daily[1]) if least is not None}
    if not by_hour:
        return (int(target["MinCapacity"]),) * 24
    current = by_hour[max(by_hour)]  # from the evening before
    return tuple(current := by_hour.get(hour, current) for hour in range(24))


def _hours(field: str) -> Iterator[int]:
    for part in field.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "Ref":
                yield str(inner)
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
