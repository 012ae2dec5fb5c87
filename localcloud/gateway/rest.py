"""The REST API: requests to Lambda proxy events and answers back, with API Gateway's refusals."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import logging
import re
import uuid
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import CIMultiDict

from localcloud.gateway import events
from localcloud.gateway.ingress import address_and_headers
from localcloud.gateway.integration import Integration, IntegrationError, IntegrationTimeoutError
from localcloud.gateway.throttle import GatewayLimits, TokenBucket

log = logging.getLogger(__name__)

BINARY_TYPES = frozenset(  # what Chalice declares as binaryMediaTypes
    {
        "application/octet-stream",
        "application/x-tar",
        "application/zip",
        "audio/basic",
        "audio/ogg",
        "audio/mp4",
        "audio/mpeg",
        "audio/wav",
        "audio/webm",
        "image/png",
        "image/jpg",
        "image/jpeg",
        "image/gif",
        "video/ogg",
        "video/mpeg",
        "video/webm",
    }
)
_ANSWER_KEYS = {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}
_OWN_HEADERS = {"connection", "content-length", "date", "server", "transfer-encoding"}  # ours to write


class MalformedAnswerError(Exception):
    """The function's answer is no Lambda proxy response."""


class Routes:
    """``"GET /v1/topics/{name}"`` lines, matched as API Gateway does: literals before parameters before ``{name+}``."""

    def __init__(self, lines: Iterable[str]) -> None:
        methods: dict[str, set[str]] = {}
        for line in lines:
            method, _, resource = line.strip().partition(" ")
            methods.setdefault(resource.strip(), set()).add(method.upper())
        self._methods = methods
        self._patterns = [(re.compile(_pattern(name)), name) for name in sorted(methods, key=_specificity)]

    def find(self, path: str) -> tuple[str, dict[str, str]] | None:
        """The resource of a percent-encoded path and its parameters, percent-encoded too."""
        path = path.rstrip("/") or "/"
        for pattern, resource in self._patterns:
            if match := pattern.fullmatch(path):
                names = re.findall(r"{(\w+)\+?}", resource)
                return resource, dict(zip(names, match.groups(), strict=True))
        return None

    def has(self, method: str, resource: str) -> bool:
        return bool({method, "ANY"} & self._methods[resource])


class RestApi:
    """Proxies to ``function``; compresses for who accepts it, as with a MinimumCompressionSize."""

    def __init__(
        self,
        api: events.Api,
        integration: Integration,
        account: TokenBucket,
        limits: GatewayLimits,
        *,
        function: str,
        routes: Iterable[str],
    ) -> None:
        self._api = api
        self._integration = integration
        self._account = account
        self._limits = limits
        self._function = function
        self._routes = Routes(routes)

    async def handle(self, request: web.Request) -> web.Response:
        if not self._account.take():
            return _error(429, "Too Many Requests", "TooManyRequestsException")
        path = request.raw_path.partition("?")[0]
        found = self._routes.find(path)
        if found is None or not self._routes.has(request.method, found[0]):
            return _error(403, "Missing Authentication Token", "MissingAuthenticationTokenException")
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            text = f"HTTP content length exceeded {self._limits.rest_body_bytes} bytes."
            return _error(413, text, "RequestTooLargeException")
        response = await self._proxy(self._event(request, path, *found, body))
        return _compressed(request, response, self._limits.compress_from_bytes)

    def _event(
        self, request: web.Request, path: str, resource: str, parameters: dict[str, str], body: bytes
    ) -> dict[str, Any]:
        address, headers = address_and_headers(request)
        binary = request.content_type in BINARY_TYPES
        text = base64.b64encode(body).decode() if binary else body.decode("utf-8", "replace")
        return events.rest_event(
            self._api,
            method=request.method,
            resource=resource,
            path=path,
            path_parameters=parameters,
            headers=headers,
            query=parse_qsl(request.raw_path.partition("?")[2], keep_blank_values=True),
            source_ip=address,
            body=text if body else None,
            is_base64=binary and bool(body),
        )

    async def _proxy(self, event: dict[str, Any]) -> web.Response:
        try:
            answer = await self._integration.call(self._function, event)
            return _response(answer, event["requestContext"]["requestId"])
        except IntegrationTimeoutError:
            return _error(504, "Endpoint request timed out", "InternalServerErrorException")
        except (IntegrationError, MalformedAnswerError) as error:
            log.warning("%s %s failed: %s", event["httpMethod"], event["path"], error)
            return _error(502, "Internal server error", "InternalServerErrorException")


def _response(answer: Any, request_id: str) -> web.Response:
    if not isinstance(answer, dict) or not answer.keys() <= _ANSWER_KEYS:
        raise MalformedAnswerError(f"not a proxy answer: {answer!r:.200}")
    try:
        status = int(answer["statusCode"])
        body = _body(answer)
        headers = _headers(answer)
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise MalformedAnswerError(f"not a proxy answer: {error!r}") from error
    if not 100 <= status <= 599:
        raise MalformedAnswerError(f"status {status}")
    headers.setdefault("Content-Type", "application/json")
    headers["x-amzn-RequestId"] = request_id
    return web.Response(status=status, body=body, headers=headers)


def _body(answer: dict[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise TypeError("body is not a string")
    return base64.b64decode(body, validate=True) if answer.get("isBase64Encoded") else body.encode()


def _headers(answer: dict[str, Any]) -> CIMultiDict[str]:
    """Both kinds of headers; a name in both keeps the values of ``multiValueHeaders``."""
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in (answer.get("headers") or {}).items():
        headers[name] = _scalar(value)
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        headers.popall(name, None)
        for value in values:
            headers.add(name, _scalar(value))
    for name in _OWN_HEADERS & {name.lower() for name in headers}:
        remapped = headers.popall(name)[0]
        if name in ("connection", "date", "server"):
            headers[f"x-amzn-Remapped-{name.title()}"] = remapped
    return headers


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise TypeError("a header is neither string, number nor boolean")
    text = str(value)
    if "\r" in text or "\n" in text:
        raise ValueError("a header has a line break")
    return text


def _compressed(request: web.Request, response: web.Response, from_bytes: int) -> web.Response:
    body = response.body
    if isinstance(body, bytes) and len(body) >= from_bytes and "Content-Encoding" not in response.headers:
        accepted = {each.partition(";")[0].strip().lower() for each in _values(request, "Accept-Encoding")}
        if "gzip" in accepted:
            response.body = gzip.compress(body, compresslevel=6, mtime=0)
            response.headers["Content-Encoding"] = "gzip"
    return response


def _values(request: web.Request, header: str) -> list[str]:
    """Of a header that is a list; what is weighted 0 is not wanted."""
    values = [each.strip() for each in ",".join(request.headers.getall(header, [])).split(",")]
    return [each for each in values if not re.search(r";\s*q=0(\.0*)?$", each)]


def _error(status: int, message: str, error_type: str) -> web.Response:
    return web.Response(
        status=status,
        text=json.dumps({"message": message}),
        content_type="application/json",
        headers={"x-amzn-ErrorType": error_type, "x-amzn-RequestId": str(uuid.uuid4())},
    )


def _pattern(resource: str) -> str:
    parts = re.split(r"({\w+\+?})", resource)
    return "".join(
        ("(.+)" if part.endswith("+}") else "([^/]+)") if part.startswith("{") else re.escape(part) for part in parts
    )


def _specificity(resource: str) -> list[tuple[int, str]]:
    return [(0 if "{" not in part else 2 if "+" in part else 1, part) for part in resource.split("/")]
