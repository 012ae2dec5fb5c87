"""docs/api.md: both documents as a page to read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

HEAD = """\
# The APIs

Made by `.venv/bin/python -m scripts.apidocs` from the types that the handlers decode and encode; do not edit. For
machines: [openapi.json](../chalicelib/handlers/rest/openapi.json), as `GET /v1/openapi.json` gives it,
and [asyncapi.json](asyncapi.json). What the figures mean: [the protocol](protocol.md), [queries](queries.md),
[history](history.md).

## REST
"""


def api_page(rest: dict[str, Any], socket: dict[str, Any]) -> str:
    lines = [HEAD, *_headers(rest), *_operations(rest), "## The socket", "", *_socket(socket), "## Types", ""]
    schemas = {**rest["components"]["schemas"], **socket["components"]["schemas"]}
    for name in sorted(schemas):
        lines += _type(name, schemas[name])
    return "\n".join(lines).rstrip() + "\n"


def _headers(rest: dict[str, Any]) -> Iterator[str]:
    yield rest["info"]["description"] + "\n"
    yield "| header of answers | |\n|---|---|"
    for name, header in rest["components"]["headers"].items():
        example = f" `{header['example']}`" if "example" in header else ""
        yield f"| `{name}` | {header['description']}{example} |"
    yield ""


def _operations(rest: dict[str, Any]) -> Iterator[str]:
    for path, methods in rest["paths"].items():
        for method, operation in methods.items():
            yield f"### `{method.upper()} {path}`\n\n**{operation['summary']}.** {operation['description']}\n"
            yield from _parameters(operation["parameters"])
            if "requestBody" in operation:
                content = operation["requestBody"]["content"]["application/json"]
                yield f"Body: {_kind(content['schema'])}\n\n```json\n{json.dumps(content['example'])}\n```\n"
            yield "| status | | |\n|---|---|---|"
            for status, response in operation["responses"].items():
                kinds = {_kind(each["schema"]): None for each in response.get("content", {}).values()}
                yield f"| {status} | {response['description']} | {' or '.join(kinds)} |"
            yield ""


def _parameters(parameters: list[dict[str, Any]]) -> Iterator[str]:
    if not parameters:
        return
    yield "| parameter | in | | |\n|---|---|---|---|"
    for each in parameters:
        default = each["schema"].get("default")
        told = each.get("description", "") + (f" Default: `{default}`." if default is not None else "")
        must = " (required)" if each["required"] else ""
        yield f"| `{each['name']}`{must} | {each['in']} | {_kind(each['schema'])} | {told.strip()} |"
    yield ""


def _socket(socket: dict[str, Any]) -> Iterator[str]:
    yield socket["info"]["description"] + "\n"
    yield "| | message | |\n|---|---|---|"
    for operation in socket["operations"].values():
        way = "client → server" if operation["action"] == "receive" else "server → client"
        messages = ", ".join(_link(each) for each in operation["messages"])
        replies = " or ".join(_link(each) for each in operation.get("reply", {}).get("messages", []))
        yield f"| {way} | {messages}{f' → {replies}' if replies else ''} | {operation['summary']} |"
    yield ""


def _type(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}\n"
    if "description" in schema:
        yield schema["description"] + "\n"
    yield "| member | | |\n|---|---|---|"
    for member, each in schema.get("properties", {}).items():
        must = "" if member in schema.get("required", ()) else " (optional)"
        yield f"| `{member}`{must} | {_kind(each)} | {each.get('description', '')} |"
    yield ""


def _link(reference: dict[str, str]) -> str:
    name = reference["$ref"].rpartition("/")[2]
    return f"[{name}](#{name.lower()})"


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return _link(schema)
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_kind(each) for each in schema[several]))
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"{_kind(schema['additionalProperties'])} by name"
    return {"date-time": "time"}.get(schema.get("format", ""), kind or "anything")
