"""JSON Schemas of our types, as both documents hold them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

PLACE = "#/components/schemas/{name}"


def components(types: Sequence[type[msgspec.Struct]]) -> dict[str, Any]:
    """The schema of each type, and of those within them, by name."""
    _, found = msgspec.json.schema_components(types, ref_template=PLACE)
    return {name: _tidy(schema) for name, schema in sorted(found.items())}


def reference(kind: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": PLACE.format(name=kind.__name__)}


def properties(kind: type[msgspec.Struct]) -> tuple[dict[str, Any], set[str]]:
    """The schemas of a type's members, and which of them must be there."""
    _, found = msgspec.json.schema_components([kind], ref_template=PLACE)
    schema = _tidy(found[kind.__name__])
    return schema["properties"], set(schema["required"])


def _tidy(schema: Any) -> Any:
    """Without what says nothing; docstrings as paragraphs of one line each, in Markdown."""
    if isinstance(schema, list):
        return [_tidy(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: _tidy(value) for name, value in schema.items() if name != "title"}
    if isinstance(kept.get("description"), str):
        kept["description"] = flowed(kept["description"])
    return kept


def flowed(text: str) -> str:
    paragraphs = re.split(r"\n\s*\n", text.strip().replace("``", "`"))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def written(document: dict[str, Any], *, indented: bool = True) -> str:
    layout: dict[str, Any] = {"indent": 2} if indented else {"separators": (",", ":")}
    return json.dumps(document, ensure_ascii=False, **layout) + "\n"
