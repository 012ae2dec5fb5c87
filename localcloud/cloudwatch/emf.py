"""Metrics out of log lines in CloudWatch's embedded metric format (EMF).

Source: CloudWatch User Guide, "Specification: Embedded metric format".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Any

from localcloud.cloudwatch.errors import EmfError

DIMENSIONS_MAX = 30  # keys of one dimension set
METRICS_MAX = 100  # of one directive
VALUES_MAX = 100  # of one metric in one line
NAME_LENGTH_MAX = 1024  # of a namespace, a metric name and a dimension value, in characters
RESOLUTIONS_S = (1, 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Datum:
    """What was measured of one metric at one time. ``resolution_s`` is 1 or 60."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    timestamp: datetime
    values: tuple[float, ...]
    unit: str
    resolution_s: int


def read_emf(line: str) -> list[Datum]:
    """The data of one log line, one for each metric and dimension set; empty for a line without metrics.

    Raises EmfError for a line that announces metrics which CloudWatch would drop.
    """
    if '"_aws"' not in line:  # most lines: not worth a parser
        return []
    try:
        root = json.loads(line)
    except ValueError:
        return []
    metadata = root.get("_aws") if isinstance(root, dict) else None
    if not isinstance(metadata, dict) or "CloudWatchMetrics" not in metadata:
        return []
    try:
        return list(_data(root, metadata))
    except (KeyError, TypeError, AttributeError) as error:
        raise EmfError(f"an EMF line without what the format asks for: {error!r}") from error


def _data(root: Mapping[str, Any], metadata: Mapping[str, Any]) -> Iterator[Datum]:
    timestamp = metadata["Timestamp"]
    if not isinstance(timestamp, int) or isinstance(timestamp, bool):
        raise EmfError(f"_aws.Timestamp is whole milliseconds, not {timestamp!r}")
    moment = datetime.fromtimestamp(timestamp / 1000, UTC)
    for directive in metadata["CloudWatchMetrics"]:
        namespace, metrics, sets = directive["Namespace"], directive["Metrics"], directive["Dimensions"]
        _check_length("Namespace", namespace)
        if len(metrics) > METRICS_MAX:
            raise EmfError(f"{len(metrics)} metrics in one directive; at most {METRICS_MAX}")
        if not sets:
            raise EmfError(f"{namespace}: no dimension set; an empty one is written [[]]")
        for metric, keys in product(metrics, sets):
            yield Datum(
                namespace=namespace,
                name=_check_length("Name", metric["Name"]),
                dimensions=_dimensions(root, keys),
                timestamp=moment,
                values=_values(root, metric["Name"]),
                unit=metric.get("Unit", "None"),
                resolution_s=_resolution_s(metric),
            )


def _dimensions(root: Mapping[str, Any], keys: list[str]) -> dict[str, str]:
    if len(keys) > DIMENSIONS_MAX:
        raise EmfError(f"{len(keys)} dimensions in one set; at most {DIMENSIONS_MAX}")
    for key in keys:
        if not isinstance(root.get(key), str):
            raise EmfError(f"the dimension {key!r} has no text at the root of the line")
        _check_length(f"the dimension {key}", root[key])
    return {key: root[key] for key in keys}


def _values(root: Mapping[str, Any], name: str) -> tuple[float, ...]:
    found: Any = root.get(name)
    values: list[Any] = found if isinstance(found, list) else [found]
    if not 1 <= len(values) <= VALUES_MAX:
        raise EmfError(f"{name}: {len(values)} values; between 1 and {VALUES_MAX}")
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        raise EmfError(f"{name}: its value is a number or a list of numbers at the root of the line, not {found!r}")
    return tuple(float(value) for value in values)


def _resolution_s(metric: Mapping[str, Any]) -> int:
    resolution = metric.get("StorageResolution", 60)
    if resolution not in RESOLUTIONS_S:
        raise EmfError(f"{metric['Name']}: StorageResolution is 1 or 60, not {resolution!r}")
    return int(resolution)


def _check_length(what: str, text: Any) -> str:
    if not isinstance(text, str) or not 1 <= len(text) <= NAME_LENGTH_MAX:
        raise EmfError(f"{what} is text of 1 to {NAME_LENGTH_MAX} characters, not {text!r:.80}")
    return text
