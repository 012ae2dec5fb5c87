"""The functions of metric math.

Source: CloudWatch User Guide, "Using math expressions with CloudWatch metrics". Three things that it leaves open:
AVG of one series counts its missing points as 0, as it says of AVG, so SUM/DATAPOINT_COUNT is the average of what was
reported; STDDEV is that of a whole population; FILL(LINEAR) does not reach beyond the first and the last value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from statistics import pstdev
from typing import Protocol

from localcloud.cloudwatch.errors import ExpressionError
from localcloud.cloudwatch.metricmath.gaps import conditional, fill
from localcloud.cloudwatch.metricmath.values import (
    Argument,
    Series,
    Value,
    as_array,
    as_number,
    as_series,
    as_value,
    as_word,
)
from localcloud.cloudwatch.store import Grid, Metric

Across = Callable[[list[float], int], float]  # the values at one time, and of how many series


class Context(Protocol):
    """What an expression can ask about where it stands."""

    grid: Grid

    def metrics(self) -> list[tuple[str, Series]]:
        """The metrics of the request with their Ids, without the expressions."""

    def quota(self, metric: Metric) -> float:
        """The account's quota for what a usage metric counts. Raises ExpressionError where it is not known."""


@dataclass(frozen=True, slots=True)
class Function:
    least: int
    most: int
    run: Callable[[Context, Sequence[Argument]], Value]


WORDS = frozenset({"REPEAT", "LINEAR", "AVG", "MIN", "MAX", "SUM", "ASC", "DESC"})
_ELSEWHERE = frozenset({"ANOMALY_DETECTION_BAND", "INSIGHT_RULE_METRIC", "DB_PERF_INSIGHTS", "LAMBDA", "SEARCH"})


def call(context: Context, name: str, arguments: Sequence[Argument]) -> Value:
    """Raises ExpressionError for an unknown function, a wrong number of arguments, or one of a wrong type."""
    function = FUNCTIONS.get(name)
    if function is None:
        known = f"has {name}(), which is not supported here" if name in _ELSEWHERE else f"has no function {name}()"
        raise ExpressionError(f"metric math {known}; here are {', '.join(sorted(FUNCTIONS))}")
    if not function.least <= len(arguments) <= function.most:
        count = str(function.least) if function.least == function.most else f"{function.least} to {function.most}"
        raise ExpressionError(f"{name}() takes {count} arguments, not {len(arguments)}")
    return function.run(context, arguments)


def _each(name: str, change: Callable[[Series], Series]) -> Function:
    """A series in, a series out; an array item by item."""

    def run(_: Context, arguments: Sequence[Argument]) -> Value:
        if isinstance(arguments[0], list):
            return [change(series) for series in arguments[0]]
        return change(as_series(f"{name}()", arguments[0]))

    return Function(1, 1, run)


def _aggregate(
    name: str, over_time: Callable[[Series], float], across: Callable[[list[float], int], float]
) -> Function:
    """A number for one series, over its time; for an array one series, ``across`` its values at each time."""

    def run(_: Context, arguments: Sequence[Argument]) -> Value:
        if not isinstance(arguments[0], list):
            return over_time(as_series(f"{name}()", arguments[0]))
        return _across(name, arguments[0], across)

    return Function(1, 1, run)


def _across(name: str, array: list[Series], across: Across) -> Series:
    if not array:
        raise ExpressionError(f"{name}() of an empty array")
    rows = zip(*(series.values for series in array), strict=True)
    columns = ([value for value in row if value is not None] for row in rows)
    return array[0].holding(across(column, len(array)) if column else None for column in columns)


def _max(values: Sequence[float]) -> float:
    return max(values, default=math.nan)


def _min(values: Sequence[float]) -> float:
    return min(values, default=math.nan)


def _deviation(values: Sequence[float]) -> float:
    return pstdev(values) if values else math.nan


def _average(series: Series) -> float:
    return math.fsum(series.present) / len(series.values) if series.values else math.nan


def _steps(series: Series, step: Callable[[float, float, int], float]) -> Series:
    """From each value and the value before it, with the seconds between the two; the first is dropped."""
    found: list[float | None] = []
    last: tuple[float, int] | None = None
    for at, value in zip(series.grid.starts_s, series.values, strict=True):
        found.append(None if value is None or last is None else step(value, last[0], at - last[1]))
        last = last if value is None else (value, at)
    return series.holding(found)


def _running_sum(series: Series) -> Series:
    sums = accumulate(value or 0.0 for value in series.values)
    return series.holding(None if value is None else total for value, total in zip(series.values, sums, strict=True))


def _logarithm(log: Callable[[float], float]) -> Callable[[Series], Series]:
    return lambda series: series.map(lambda value: log(value) if value > 0 else math.nan)


def _clock(part: Callable[[datetime], float]) -> Callable[[Series], Series]:
    return lambda series: series.holding(part(datetime.fromtimestamp(at, UTC)) for at in series.grid.starts_s)


def _constant(context: Context, value: float) -> Series:
    return Series(context.grid, ()).holding([value] * context.grid.slots)


def _metrics(context: Context, arguments: Sequence[Argument]) -> Value:
    part = arguments[0] if arguments else ""
    if not isinstance(part, str):
        raise ExpressionError("METRICS() takes a text")
    return [series for name, series in context.metrics() if part in name]


def _metric_of(name: str, argument: Argument) -> Metric:
    metric = as_series(name, argument).metric
    if metric is None:
        raise ExpressionError(f"{name} takes a metric, not the result of an expression")
    return metric


def _period(context: Context, arguments: Sequence[Argument]) -> Value:
    _metric_of("PERIOD()", arguments[0])
    return float(context.grid.period_s)


def _sort(_: Context, arguments: Sequence[Argument]) -> Value:
    array = as_array("SORT()", arguments[0])
    key = _KEYS[as_word("SORT()", arguments[1], _KEYS)]
    descending = as_word("SORT()", arguments[2], ("ASC", "DESC")) == "DESC"
    limit = int(as_number("SORT()", arguments[3])) if len(arguments) > 3 else len(array)
    filled = [series for series in array if series.present]  # without data there is nothing to compare
    empty = [series for series in array if not series.present]
    return [*sorted(filled, key=key, reverse=descending), *empty][:limit]


def _slice(_: Context, arguments: Sequence[Argument]) -> Value:
    bounds = [int(as_number("SLICE()", argument)) for argument in arguments[1:]]
    return as_array("SLICE()", arguments[0])[slice(*bounds) if len(bounds) > 1 else slice(bounds[0], None)]


def _end(name: str, index: int) -> Function:
    def run(_: Context, arguments: Sequence[Argument]) -> Value:
        array = as_array(name, arguments[0])
        if not array:
            raise ExpressionError(f"{name} of an empty array")
        return array[index]

    return Function(1, 1, run)


_KEYS: dict[str, Callable[[Series], float]] = {
    "AVG": _average,
    "MIN": lambda series: _min(series.present),
    "MAX": lambda series: _max(series.present),
    "SUM": lambda series: math.fsum(series.present),
}

FUNCTIONS: dict[str, Function] = {
    "ABS": _each("ABS", lambda series: series.map(abs)),
    "AVG": _aggregate("AVG", _average, lambda values, count: math.fsum(values) / count),
    "CEIL": _each("CEIL", lambda series: series.map(lambda value: float(math.ceil(value)))),
    "DATAPOINT_COUNT": _aggregate(
        "DATAPOINT_COUNT", lambda series: float(len(series.present)), lambda values, _: float(len(values))
    ),
    "DATE": _each("DATE", _clock(lambda at: float(at.day))),
    "DAY": _each("DAY", _clock(lambda at: float(at.isoweekday()))),
    "DIFF": _each("DIFF", lambda series: _steps(series, lambda value, last, _: value - last)),
    "DIFF_TIME": _each("DIFF_TIME", lambda series: _steps(series, lambda _value, _last, seconds: float(seconds))),
    "EPOCH": _each("EPOCH", _clock(lambda at: at.timestamp())),
    "FILL": Function(2, 2, lambda _, arguments: fill(arguments[0], arguments[1])),
    "FIRST": _end("FIRST()", 0),
    "FLOOR": _each("FLOOR", lambda series: series.map(lambda value: float(math.floor(value)))),
    "HOUR": _each("HOUR", _clock(lambda at: float(at.hour))),
    "IF": Function(2, 3, lambda _, arguments: conditional(*(as_value("IF()", argument) for argument in arguments))),
    "LAST": _end("LAST()", -1),
    "LOG": _each("LOG", _logarithm(math.log)),
    "LOG10": _each("LOG10", _logarithm(math.log10)),
    "MAX": _aggregate("MAX", lambda series: _max(series.present), lambda values, _: max(values)),
    "METRICS": Function(0, 1, _metrics),
    "METRIC_COUNT": Function(1, 1, lambda _, arguments: float(len(as_array("METRIC_COUNT()", arguments[0])))),
    "MIN": _aggregate("MIN", lambda series: _min(series.present), lambda values, _: min(values)),
    "MINUTE": _each("MINUTE", _clock(lambda at: float(at.minute))),
    "MONTH": _each("MONTH", _clock(lambda at: float(at.month))),
    "PERIOD": Function(1, 1, _period),
    "RATE": _each("RATE", lambda series: _steps(series, lambda value, last, seconds: (value - last) / seconds)),
    "REMOVE_EMPTY": Function(
        1, 1, lambda _, arguments: [series for series in as_array("REMOVE_EMPTY()", arguments[0]) if series.present]
    ),
    "RUNNING_SUM": _each("RUNNING_SUM", _running_sum),
    "SERVICE_QUOTA": Function(
        *(1, 1),
        lambda context, arguments: _constant(context, context.quota(_metric_of("SERVICE_QUOTA()", arguments[0]))),
    ),
    "SLICE": Function(2, 3, _slice),
    "SORT": Function(3, 4, _sort),
    "STDDEV": _aggregate("STDDEV", lambda series: _deviation(series.present), lambda values, _: _deviation(values)),
    "SUM": _aggregate("SUM", lambda series: math.fsum(series.present), lambda values, _: math.fsum(values)),
    "TIME_SERIES": Function(
        1, 1, lambda context, arguments: _constant(context, as_number("TIME_SERIES()", arguments[0]))
    ),
    "YEAR": _each("YEAR", _clock(lambda at: float(at.year))),
}
