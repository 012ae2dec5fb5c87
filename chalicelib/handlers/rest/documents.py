"""``GET /v1/openapi.json``: the description of this API, made by scripts/apidocs from the types it is built of."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from chalice import Blueprint, Response

from chalicelib.handlers.rest.answering import Asked, Reply, answered
from chalicelib.protocol.rest import NoQuery

routes = Blueprint(__name__)

OPENAPI = Path(__file__).with_name("openapi.json")
KEPT = "public, max-age=300"


@routes.route("/openapi.json", methods=["GET", "OPTIONS"], content_types=[])
def openapi() -> Response:
    """The OpenAPI document."""
    return answered(routes.current_request, "openapi", _openapi, counted=False)


def _openapi(asked: Asked) -> Reply:
    asked.query(NoQuery)
    return Reply(_text(), cache=KEPT)


@cache
def _text() -> str:
    return OPENAPI.read_text()
