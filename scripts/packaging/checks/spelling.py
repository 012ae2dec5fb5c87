"""Every resource type and every function that the template uses exists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scripts.packaging.checks.references import origin, path
from scripts.packaging.merge import Merged
from scripts.packaging.parts import Location
from scripts.packaging.problems import Problem
from scripts.packaging.schemas import schema_of

_OTHERS = ("AWS::Serverless::", "AWS::CloudFormation::CustomResource")  # no types of the registry
_FUNCTIONS = {
    f"Fn::{name}"
    for name in (
        *("And", "Base64", "Cidr", "Equals", "FindInMap", "GetAZs", "GetAtt", "If", "ImportValue", "Join", "Length"),
        *("Not", "Or", "Select", "Split", "Sub", "ToJsonString", "Transform"),
    )
}


def check_spelling(merged: Merged) -> Iterator[Problem]:
    """Types of AWS's own, and what is called like a function: a short tag may be any word."""
    for name, resource in merged.template["Resources"].items():
        location, kind = ("Resources", name, "Type"), str(resource.get("Type"))
        if kind.startswith("AWS::") and not kind.startswith(_OTHERS) and schema_of(kind) is None:
            yield Problem(origin(merged, location), path(location), f"CloudFormation has no type {kind}")
    for section in ("Conditions", "Rules", "Globals", "Resources", "Outputs"):
        for location in _unknown(merged.template.get(section, {}), (section,)):
            called = location[-1]
            what = f"CloudFormation has no function {called}, which !{str(called).removeprefix('Fn::')} stands for"
            yield Problem(origin(merged, location), path(location[:-1]), what)


def _unknown(node: Any, location: Location) -> Iterator[Location]:
    if isinstance(node, dict | list):
        for key, inner in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(key, str) and key.startswith("Fn::") and key not in _FUNCTIONS:
                yield (*location, key)
            yield from _unknown(inner, (*location, key))
