"""Structured logs: one JSON object a line on standard output, which Lambda ships to CloudWatch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

_LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}
_SECRET = ("token", "secret", "password", "authorization", "api_key", "x-api-key")
_cold = True


def _redact(_: Any, __: str, event: Any) -> Any:
    for key in event:
        if any(part in key.lower() for part in _SECRET):
            event[key] = "[redacted]"
    return event


def configure(*, level: str, stage: str, version: str) -> None:
    """Set the process's logging up; later calls change the level and the constants."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
            structlog.processors.format_exc_info,
            _redact,
            _constants(stage, version),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _constants(stage: str, version: str) -> Any:
    def add(_: Any, __: str, event: Any) -> Any:
        event["stage"] = stage
        event["version"] = version
        return event

    return add


@contextmanager
def invocation(function: str, **fields: Any) -> Iterator[None]:
    """Bind the fields of one invocation to all its lines, and log its end with its duration in milliseconds."""
    global _cold
    cold, _cold = _cold, False
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(
        function=function, cold_start=cold, **{key: value for key, value in fields.items() if value is not None}
    )
    log = structlog.get_logger()
    started = time.monotonic()
    try:
        yield
    except Exception:
        log.exception("invocation_failed", duration_ms=round((time.monotonic() - started) * 1000, 2))
        raise
    else:
        log.info("invocation_ended", duration_ms=round((time.monotonic() - started) * 1000, 2))
    finally:
        structlog.contextvars.clear_contextvars()
