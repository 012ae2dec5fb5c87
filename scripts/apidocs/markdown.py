"""JSON Schemas in Markdown, for both pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


def types(schemas: dict[str, Any]) -> Iterator[str]:
    """The section of all types by name, to which ``link`` leads."""
    yield "## Types\n"
    for name in sorted(schemas):
        yield f"### {name}\n"
        yield from members(schemas[name])


def members(schema: dict[str, Any]) -> Iterator[str]:
    """What a type is, and a table of its members."""
    if "description" in schema:
        yield schema["description"] + "\n"
    yield "| member | | |\n|---|---|---|"
    for member, each in schema.get("properties", {}).items():
        must = "" if member in schema.get("required", ()) else " (optional)"
        yield f"| `{member}`{must} | {kind(each)} | {each.get('description', '')} |"
    yield ""


def example(value: object) -> str:
    return f"```json\n{json.dumps(value, ensure_ascii=False)}\n```\n"


def link(reference: dict[str, str]) -> str:
    name = reference["$ref"].rpartition("/")[2]
    return f"[{name}](#{name.lower()})"


def kind(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return link(schema)
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(kind(each) for each in schema[several]))
    name = schema.get("type")
    if name == "array":
        return f"list of {kind(schema.get('items', {}))}"
    if name == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"{kind(schema['additionalProperties'])} by name"
    return {"date-time": "time"}.get(schema.get("format", ""), name or "anything")
