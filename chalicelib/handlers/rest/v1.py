"""The REST API, version 1. Errors are problems (RFC 9457) with the protocol's names and codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import structlog
from chalice import Blueprint, Response

from chalicelib.container import container
from chalicelib.domain.addresses import party_of, viewer_of
from chalicelib.domain.topics import PRIVATE_KINDS, kind_of
from chalicelib.errors import DefiStreamError, MalformedError, NotAllowedError, TemporaryError, UnknownTopicError
from chalicelib.protocol.commands import is_subscribable
from chalicelib.protocol.pushes import error_body, rfc3339
from chalicelib.telemetry import invocation, metrics

if TYPE_CHECKING:
    from chalicelib.services.health import SourceHealth

routes = Blueprint(__name__)
log = structlog.get_logger()

PAGE = 500


def _answer(name: str, work: Callable[[Any], dict[str, Any]], *, status: int = 200) -> Response:
    request = routes.current_request
    with invocation(name, request_id=request.context.get("requestId")):
        try:
            return Response(work(request), status_code=status, headers=_headers("application/json"))
        except DefiStreamError as error:
            return _problem(error)
        except Exception:
            log.exception("request_failed")
            metrics.count("ProcessingErrors")
            return _problem(
                TemporaryError(f"something went wrong here: tell us request {request.context['requestId']}")
            )


def _headers(content_type: str) -> dict[str, str | list[str]]:
    return {"Content-Type": content_type, "Cache-Control": "no-store"}


def _problem(error: DefiStreamError) -> Response:
    body = error_body(error)
    problem = {
        "type": f"https://defi-stream.dev/errors/{error.name}",
        "title": error.name.replace("_", " "),
        "status": error.http_status,
        "detail": body.pop("message"),
        **body,
    }
    headers = _headers("application/problem+json")
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    return Response(problem, status_code=error.http_status, headers=headers)


def _party(request: Any) -> str:
    """Whose limits count. Behind our CDN the gateway sees only the CDN; without it anyone could send its header."""
    viewer = request.headers.get("cloudfront-viewer-address")
    if container().settings.origin_secret_ids and viewer:
        return party_of(viewer_of(viewer))
    return party_of(request.context["identity"]["sourceIp"])


@routes.route("/tokens", methods=["POST"], cors=True)
def tokens() -> Response:
    """A token for the socket's handshake: for the owner of x-api-key, or anonymous."""

    def work(request: Any) -> dict[str, Any]:
        api_key = request.headers.get("x-api-key")
        issued = container().tokens.issue(api_key=api_key, address=_party(request))
        fastest = container().settings.tiers[issued.tier].fastest_rate
        return {
            "token": issued.token,
            "expires_at": rfc3339(issued.expires_at),
            "tier": issued.tier,
            "fastest_rate": fastest,
        }

    return _answer("tokens", work, status=201)


@routes.route("/topics", methods=["GET"], cors=True)
def topics() -> Response:
    """Topics that match a topic or wildcard, with their newest value; ``cursor`` continues a long list."""

    def work(request: Any) -> dict[str, Any]:
        query = request.query_params or {}
        cursor = query.get("cursor", "0")
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 20 and int(cursor) < 2**64):
            raise MalformedError("cursor is what the page before called next")
        pattern = query.get("match", "price:*")
        if not is_subscribable(pattern):
            raise UnknownTopicError(f"no topic {pattern!r:.150}")
        if kind_of(pattern) in PRIVATE_KINDS:
            raise NotAllowedError("alerts are private")
        found, following = container().catalogue.topics(pattern, cursor=int(cursor), limit=PAGE)
        listed = [{"topic": topic, "value": value, "observed_at": at} for topic, value, at in found]
        return {"topics": listed, "next": str(following) if following else None}

    return _answer("topics", work)


@routes.route("/health", methods=["GET"], cors=True)
def health() -> Response:
    """Whether the store that the socket needs answers, and when each source was polled with success."""

    def work(_: Any) -> dict[str, Any]:
        report = container().health.run()
        sources = {kind: _source(source) for kind, source in report.sources.items()}
        return {"status": report.status, "stage": container().settings.stage, "sources": sources}

    return _answer("health", work)


def _source(source: SourceHealth) -> dict[str, Any]:
    return {**asdict(source), "next_poll": rfc3339(source.next_poll) if source.next_poll else None}
