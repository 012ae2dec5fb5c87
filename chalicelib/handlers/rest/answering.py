"""The edge of the REST API: who asks, how much, what is answered and how it is said when it cannot be.

A route is one call of ``answered`` with a function from ``Asked`` to ``Reply``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

import msgspec
import structlog
from chalice import Response

from chalicelib.container import container
from chalicelib.domain.addresses import party_of, viewer_of
from chalicelib.errors import (
    AuthenticationError,
    DefiStreamError,
    LimitError,
    MalformedError,
    RefusedError,
    TemporaryError,
    TooManyRequestsError,
    UnsupportedMediaError,
)
from chalicelib.handlers.rest import cors, etag, quota
from chalicelib.protocol.rest import asked, problem_of
from chalicelib.telemetry import invocation, metrics

if TYPE_CHECKING:
    from chalicelib.container import Container
    from chalicelib.services.callers import Caller, Quota

log = structlog.get_logger()
T = TypeVar("T", bound=msgspec.Struct)
Headers = dict[str, str | list[str]]

# The protocol's: what the others say is for the operator.
CLIENTS_ERRORS = (MalformedError, RefusedError, LimitError, AuthenticationError, TemporaryError)

JSON = "application/json"
NEVER_KEPT = "no-store"
ASKED_AGAIN = "private, no-cache"  # may be kept, if its ETag is asked about every time


@dataclass(frozen=True)
class Asked:
    """A request; ``caller`` is who made it."""

    request: Any
    caller: Caller
    container: Container

    def query(self, kind: type[T]) -> T:
        """The address's parameters. Raises WrongTypeError."""
        return asked(kind, parameters(self.request))

    def path(self, name: str) -> str:
        """A part of the path. API Gateway leaves it as it was sent, percent-encoded."""
        return unquote(self.request.uri_params[name])

    def header(self, name: str) -> str | None:
        value: str | None = self.request.headers.get(name)
        return value

    @property
    def body(self) -> bytes:
        raw: bytes = self.request.raw_body
        return raw

    @property
    def json(self) -> bytes:
        """The body, which is said to be JSON, or not said to be anything. Raises UnsupportedMediaError."""
        kind = (self.header("content-type") or JSON).partition(";")[0].strip().lower()
        if kind != JSON:
            raise UnsupportedMediaError(f"the body has to be {JSON}, not {kind:.60}")
        return self.body

    @property
    def user(self) -> str:
        """The owner of the key. Raises AuthenticationError without one."""
        if self.caller.user is None:
            raise AuthenticationError("this needs an API key: send it in the header x-api-key")
        return self.caller.user


@dataclass(frozen=True)
class Reply:
    """``body`` is told as JSON, or is the text of ``headers``' type already; None is none at all."""

    body: msgspec.Struct | str | None
    status: int = 200
    cache: str = NEVER_KEPT
    headers: Mapping[str, str] = field(default_factory=dict)


def parameters(request: Any) -> dict[str, Sequence[str]]:
    found = request.query_params
    return {} if found is None else {name: found.getlist(name) for name in found}


def answered(request: Any, name: str, work: Callable[[Asked], Reply], *, counted: bool = True) -> Response:
    """What ``work`` makes of a request, or the problem that it had. ``counted``: it is one of the caller's minute."""
    if request.method == "OPTIONS":
        return Response("", status_code=204, headers={**cors.preflight(request, container().settings.allowed_origins)})
    with invocation(name, request_id=request.context.get("requestId")):
        shared: Headers = {}
        try:
            shared |= cors.headers(request, container().settings.allowed_origins)
            caller = _caller(request)
            left = container().callers.count(caller) if counted else None
            shared |= quota.headers(left)
            _check(left)
            return _response(request, work(Asked(request, caller, container())), shared)
        except CLIENTS_ERRORS as error:
            return problem(error, shared)
        except Exception:
            log.exception("request_failed")
            metrics.count("ProcessingErrors")
            told = f"something went wrong here: tell us request {request.context['requestId']}"
            return problem(TemporaryError(told), shared)


def _check(left: Quota | None) -> None:
    if left is not None and left.wait_s:
        told = f"more than {left.per_minute} requests a minute"
        raise TooManyRequestsError(told, retry_after=round(left.wait_s, 3))


def _caller(request: Any) -> Caller:
    """Behind our CDN the gateway sees only the CDN; without it anyone could send the CDN's header."""
    viewer = request.headers.get("cloudfront-viewer-address")
    is_behind = container().settings.origin_secret_ids and viewer
    address = viewer_of(viewer) if is_behind else request.context["identity"]["sourceIp"]
    return container().callers.identify(api_key=request.headers.get("x-api-key"), address=party_of(address))


def _response(request: Any, reply: Reply, shared: Headers) -> Response:
    if reply.body is None:
        return Response("", status_code=reply.status, headers={"Cache-Control": reply.cache, **shared, **reply.headers})
    text = reply.body if isinstance(reply.body, str) else text_of(reply.body)
    headers: Headers = {"Content-Type": JSON, "Cache-Control": reply.cache, **shared, **reply.headers}
    if reply.cache != NEVER_KEPT:
        headers["ETag"] = tag = etag.of(text)
        if etag.is_known(request.headers.get("if-none-match"), tag):
            del headers["Content-Type"]
            return Response("", status_code=304, headers=headers)
    return Response(text, status_code=reply.status, headers=headers)


def text_of(body: msgspec.Struct) -> str:
    return msgspec.json.encode(body).decode()


def problem(error: DefiStreamError, shared: Headers) -> Response:
    """RFC 9457."""
    headers: Headers = {"Content-Type": "application/problem+json", "Cache-Control": NEVER_KEPT, **shared}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    text = msgspec.json.encode(problem_of(error)).decode()
    return Response(text, status_code=error.http_status, headers=headers)
