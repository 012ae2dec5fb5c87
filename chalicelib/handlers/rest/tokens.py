"""``POST /v1/tokens``."""

from __future__ import annotations

from chalice import Blueprint, Response

from chalicelib.handlers.rest.answering import Asked, Reply, answered
from chalicelib.handlers.rest.repeats import once
from chalicelib.protocol.pushes import rfc3339
from chalicelib.protocol.rest import IssuedTokenBody, NoQuery

routes = Blueprint(__name__)


@routes.route("/tokens", methods=["POST", "OPTIONS"], content_types=[])
def tokens() -> Response:
    """A token for the socket's handshake: for the owner of x-api-key, or anonymous."""
    return answered(routes.current_request, "tokens", _tokens)


def _tokens(asked: Asked) -> Reply:
    asked.query(NoQuery)
    keep_s = asked.container.settings.token_seconds  # so long the answer is of use
    text, headers = once(asked, lambda: _issued(asked), keep_s=keep_s)
    return Reply(text, status=201, headers=headers)


def _issued(asked: Asked) -> IssuedTokenBody:
    issued = asked.container.tokens.issue(api_key=asked.header("x-api-key"), address=asked.caller.party)
    fastest = asked.container.settings.tiers[issued.tier].fastest_rate
    return IssuedTokenBody(issued.token, rfc3339(issued.expires_at), issued.tier, fastest)
