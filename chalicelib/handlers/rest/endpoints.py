"""``/v1/endpoints``: a user's webhooks and e-mail addresses."""

from __future__ import annotations

import re

import msgspec
from chalice import Blueprint, Response

from chalicelib.errors import UnknownEndpointError
from chalicelib.handlers.rest.answering import Asked, Reply, answered
from chalicelib.handlers.rest.repeats import once
from chalicelib.protocol.rest import NoQuery
from chalicelib.protocol.rest_alerts import EndpointBody, EndpointsList, endpoint_body, read_endpoint

routes = Blueprint(__name__)

_ENDPOINT_ID = re.compile(r"en_[A-Za-z0-9_-]{1,60}\Z")
SECRET_S = 600  # so long an answer that holds a secret is known by its key, for who did not get it


@routes.route("/endpoints", methods=["GET", "POST", "OPTIONS"], content_types=[])
def endpoints() -> Response:
    """Endpoints: all of one's own, and another one."""
    request = routes.current_request
    return answered(request, "endpoints", _create if request.method == "POST" else _list)


@routes.route("/endpoints/{id}", methods=["GET", "DELETE", "OPTIONS"], content_types=[])
def endpoint(id: str) -> Response:
    """One endpoint."""
    request = routes.current_request
    return answered(request, "endpoint", _delete if request.method == "DELETE" else _find)


@routes.route("/endpoints/{id}/verify", methods=["POST", "OPTIONS"], content_types=[])
def verify(id: str) -> Response:
    """Ping the webhook, or write to the address, once more."""
    return answered(routes.current_request, "verify_endpoint", _verify)


@routes.route("/endpoints/{id}/rotate", methods=["POST", "OPTIONS"], content_types=[])
def rotate(id: str) -> Response:
    """Another secret."""
    return answered(routes.current_request, "rotate_endpoint", _rotate)


@routes.route("/endpoints/{id}/enable", methods=["POST", "OPTIONS"], content_types=[])
def enable(id: str) -> Response:
    """Tell it alerts again."""
    return answered(routes.current_request, "enable_endpoint", _enable)


def _list(asked: Asked) -> Reply:
    asked.query(NoQuery)
    found = asked.container.endpoints.of_user(asked.user)
    return Reply(EndpointsList([endpoint_body(each) for each in found]))


def _create(asked: Asked) -> Reply:
    asked.query(NoQuery)
    user, (kind, address) = asked.user, read_endpoint(asked.json)

    def make() -> EndpointBody:
        return endpoint_body(*asked.container.endpoints.create(user, kind, address))

    text, headers = once(asked, make, keep_s=SECRET_S)
    made = msgspec.json.decode(text, type=EndpointBody)
    return Reply(text, status=201, headers={**headers, "Location": f"/v1/endpoints/{made.id}"})


def _find(asked: Asked) -> Reply:
    asked.query(NoQuery)
    return Reply(endpoint_body(asked.container.endpoints.find(asked.user, _id(asked))))


def _delete(asked: Asked) -> Reply:
    asked.query(NoQuery)
    asked.container.endpoints.delete(asked.user, _id(asked))
    return Reply(None, status=204)


def _verify(asked: Asked) -> Reply:
    asked.query(NoQuery)
    user, name = asked.user, _id(asked)
    text, headers = once(asked, lambda: endpoint_body(asked.container.endpoints.verify(user, name)))
    return Reply(text, status=202, headers=headers)


def _rotate(asked: Asked) -> Reply:
    asked.query(NoQuery)
    user, name = asked.user, _id(asked)
    text, headers = once(asked, lambda: endpoint_body(*asked.container.endpoints.rotate(user, name)), keep_s=SECRET_S)
    return Reply(text, headers=headers)


def _enable(asked: Asked) -> Reply:
    asked.query(NoQuery)
    user, name = asked.user, _id(asked)
    text, headers = once(asked, lambda: endpoint_body(asked.container.endpoints.enable(user, name)))
    return Reply(text, headers=headers)


def _id(asked: Asked) -> str:
    """Anything else than an endpoint's id no store need be asked for. Raises UnknownEndpointError."""
    text = asked.path("id")
    if not _ENDPOINT_ID.match(text):
        raise UnknownEndpointError(f"there is no endpoint {text!r:.40}")
    return text
