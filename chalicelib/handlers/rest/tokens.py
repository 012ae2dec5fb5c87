"""``POST /v1/tokens``."""

from __future__ import annotations

import msgspec
from chalice import Blueprint, Response

from chalicelib.handlers.rest.answering import Asked, Reply, answered
from chalicelib.protocol.pushes import rfc3339
from chalicelib.protocol.rest import IssuedTokenBody, NoQuery

routes = Blueprint(__name__)


@routes.route("/tokens", methods=["POST", "OPTIONS"], content_types=[])
def tokens() -> Response:
    """A token for the socket's handshake: for the owner of x-api-key, or anonymous."""
    return answered(routes.current_request, "tokens", _tokens)


def _tokens(asked: Asked) -> Reply:
    asked.query(NoQuery)
    key = asked.header("idempotency-key")
    if key is None:
        return Reply(_issued(asked), status=201)
    text, replayed = asked.container.do_once.run(
        key,
        party=asked.caller.party,
        what="POST /v1/tokens",
        body=asked.body,
        keep_s=asked.container.settings.token_seconds,  # so long the answer is of use
        make=lambda: msgspec.json.encode(_issued(asked)).decode(),
    )
    return Reply(text, status=201, headers={"Idempotency-Replayed": "true"} if replayed else {})


def _issued(asked: Asked) -> IssuedTokenBody:
    issued = asked.container.tokens.issue(api_key=asked.header("x-api-key"), address=asked.caller.party)
    fastest = asked.container.settings.tiers[issued.tier].fastest_rate
    return IssuedTokenBody(issued.token, rfc3339(issued.expires_at), issued.tier, fastest)
