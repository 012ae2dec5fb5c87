"""Recorded data points: a JSON object a line.

``{"namespace", "name", "dimensions", "timestamp", "values": […]}``, and where they are known ``"unit"`` and
``"counts": […]``, how often each value occurred. ``dimensions`` is an object, or a list of ``{"Name", "Value"}`` as
AWS's API has it; ``timestamp`` is RFC 3339, and UTC where it has no offset, as all of CloudWatch's times are. A line
that says no unit is of any unit: the recording does not know, so an alarm that asks for one sees it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from localcloud.cloudwatch.errors import CloudWatchError, RecordingError
from localcloud.cloudwatch.store import MetricStore

_RECORDED_RESOLUTION_S = 1  # the line says when; it does not say how coarsely that was kept


def load_file(path: Path, store: MetricStore) -> int:
    """Put what a file holds; how many values that were. Raises OSError, RecordingError."""
    try:
        with path.open(encoding="utf-8-sig") as lines:
            return load(lines, store)
    except UnicodeDecodeError as error:
        raise RecordingError(f"{path} is not UTF-8 text: {error}") from error


def load(lines: Iterable[str], store: MetricStore) -> int:
    """Put every line's values; how many values there were. Raises RecordingError, which names the line."""
    count = 0
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                count += _put(json.loads(line), store)
            except (CloudWatchError, ValueError, OverflowError, RecursionError) as error:
                raise RecordingError(f"line {number}: {error}") from error
    return count


def moment(text: str) -> datetime:
    """An RFC 3339 time, in UTC. Raises ValueError."""
    found = datetime.fromisoformat(text.upper())  # RFC 3339 has t and z too
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _put(point: Any, store: MetricStore) -> int:
    if not isinstance(point, dict):
        raise RecordingError(f"a data point is a JSON object, not {json.dumps(point):.80}")
    values = _values(point)
    store.put(
        *(_text(point, "namespace"), _text(point, "name"), _dimensions(point.get("dimensions", {}))),
        *(moment(_text(point, "timestamp")), values),
        _text(point, "unit") if point.get("unit") is not None else None,
        resolution_s=_RECORDED_RESOLUTION_S,
    )
    return len(values)


def _text(holder: Mapping[str, Any], key: str) -> str:
    if key not in holder:
        raise RecordingError(f"{key} is missing")
    if not isinstance(holder[key], str) or not holder[key]:
        raise RecordingError(f"{key} is text, not {json.dumps(holder[key]):.80}")
    return str(holder[key])


def _dimensions(given: Any) -> dict[str, str]:
    if isinstance(given, dict):
        return {name: _dimension(given, name) for name in given}
    if isinstance(given, list) and all(isinstance(each, dict) for each in given):
        return {_text(each, "Name"): _dimension(each, "Value") for each in given}
    raise RecordingError(f"dimensions is an object, or a list of Name and Value, not {json.dumps(given):.80}")


def _dimension(holder: Mapping[str, Any], key: str) -> str:
    value = holder.get(key)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(holder, key)


def _values(point: Mapping[str, Any]) -> list[float]:
    values = _numbers(point, "values")
    if "counts" not in point:
        return values
    counts = _numbers(point, "counts")
    if len(counts) != len(values) or not all(count.is_integer() and count > 0 for count in counts):
        raise RecordingError(f"counts is a whole number above 0 for each of the {len(values)} values")
    return list(chain.from_iterable(map(repeat, values, map(int, counts))))


def _numbers(point: Mapping[str, Any], key: str) -> list[float]:
    if key not in point:
        raise RecordingError(f"{key} is missing")
    found = point[key]
    if not isinstance(found, list) or not found:
        raise RecordingError(f"{key} is a list of numbers, not {json.dumps(found):.80}")
    for number in found:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise RecordingError(f"{key} holds numbers, not {json.dumps(number):.80}")
    return [float(number) for number in found]
