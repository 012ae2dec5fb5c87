"""Functions of a WebSocket API, invoked like all others.

ministack calls their workers itself, by the name of the alias: no log, no metric, and the version of the first call
for as long as its worker lives, wherever the alias points.
"""

from __future__ import annotations

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
            body = result.get("body")
            why = body.get("errorMessage", body.get("Message", "")) if isinstance(body, Mapping) else body
            return {"status": "error", "error": str(why)}
        return {"status": "ok", "result": result.get("body")}


def install() -> None:
    import ministack.core.lambda_runtime as runtime
    import ministack.services.lambda_svc as functions

    def invoked(_name: str, config: Any, code_zip: bytes, qualifier: str = "$LATEST") -> Invoked:
        by_number = qualifier == "$LATEST" or qualifier.isdigit()
        record = {"config": config, "code_zip": code_zip, ALIAS: None if by_number else qualifier}
        return Invoked(record, lambda record, event: functions._execute_function(record, event))

    runtime.get_or_create_worker = invoked  # the gateway alone asks for one by this name
