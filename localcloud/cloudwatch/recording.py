"""Recorded data points: a JSON object a line.

``{"namespace", "name", "dimensions", "timestamp", "values": […]}``, and ``"unit"`` where there is one. ``dimensions``
is an object; ``timestamp`` is RFC 3339. A time without an offset is refused: it would be read wrongly somewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from localcloud.cloudwatch.errors import RecordingError
from localcloud.cloudwatch.store import MetricStore

_RECORDED_RESOLUTION_S = 1  # the line says when; it does not say how coarsely that was kept


def load(lines: Iterable[str], store: MetricStore) -> int:
    """Put every line's values; how many values there were. Raises RecordingError, which names the line."""
    count = 0
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                count += _put(json.loads(line), store)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                what = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
                raise RecordingError(f"line {number}: {what}") from error
    return count


def moment(text: str) -> datetime:
    """An RFC 3339 time, in UTC. Raises ValueError."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC; write 2026-01-01T00:00:00Z")
    return found.astimezone(UTC)


def _put(point: dict[str, Any], store: MetricStore) -> int:
    dimensions = {str(key): str(value) for key, value in point.get("dimensions", {}).items()}
    values = [float(value) for value in point["values"]]
    store.put(
        *(point["namespace"], point["name"], dimensions, moment(point["timestamp"]), values),
        point.get("unit") or "None",
        resolution_s=_RECORDED_RESOLUTION_S,
    )
    return len(values)
