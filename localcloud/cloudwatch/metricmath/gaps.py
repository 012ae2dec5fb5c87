"""FILL and IF: the two functions that decide where a series has values.

Source: CloudWatch User Guide, "Using math expressions with CloudWatch metrics", "Using IF expressions".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from localcloud.cloudwatch.errors import ExpressionError
from localcloud.cloudwatch.metricmath.values import Argument, Series, Value, as_series

Gappy = Sequence[float | None]


def fill(value: Argument, filler: Argument) -> Value:
    """Missing values become a number, another series' value, the last one before (REPEAT) or lie on a line (LINEAR)."""
    if isinstance(value, list):
        return [as_series("FILL()", fill(series, filler)) for series in value]
    series = as_series("FILL()", value)
    if isinstance(filler, Series):
        pairs = zip(series.values, filler.values, strict=True)
        return series.holding(other if own is None else own for own, other in pairs)
    if isinstance(filler, float):
        return series.holding(filler if own is None else own for own in series.values)
    if filler == "REPEAT":
        return series.holding(_repeated(series.values))
    if filler == "LINEAR":
        return series.holding(_on_a_line(series.values))
    raise ExpressionError("FILL() takes a number, a time series, REPEAT or LINEAR as its second argument")


def conditional(condition: Value, when_true: Value, when_false: Value | None = None) -> Value:
    """Slot by slot: no condition, no value. True without a value gives 0, false without one gives none."""
    if any(isinstance(value, list) for value in (condition, when_true, when_false)):
        raise ExpressionError("IF() takes time series and numbers, not arrays")
    if isinstance(condition, float):
        return _chosen(condition, when_true, when_false)
    series = as_series("IF()", condition)
    truths, falsehoods = _column(when_true, series), _column(when_false, series)
    return series.holding(
        None if test is None else (truth or 0.0) if test else falsehood
        for test, truth, falsehood in zip(series.values, truths, falsehoods, strict=True)
    )


def _chosen(condition: float, when_true: Value, when_false: Value | None) -> Value:
    if math.isnan(condition):  # the maximum of a metric without data says neither
        return when_true.map(lambda _: math.nan) if isinstance(when_true, Series) else math.nan
    if condition:
        return when_true
    if when_false is not None:
        return when_false
    return as_series("IF() without a third argument", when_true).map(lambda _: math.nan)


def _column(value: Value | None, like: Series) -> Gappy:
    if isinstance(value, Series):
        return value.values
    return [value if isinstance(value, float) else None] * len(like.values)


def _repeated(values: Gappy) -> list[float | None]:
    found: list[float | None] = []
    for value in values:
        found.append(found[-1] if value is None and found else value)
    return found


def _on_a_line(values: Gappy) -> list[float | None]:
    known = [(slot, value) for slot, value in enumerate(values) if value is not None]
    found = list(values)
    for (first, low), (last, high) in pairwise(known):
        for slot in range(first + 1, last):
            found[slot] = low + (high - low) * (slot - first) / (last - first)
    return found
