"""Handshakes of a WebSocket API that its authorizer refuses."""

from __future__ import annotations

from typing import Any


class _UnauthorizedError(Exception):
    """An authorizer of a WebSocket API failed with the one text that means 401."""


def heed_unauthorized() -> None:
    """Answer 401 to a handshake whose authorizer raised "Unauthorized", as API Gateway does; ministack's answer to any
    failure of an authorizer is 500."""
    import ministack.services.apigateway as apigateway
    import ministack.services.lambda_svc as functions

    execute, authorize = functions._execute_function_with_config_scope, apigateway._authorize_ws_connect

    def executed(record: Any, event: dict[str, Any]) -> Any:
        result = execute(record, event)
        failed = isinstance(result, dict) and result.get("error") and result.get("body")
        if event.get("type") == "REQUEST" and isinstance(failed, dict) and failed.get("errorMessage") == "Unauthorized":
            raise _UnauthorizedError
        return result

    async def authorized(*arguments: Any) -> Any:
        try:
            return await authorize(*arguments)
        except _UnauthorizedError:
            return (401, "Unauthorized"), None

    functions._execute_function_with_config_scope = executed
    apigateway._authorize_ws_connect = authorized
