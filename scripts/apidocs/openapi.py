"""The REST API as OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from chalicelib.protocol import rest
from scripts.apidocs.operation import Operation, Part
from scripts.apidocs.operations import OPERATIONS
from scripts.apidocs.schemas import components, properties, reference

EVERYBODYS = (400, 401, 429, 503)  # a wrong parameter, a wrong key, too many of them, a store that is down
STATUSES = {
    200: "As asked for",
    201: "Made",
    202: "It will be done",
    204: "Done: there is nothing to say",
    304: "The answer that has this ETag is still the answer",
    400: "Malformed",
    401: "The key is missing where one is needed, wrong or revoked",
    403: "Somebody's own, or more than you may have",
    404: "There is no such thing",
    409: "A request with this `Idempotency-Key` is under way, or what you read was changed since",
    413: "Too large",
    415: "Not `application/json`",
    422: "Understood and refused",
    429: "Too much: wait `Retry-After` seconds",
    503: "Ours, and temporary",
}


def openapi() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    types = [kind for each in OPERATIONS for kinds in each.answers.values() for kind in kinds]
    bodies = [each.body for each in OPERATIONS if each.body]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "defi-stream",
            "version": "1",
            "summary": "Prices, TVL, pegs and yields of DeFi: now, and as they were",
            "description": (
                "The live stream itself is a WebSocket: see its AsyncAPI document. Values are decimal strings, times "
                "RFC 3339 in UTC. Errors are problems (RFC 9457) with the protocol's `code` and `name`. What never "
                'reaches us is answered by the gateway as `{"message": …}`: an unknown path or method (403), a request '
                "of more than 10 MB (413), more requests than it lets through (429), a late answer (504)."
            ),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"key": []}],
        "paths": paths,
        "components": {
            "schemas": components([*dict.fromkeys([*types, *bodies, rest.Problem])]),
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
            "headers": _HEADERS,
        },
    }


_HEADERS = {
    "ETag": {"description": "Names this answer, a weak one; of a rule its version.", "schema": {"type": "string"}},
    "Location": {"description": "Of what was made.", "schema": {"type": "string"}},
    "RateLimit": {
        "description": "Requests left (`r`), and the seconds until all are there again (`t`).",
        "schema": {"type": "string"},
        "example": '"minute";r=59;t=1',
    },
    "RateLimit-Policy": {
        "description": "How many requests there are (`q`) in a window of `w` seconds.",
        "schema": {"type": "string"},
        "example": '"minute";q=60;w=60',
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
    "Idempotency-Replayed": {
        "description": "The first answer to this `Idempotency-Key`, again.",
        "schema": {"const": "true"},
    },
}


def _operation(operation: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.description,
        "parameters": _parameters(operation),
    }
    if operation.needs_key:
        told["security"] = [{"key": []}]
    if operation.body is not None:
        content = {"schema": reference(operation.body), "example": operation.example}
        told["requestBody"] = {"required": True, "content": {"application/json": content}}
    return {**told, "responses": _responses(operation)}


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "description": part.description, "schema": _path_schema(part)}
        for name, part in operation.in_path.items()
    ]
    members, required = properties(operation.parameters)
    for name, schema in members.items():
        description = schema.pop("description", "")
        told = {"name": name, "in": "query", "required": name in required, "schema": schema}
        found.append(told | ({"description": description} if description else {}))
    if operation.is_tagged:
        found.append({"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}})
    if operation.is_versioned and operation.method == "PUT":
        found.append(_IF_MATCH)
    if operation.takes_key:
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "The same for every try of one request: it is done once, and answered the same.",
                "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
            }
        )
    return found


_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of what was read: a change of anything newer is refused.",
    "schema": {"type": "string", "maxLength": 100, "pattern": '^"[0-9]{1,9}"$', "examples": ['"1"']},
}


def _path_schema(part: Part) -> dict[str, Any]:
    return {"type": "string", "maxLength": part.longest, "pattern": part.pattern, "examples": [part.example]}


def _responses(operation: Operation) -> dict[str, Any]:
    statuses = {*operation.answers, *operation.problems, *EVERYBODYS}
    statuses |= {304} if operation.is_tagged else set()
    return {str(status): _response(operation, status) for status in sorted(statuses)}


def _response(operation: Operation, status: int) -> dict[str, Any]:
    headers = ["RateLimit", "RateLimit-Policy"] if operation.is_counted else []
    if (operation.is_tagged and status in (200, 304)) or (operation.is_versioned and status < 300):
        headers.append("ETag")
    if operation.is_done_once and status < 300:
        headers.append("Idempotency-Replayed")
    if operation.needs_key and status == 201:
        headers.append("Location")
    if status in (409, 429):
        headers.append("Retry-After")
    told: dict[str, Any] = {"description": STATUSES[status]}
    if headers:
        told["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
    return told if status in (204, 304) else {**told, "content": _content(operation, status)}


def _content(operation: Operation, status: int) -> dict[str, Any]:
    kinds = operation.answers.get(status)
    content: dict[str, Any] = {}
    if kinds is not None and operation.is_page:
        content["text/html"] = {"schema": {"type": "string"}}
    elif kinds is not None:
        schemas = [reference(kind) for kind in kinds] or [{"type": "object"}]
        content["application/json"] = {"schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas}}
    if status >= 400:
        content["application/problem+json"] = {"schema": reference(rest.Problem)}
    return content
