"""CloudWatch metrics in the embedded metric format: lines on standard output, no call on the hot path.

Written here and not by a library: the one in question costs 40 ms of every cold start, and cannot give one invocation's
metrics different dimensions.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock

import msgspec
import structlog

from chalicelib.telemetry.catalogue import BY_NAME, DIMENSIONS, NAMESPACE

VALUES_MAX = 100  # of one metric in one line: the format's limit

# Values of the extra dimensions, in the catalogue's order; none for most metrics.
Extra = tuple[tuple[str, str], ...]

_stage = "unknown"
_strict = False
_lock = Lock()  # ingest polls its feeds in threads
_sums: defaultdict[tuple[Extra, str], float] = defaultdict(int)
_values: defaultdict[tuple[Extra, str], list[float]] = defaultdict(list)


class MetricError(Exception):
    """A metric that the catalogue does not have, or not with these dimensions."""


def configure(*, stage: str, strict: bool | None = None) -> None:
    """Set the dimension Stage. ``strict`` raises MetricError where production writes an error to the log."""
    global _stage, _strict
    _stage = stage
    if strict is not None:
        _strict = strict


def stage() -> str:
    """The value of the dimension Stage."""
    return _stage


def count(name: str, value: float = 1, **dimensions: str) -> None:
    """Add to a sum of the invocation that is under way; nothing is written of a sum of 0."""
    if value and (extra := _extra(name, dimensions)) is not None:
        with _lock:
            _sums[extra, name] += value


def record(name: str, value: float, **dimensions: str) -> None:
    """Record one value of the invocation that is under way, in the catalogue's unit."""
    record_all(name, (value,), **dimensions)


def record_all(name: str, values: Iterable[float], **dimensions: str) -> None:
    """Record values; of more than VALUES_MAX those at evenly spaced ranks are written, so that percentiles stay."""
    if (extra := _extra(name, dimensions)) is not None:
        with _lock:
            _values[extra, name].extend(values)


@contextmanager
def invocation() -> Iterator[None]:
    """Write what was recorded, at the end and also on failure."""
    _sums.clear()
    _values.clear()
    try:
        yield
    finally:
        flush()


def flush() -> None:
    """Write what was recorded since the last time: a line for each distinct set of dimension values."""
    with _lock:
        found: defaultdict[Extra, dict[str, list[float]]] = defaultdict(dict)
        for (extra, name), total in _sums.items():
            found[extra][name] = [total]
        for (extra, name), values in _values.items():
            if values:
                found[extra][name] = thinned(values)
        _sums.clear()
        _values.clear()
    for extra, metrics in found.items():
        sys.stdout.write(_line(extra, metrics))
    if found:
        sys.stdout.flush()


def thinned(values: list[float]) -> list[float]:
    """At most VALUES_MAX of them: the smallest, the largest, and what lies at evenly spaced ranks between."""
    if len(values) <= VALUES_MAX:
        return values
    ordered, last = sorted(values), len(values) - 1
    return [ordered[round(place * last / (VALUES_MAX - 1))] for place in range(VALUES_MAX)]


def _extra(name: str, dimensions: dict[str, str]) -> Extra | None:
    metric = BY_NAME.get(name)
    if metric is None:
        _refuse(f"no metric {name!r} in chalicelib/telemetry/catalogue.py")
        return None
    if dimensions.keys() != set(metric.dimensions):
        _refuse(f"metric {name} has dimensions {metric.dimensions}, not {tuple(dimensions)}")
        return None
    extra = tuple((key, dimensions[key]) for key in metric.dimensions)
    for key, value in extra:
        if value not in DIMENSIONS[key]:
            _refuse(f"dimension {key} of metric {name} cannot be {value!r:.50}")
            return None
    return extra


def _refuse(reason: str) -> None:
    """A metric is not worth a failed invocation, and a value of a stranger's making not $0.30 a month."""
    if _strict:
        raise MetricError(reason)
    structlog.get_logger().error("metric_refused", reason=reason)


def _line(extra: Extra, metrics: dict[str, list[float]]) -> str:
    sets = [["Stage"]] + ([["Stage", *(key for key, _ in extra)]] if extra else [])
    described = [{"Name": name, "Unit": BY_NAME[name].unit} for name in metrics]
    directive = {"Namespace": NAMESPACE, "Dimensions": sets, "Metrics": described}
    head = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    return msgspec.json.encode({"_aws": head, "Stage": _stage, **dict(extra), **metrics}).decode() + "\n"
