"""Every invocation of a function, told to whoever measures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localcloud.account.ministack.weights import asked_by

_EMF = '"_aws"'  # lines without it hold no metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """``alias`` is by which it was asked for. ``lines`` are those of its log that may hold metrics."""

    function: str
    alias: str | None
    version: str
    ended: datetime
    duration_ms: float
    failed: bool
    throttled: bool
    lines: tuple[str, ...]


def install(tell: Callable[[Invocation], None]) -> None:
    """``tell`` gets each one when it has ended or was refused, from the thread that it ran on."""
    import ministack.services.lambda_svc as functions

    dispatch, acquire = functions._execute_function_dispatch, functions._acquire_execution_slot

    def dispatched(function: Any, config: Any, event: Any, request_id: str, started: float) -> Any:
        began = time.perf_counter()
        result = dispatch(function, config, event, request_id, started)
        tell(_invocation(function, config, result, (time.perf_counter() - began) * 1000))
        return result

    def acquired(function: Any, config: Any) -> Any:
        slot, limit = acquire(function, config)
        if slot is None:
            tell(_invocation(function, config, {"throttle": True}, 0.0))
        return slot, limit

    functions._execute_function_dispatch = dispatched
    functions._acquire_execution_slot = acquired


def _invocation(function: Any, config: Any, result: Any, duration_ms: float) -> Invocation:
    return Invocation(
        function=str(config.get("FunctionName", "")),
        alias=asked_by(function),
        version=str(config.get("Version", "$LATEST")),
        ended=datetime.now(UTC),
        duration_ms=duration_ms,
        failed=bool(result.get("error")),
        throttled=bool(result.get("throttle")),
        lines=tuple(line for line in str(result.get("log") or "").splitlines() if _EMF in line),
    )
