"""Functions of a WebSocket API, invoked like all others.

ministack calls their workers itself, by the name of the alias: no log, no metric, and the version of the first call
for as long as its worker lives, wherever the alias points.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.account.ministack.weights import ALIAS

Execute = Callable[[dict[str, Any], Any], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Invoked:
    """What stands where ministack's gateway expects a worker: ``execute`` is the way that every invocation goes."""

    record: dict[str, Any]
    execute: Execute

    def invoke(self, event: Any, _request_id: str = "") -> dict[str, Any]:
        result = self.execute(self.record, event)
        if result.get("error") or result.get("throttle"):
            return {"status": "ok", "result": {"statusCode": 500, "body": _failure(event["requestContext"])}}
        return {"status": "ok", "result": result.get("body")}


def _failure(request: Mapping[str, Any]) -> str:
    """What API Gateway sends of its own to a client whose function failed; ministack sends the text of the error."""
    named = {name: request.get(name) for name in ("connectionId", "requestId")}
    return json.dumps({"message": "Internal server error", **named})


def install() -> None:
    import ministack.core.lambda_runtime as runtime
    import ministack.services.lambda_svc as functions

    def invoked(_name: str, config: Any, code_zip: bytes, qualifier: str = "$LATEST") -> Invoked:
        by_number = qualifier == "$LATEST" or qualifier.isdigit()
        record = {"config": config, "code_zip": code_zip, ALIAS: None if by_number else qualifier}
        return Invoked(record, lambda record, event: functions._execute_function(record, event))

    runtime.get_or_create_worker = invoked  # the gateway alone asks for one by this name
