"""Give every resource that can carry tags the three that bills, searches and alarms are cut by.

Which types those are, and how they want their tags written, is read from the registry's schemas, so a type that is new
to the template is covered without a change here.
"""

from __future__ import annotations

from typing import Any

from scripts.packaging.merge import Merged, is_intrinsic
from scripts.packaging.schemas import schema_of

SOURCE = "scripts/packaging/tags.py"
TAGS: dict[str, Any] = {"Environment": {"Ref": "Stage"}, "Service": "defi-stream", "Version": {"Ref": "Version"}}
CHANGING = "Version"  # differs from release to release
_SAM_TYPES = ("AWS::Serverless::Function", "AWS::Serverless::Api")


def tag_property(resource_type: str) -> tuple[str, str] | None:
    """The property that holds the tags and whether it is a "map" or a "list"; None if the type takes none."""
    if resource_type in _SAM_TYPES:
        return "Tags", "map"
    schema = schema_of(resource_type) or {}
    tagging = schema.get("tagging", {})
    name = str(tagging.get("tagProperty", "/properties/Tags")).rpartition("/")[2]
    definition = schema.get("properties", {}).get(name)
    if definition is None or tagging.get("taggable") is False:
        return None
    if "$ref" in definition:  # X-Ray's schemas keep the list's own under "definitions"
        definition = schema.get("definitions", {}).get(definition["$ref"].rpartition("/")[2], {})
    kinds = definition.get("type")
    return name, "list" if kinds == "array" or "items" in definition else "map"


def is_fixed_at_creation(resource_type: str) -> bool:
    """Whether another value of a tag would replace the resource, or be refused."""
    schema = schema_of(resource_type) or {}
    held = tag_property(resource_type)
    return held is not None and (
        schema.get("tagging", {}).get("tagUpdatable") is False
        or f"/properties/{held[0]}" in schema.get("createOnlyProperties", [])
    )


def expected_tags(resource_type: str) -> dict[str, Any]:
    """The tags that a resource of the type gets: all three, or none, or those that never change."""
    if tag_property(resource_type) is None:
        return {}
    if is_fixed_at_creation(resource_type):
        return {key: value for key, value in TAGS.items() if key != CHANGING}
    return dict(TAGS)


def inject_tags(merged: Merged) -> None:
    """Changes the template. A tag of ours that is written by hand is a problem: it would drift from the others."""
    for logical_id, resource in merged.template.get("Resources", {}).items():
        held = tag_property(resource["Type"])
        if held is None:
            continue
        name, form = held
        location = ("Resources", logical_id, "Properties", name)
        properties = resource.setdefault("Properties", {})
        there = properties.get(name, {} if form == "map" else [])
        if is_intrinsic(there) or not isinstance(there, dict if form == "map" else list):
            merged.complain(_owner(merged, logical_id), location, f"must be a plain {form}, so that tags can be added")
            continue
        wanted = expected_tags(resource["Type"])
        by_hand = wanted.keys() & (there.keys() if isinstance(there, dict) else {tag.get("Key") for tag in there})
        if by_hand:
            merged.complain(_owner(merged, logical_id), location, f"the packager adds {', '.join(sorted(by_hand))}")
            continue
        properties[name] = _with(there, wanted)
        _record(merged, location, properties[name], len(there))
        if resource["Type"] in _SAM_TYPES:  # what SAM generates from it: rules, event source mappings, ...
            properties["PropagateTags"] = True
            merged.record((*location[:3], "PropagateTags"), True, SOURCE)


def _with(there: Any, wanted: dict[str, Any]) -> Any:
    if isinstance(there, dict):
        return {**there, **wanted}
    return [*there, *({"Key": key, "Value": value} for key, value in wanted.items())]


def _record(merged: Merged, location: tuple[str, ...], tags: Any, already: int) -> None:
    added = list(tags.items())[already:] if isinstance(tags, dict) else list(enumerate(tags))[already:]
    merged.origins.pop(location, None)
    for key, value in added:
        merged.record((*location, key), value, SOURCE)


def _owner(merged: Merged, logical_id: str) -> str:
    return merged.owners.get(("Resources", logical_id), "cfn")
