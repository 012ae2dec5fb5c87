"""The events that API Gateway sends to functions, field for field.

Shapes: the developer guide's "Set up a WebSocket API integration request", "Input to a Lambda REQUEST authorizer"
and "Input format of a Lambda function for proxy integration" (payload 1.0, REST).
"""

from __future__ import annotations

import base64
import os
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Pairs = Iterable[tuple[str, str]]


def new_id() -> str:
    """A connection, message or request id as API Gateway forms it: 16 characters ending in ``=``."""
    return base64.urlsafe_b64encode(os.urandom(11)).decode()


def now_ms() -> int:
    return int(time.time() * 1000)


def single(pairs: Pairs) -> dict[str, str]:
    """Name to last value."""
    return dict(pairs)


def multi(pairs: Pairs) -> dict[str, list[str]]:
    """Name to all values, in order."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


@dataclass(frozen=True, slots=True)
class Api:
    """An API as its events and ARNs name it."""

    api_id: str
    stage: str
    region: str
    account_id: str

    @property
    def domain_name(self) -> str:
        return f"{self.api_id}.execute-api.{self.region}.amazonaws.com"

    def arn(self, path: str) -> str:
        return f"arn:aws:execute-api:{self.region}:{self.account_id}:{self.api_id}/{self.stage}/{path}"


@dataclass(slots=True)
class Client:
    """The other end of a socket: what every event of its connection repeats."""

    connection_id: str
    connected_at_ms: int
    source_ip: str
    headers: list[tuple[str, str]]
    query: list[tuple[str, str]]
    authorizer: dict[str, Any] | None = None  # what the authorizer said, added to every later event
    user_agent: str | None = field(init=False)

    def __post_init__(self) -> None:
        self.user_agent = next((value for name, value in self.headers if name.lower() == "user-agent"), None)

    @property
    def identity(self) -> dict[str, Any]:
        identity: dict[str, Any] = {"sourceIp": self.source_ip}
        if self.user_agent is not None:
            identity["userAgent"] = self.user_agent
        return identity


def authorize_event(api: Api, client: Client) -> dict[str, Any]:
    """The REQUEST authorizer's event of a ``$connect``."""
    return {
        "type": "REQUEST",
        "methodArn": api.arn("$connect"),
        **_handshake(client),
        "stageVariables": {},
        "requestContext": _context(api, client, "$connect", "CONNECT"),
    }


def connect_event(api: Api, client: Client) -> dict[str, Any]:
    context = _context(api, client, "$connect", "CONNECT")
    return {**_handshake(client), "requestContext": context, "isBase64Encoded": False}


def message_event(api: Api, client: Client, body: str) -> dict[str, Any]:
    context = _context(api, client, "$default", "MESSAGE")
    context["messageId"] = new_id()
    return {"requestContext": context, "body": body, "isBase64Encoded": False}


def disconnect_event(api: Api, client: Client, code: int, reason: str) -> dict[str, Any]:
    context = _context(api, client, "$disconnect", "DISCONNECT")
    context["disconnectStatusCode"] = code
    context["disconnectReason"] = reason
    # AWS repeats no header of the handshake here but these, empty.
    headers = {"Host": api.domain_name, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    return {
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "requestContext": context,
        "isBase64Encoded": False,
    }


def rest_event(
    api: Api,
    *,
    method: str,
    resource: str,
    path: str,
    path_parameters: Mapping[str, str],
    headers: list[tuple[str, str]],
    query: list[tuple[str, str]],
    source_ip: str,
    body: str | None,
    is_base64: bool,
) -> dict[str, Any]:
    """A REST API's proxy event. As on AWS ``path`` and its parameters stay percent-encoded, ``query`` is decoded."""
    now = now_ms()
    agent = next((value for name, value in headers if name.lower() == "user-agent"), None)
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": single(headers),
        "multiValueHeaders": multi(headers),
        "queryStringParameters": single(query) or None,
        "multiValueQueryStringParameters": multi(query) or None,
        "pathParameters": dict(path_parameters) or None,
        "stageVariables": None,
        "requestContext": {
            "resourceId": base64.b32encode(resource.encode()).decode().lower()[:6],
            "resourcePath": resource,
            "httpMethod": method,
            "extendedRequestId": new_id(),
            "requestTime": _request_time(now),
            "path": f"/{api.stage}{path}",
            "accountId": api.account_id,
            "protocol": "HTTP/1.1",
            "stage": api.stage,
            "domainPrefix": api.api_id,
            "requestTimeEpoch": now,
            "requestId": str(uuid.uuid4()),
            "identity": {**_NO_IDENTITY, "sourceIp": source_ip, "userAgent": agent},
            "domainName": api.domain_name,
            "apiId": api.api_id,
        },
        "body": body,
        "isBase64Encoded": is_base64,
    }


_NO_IDENTITY: Mapping[str, None] = dict.fromkeys(
    (
        "cognitoIdentityPoolId",
        "accountId",
        "cognitoIdentityId",
        "caller",
        "accessKey",
        "cognitoAuthenticationType",
        "cognitoAuthenticationProvider",
        "userArn",
        "user",
    )
)


def forwarded(headers: list[tuple[str, str]], source_ip: str, port: int) -> list[tuple[str, str]]:
    """The client's headers with those that API Gateway adds."""
    added = {"x-forwarded-for", "x-forwarded-port", "x-forwarded-proto", "x-amzn-trace-id"}
    before = [value for name, value in headers if name.lower() == "x-forwarded-for"]
    trace = next((value for name, value in headers if name.lower() == "x-amzn-trace-id"), _trace_id())
    kept = [(name, value) for name, value in headers if name.lower() not in added]
    return [
        *kept,
        ("X-Amzn-Trace-Id", trace),
        ("X-Forwarded-For", ", ".join((*before, source_ip))),
        ("X-Forwarded-Port", str(port)),
        ("X-Forwarded-Proto", "http"),
    ]


def _trace_id() -> str:
    return f"Root=1-{int(time.time()):08x}-{os.urandom(12).hex()}"


def _handshake(client: Client) -> dict[str, Any]:
    shape: dict[str, Any] = {"headers": single(client.headers), "multiValueHeaders": multi(client.headers)}
    if client.query:  # AWS leaves the keys out, rather than null, when there is no query string
        shape["queryStringParameters"] = single(client.query)
        shape["multiValueQueryStringParameters"] = multi(client.query)
    return shape


def _context(api: Api, client: Client, route: str, kind: str) -> dict[str, Any]:
    now = now_ms()
    request_id = new_id()
    context: dict[str, Any] = {
        "routeKey": route,
        "eventType": kind,
        "extendedRequestId": request_id,
        "requestTime": _request_time(now),
        "messageDirection": "IN",
        "stage": api.stage,
        "connectedAt": client.connected_at_ms,
        "requestTimeEpoch": now,
        "identity": client.identity,
        "requestId": request_id,
        "domainName": api.domain_name,
        "connectionId": client.connection_id,
        "apiId": api.api_id,
    }
    if client.authorizer is not None:
        context["authorizer"] = client.authorizer
    return context


def _request_time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
