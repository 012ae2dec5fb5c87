"""docs/api.md: the REST API's document as a page to read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from scripts.apidocs.markdown import kind, types

HEAD = """\
# The REST API

Made by `.venv/bin/python -m scripts.apidocs` from the types that the handlers decode and encode; do not edit. For
machines: [openapi.json](../chalicelib/handlers/rest/openapi.json), as `GET /v1/openapi.json` gives it.
[The socket](socket.md) has a page of its own. What the figures mean: [the protocol](protocol.md), with every error and
limit, [queries](queries.md), [history](history.md).
"""


def api_page(rest: dict[str, Any]) -> str:
    lines = [HEAD, *_headers(rest), *_operations(rest), *types(rest["components"]["schemas"])]
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
                yield f"Body: {kind(content['schema'])}\n\n```json\n{json.dumps(content['example'])}\n```\n"
            yield "| status | | |\n|---|---|---|"
            for status, response in operation["responses"].items():
                kinds = {kind(each["schema"]): None for each in response.get("content", {}).values()}
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
        yield f"| `{each['name']}`{must} | {each['in']} | {kind(each['schema'])} | {told.strip()} |"
    yield ""
