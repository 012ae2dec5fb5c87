"""``GET /v1/health``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from chalice import Blueprint, Response

from chalicelib.handlers.rest.answering import Asked, Reply, answered
from chalicelib.protocol.pushes import rfc3339
from chalicelib.protocol.rest import DependencyHealth, HealthBody, NoQuery, SourceBody

if TYPE_CHECKING:
    from chalicelib.services.health import SourceHealth

routes = Blueprint(__name__)


@routes.route("/health", methods=["GET", "OPTIONS"], content_types=[])
def health() -> Response:
    """Whether every store answers, and when each source was polled with success; 503 if the socket cannot work."""
    return answered(routes.current_request, "health", _health, counted=False)


def _health(asked: Asked) -> Reply:
    asked.query(NoQuery)
    report, settings = asked.container.health.run(), asked.container.settings
    body = HealthBody(
        status=report.status,
        stage=settings.stage,
        version=settings.version,
        dependencies={name: DependencyHealth(**asdict(store)) for name, store in report.stores.items()},
        sources={kind: _source(source) for kind, source in report.sources.items()},
    )
    return Reply(body, status=503 if report.status == "down" else 200)


def _source(source: SourceHealth) -> SourceBody:
    next_poll = rfc3339(source.next_poll) if source.next_poll else None
    return SourceBody(source.status, source.age_s, source.records, next_poll)
