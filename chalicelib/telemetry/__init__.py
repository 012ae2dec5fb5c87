"""Logs, metrics and traces of one invocation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from chalicelib.telemetry import log, metrics, tracing


@contextmanager
def invocation(function: str, **fields: Any) -> Iterator[None]:
    """Bind ``fields`` to the log lines and the trace of one invocation, and write its metrics at its end."""
    with log.invocation(function, **fields), metrics.invocation(), tracing.subsegment(function):
        _annotate(fields)
        tracing.annotate(stage=metrics.stage())
        yield


def note(**fields: Any) -> None:
    """Bind what was learnt on the way to the lines and the trace of the invocation that is under way."""
    structlog.contextvars.bind_contextvars(**fields)
    _annotate(fields)


# Annotations cost nothing but are indexed, 50 a trace: only what one looks for.
_ANNOTATED = {"topic": "topic", "connection_id": "connection", "request_id": "request_id"}


def _annotate(fields: dict[str, Any]) -> None:
    tracing.annotate(**{name: fields.get(field) for field, name in _ANNOTATED.items()})
