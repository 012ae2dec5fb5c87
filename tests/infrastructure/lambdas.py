"""The functions of a resolved template: what names them, and what settings their code would read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from chalicelib.settings import Settings, from_env
from tests.infrastructure.kinds import Resources, of_type


def functions(resources: Resources) -> Resources:
    return of_type(resources, "AWS::Lambda::Function")


def alias_of(function: str) -> str:
    return f"{function}Aliaslive"


def references(value: Any) -> Iterator[str]:
    """Logical ids named anywhere inside."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Ref":
                yield inner
            elif key == "Fn::GetAtt":
                yield inner[0] if isinstance(inner, list) else inner.split(".")[0]
            elif key == "Fn::Sub":
                text, given = (inner, {}) if isinstance(inner, str) else inner
                yield from (name.split(".")[0] for name in re.findall(r"\$\{([A-Za-z][\w.]*)\}", text))
                yield from references(given)
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def plain(value: Any) -> str:
    """An environment's value as it might be once CloudFormation knows the resource."""
    if not isinstance(value, dict):
        return str(value)
    if "Fn::Sub" in value:
        return re.sub(r"\$\{[\w.]+\.Port\}", "6379", str(value["Fn::Sub"]))
    return "5432" if "Endpoint.Port" in str(value) else "known-later"


def settings_of(function: dict[str, Any]) -> Settings:
    """What its code would read, Lambda's own variables included."""
    variables = function["Environment"]["Variables"]
    return from_env({"AWS_REGION": "us-east-1", **{name: plain(value) for name, value in variables.items()}})
