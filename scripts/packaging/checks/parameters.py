"""A stage's values fit the template's parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from scripts.packaging.problems import Problem

AT_DEPLOYMENT = frozenset({"ArtifactBucket"})  # given by whoever deploys: an account's bucket is no property of a stage


def check_parameters(
    declared: Mapping[str, Any], given: Mapping[str, str], where: str, owners: Mapping[tuple[str, str], str]
) -> Iterator[Problem]:
    """Every value belongs to a parameter and is allowed by it; every parameter without a default has a value."""
    for name in sorted(given.keys() - declared.keys()):
        yield Problem(where, name, "the template has no such parameter; remove it or declare it in cfn/")
    for name, parameter in declared.items():
        if name in given:
            yield from _check_value(parameter, given[name], where, name)
        elif "Default" not in parameter and name not in AT_DEPLOYMENT:
            owner = owners.get(("Parameters", name), "cfn")
            yield Problem(where, name, f"has no value, and {owner} declares no default; give one of the two")


def _check_value(parameter: Mapping[str, Any], value: str, where: str, name: str) -> Iterator[Problem]:
    allowed = [str(one) for one in parameter.get("AllowedValues", ())]
    if allowed and value not in allowed:
        yield Problem(where, name, f"is {value!r}; allowed are {', '.join(allowed)}")
    pattern = parameter.get("AllowedPattern")
    if pattern is not None and not re.fullmatch(str(pattern), value):
        yield Problem(where, name, f"is {value!r}, which does not match {pattern}")
    measured = _number(value) if parameter.get("Type") == "Number" else len(value)
    if measured is None:
        yield Problem(where, name, f"is {value!r}, which is no number")
        return
    for bound, is_broken in _BOUNDS.items():
        if bound in parameter and is_broken(measured, float(parameter[bound])):
            yield Problem(where, name, f"is {value!r}; {bound} is {parameter[bound]}")


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


_BOUNDS = {
    "MinValue": float.__lt__,
    "MaxValue": float.__gt__,
    "MinLength": lambda length, bound: length < bound,
    "MaxLength": lambda length, bound: length > bound,
}
