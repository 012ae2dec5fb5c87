"""$connect, $default and $disconnect: API Gateway's events in, our answers out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.errors import DefiStreamError
from chalicelib.ports import Identity
from chalicelib.protocol.pushes import error_body
from chalicelib.telemetry import invocation

if TYPE_CHECKING:
    from chalicelib.services.commands import HandleCommand
    from chalicelib.services.sessions import ManageSessions


def connect(event: Any, sessions: ManageSessions) -> dict[str, Any]:
    """200, 429 (too many connections) or 503: what is not 200 refuses the handshake."""
    request, connection = _request(event)
    identity = _identity(request)
    with invocation("connect", **_fields(request, identity)):
        try:
            sessions.open(connection, identity)
        except DefiStreamError as error:
            return {"statusCode": error.http_status, "body": str(error_body(error)["name"])}
        return {"statusCode": 200}


def message(event: Any, commands: HandleCommand) -> dict[str, Any]:
    """The reply travels back through the route response."""
    request, connection = _request(event)
    identity = _identity(request)
    with invocation("message", **_fields(request, identity)):
        reply = commands.run(
            connection,
            identity,
            event.body or "",
            connected_at_ms=int(request["connectedAt"]),
            request_id=request["requestId"],
        )
        return {"statusCode": 200, "body": reply}


def disconnect(event: Any, sessions: ManageSessions) -> dict[str, Any]:
    request, connection = _request(event)
    with invocation("disconnect", **_fields(request, None)):
        sessions.end([connection])
        return {"statusCode": 200}


def _request(event: Any) -> tuple[dict[str, Any], str]:
    request = event.to_dict()["requestContext"]
    return request, request["connectionId"]


def _identity(request: dict[str, Any]) -> Identity:
    """What the authorizer found; API Gateway makes every value of its context a text."""
    found = request["authorizer"]
    return Identity(user=found["user"], tier=found["tier"], session_ms=int(found["session_ms"]))


def _fields(request: dict[str, Any], identity: Identity | None) -> dict[str, Any]:
    return {
        "request_id": request.get("requestId"),
        "connection_id": request["connectionId"],
        "user_id": identity.user if identity else None,
    }
