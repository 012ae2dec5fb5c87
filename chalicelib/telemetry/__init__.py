"""Logs, metrics and traces of one invocation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib.telemetry import log, metrics


@contextmanager
def invocation(function: str, **fields: Any) -> Iterator[None]:
    """Bind ``fields`` to the log lines of one invocation and write its metrics at its end."""
    with log.invocation(function, **fields), metrics.invocation():
        yield
