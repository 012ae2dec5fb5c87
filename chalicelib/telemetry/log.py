"""Structured logs: one JSON object a line on standard output, which Lambda ships to CloudWatch."""

from __future__ import annotations

import logging
import random as _random
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

from chalicelib.telemetry import tracing
from chalicelib.telemetry.redaction import redact_names, redact_text

_LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}
_cold = True
_wrapper: type[Any] = structlog.make_filtering_bound_logger(_LEVELS["INFO"])
_detailed: type[Any] = structlog.make_filtering_bound_logger(_LEVELS["DEBUG"])
_sample_rate = 0.0
_render = structlog.processors.JSONRenderer()
_plain_record = logging.getLogRecordFactory()


def configure(*, level: str, stage: str, version: str, sample_rate: float = 0.0) -> None:
    """Set the process's logging up; later calls change the level and the constants.

    ``sample_rate`` is the share of invocations that write at DEBUG whatever the level. No secret gets past: fields that
    are named like one, at any depth, and texts that look like one of ours, in exceptions too, are blotted out. Lines of
    libraries that use the standard library's logging are cleaned likewise; their form is Lambda's.
    """
    global _wrapper, _sample_rate
    _wrapper, _sample_rate = structlog.make_filtering_bound_logger(_LEVELS[level]), sample_rate
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
            structlog.processors.format_exc_info,
            _constants(stage, version),
            _rendered,
        ],
        wrapper_class=_wrapper,
        logger_factory=structlog.WriteLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    logging.setLogRecordFactory(_clean_record)


def _constants(stage: str, version: str) -> Any:
    def add(_: Any, __: str, event: Any) -> Any:
        event["stage"] = stage
        event["version"] = version
        return event

    return add


def _rendered(logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
    return redact_text(str(_render(logger, method, redact_names(event))))


def _clean_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    record = _plain_record(*args, **kwargs)
    try:
        record.msg, record.args = redact_text(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = redact_text(logging.Formatter().formatException(record.exc_info))
    except (TypeError, ValueError):  # a library's own mistake: logging will tell of it
        pass
    return record


@contextmanager
def invocation(function: str, *, random: Callable[[], float] = _random.random, **fields: Any) -> Iterator[None]:
    """Bind the fields of one invocation to all its lines, and log its end with its duration in milliseconds."""
    global _cold
    cold, _cold = _cold, False
    structlog.contextvars.clear_contextvars()
    known = {"trace_id": tracing.trace_id(), **fields}
    structlog.contextvars.bind_contextvars(
        function=function, cold_start=cold, **{key: value for key, value in known.items() if value is not None}
    )
    sampled = _sample_rate > 0 and random() < _sample_rate
    if sampled:
        structlog.configure(wrapper_class=_detailed)
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
        if sampled:
            structlog.configure(wrapper_class=_wrapper)
