"""The REQUEST authorizer of the WebSocket API's $connect route."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from chalicelib.domain.origin import ORIGIN_HEADERS
from chalicelib.errors import AuthenticationError, NotAllowedError
from chalicelib.telemetry import invocation, metrics

if TYPE_CHECKING:
    from chalicelib.services.authorize import AuthorizeConnection


def authorize(event: dict[str, Any], service: AuthorizeConnection) -> dict[str, Any]:
    """An IAM policy with the caller's identity as its context.

    API Gateway answers 401 if and only if the error's text is "Unauthorized", and 403 to a policy that denies.
    """
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    query = event.get("queryStringParameters") or {}
    context = event["requestContext"]
    with invocation("authorize", request_id=context.get("requestId"), connection_id=context.get("connectionId")):
        unauthorized = False
        try:
            identity = service.run(
                token=query.get("token"),
                api_key=headers.get("x-api-key"),
                origin=headers.get("origin"),
                origin_verify=[headers.get(name, "") for name in ORIGIN_HEADERS],
            )
        except AuthenticationError as error:
            structlog.get_logger().info("handshake_refused", reason=error.name)
            metrics.count("ConnectionsRefused")
            unauthorized = True
        except NotAllowedError as error:
            structlog.get_logger().info("handshake_refused", reason=str(error))
            metrics.count("ConnectionsRefused")
            return _policy("nobody", "Deny", event["methodArn"], {})
        finally:
            metrics.record("HandshakesUnauthorized", int(unauthorized))  # alarms subtract it from Lambda's errors
    if unauthorized:
        raise Exception("Unauthorized")  # out here: to refuse is not to fail, and is not logged as that
    found = {"user": identity.user, "tier": identity.tier, "session_ms": str(identity.session_ms)}
    return _policy(identity.user, "Allow", event["methodArn"], found)


def _policy(principal: str, effect: str, arn: str, context: dict[str, str]) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": arn}
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": context,
    }
