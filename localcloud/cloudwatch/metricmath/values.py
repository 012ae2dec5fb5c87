"""What an expression works on: numbers, time series and arrays of time series, and the operators on them.

Source: CloudWatch User Guide, "Using math expressions with CloudWatch metrics": where one of two series has a value
and the other has none, the other counts as 0; a division by zero drops the data point; comparisons give 0 or 1.
A number without a value (the maximum of a metric that has no data) is NaN, and drops what is computed from it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from localcloud.cloudwatch.errors import ExpressionError
from localcloud.cloudwatch.store import Grid, Metric


@dataclass(frozen=True, slots=True)
class Series:
    """One value a slot of the grid, None where it is missing. ``metric`` is set where it is one metric, unchanged."""

    grid: Grid
    values: tuple[float | None, ...]
    label: str = ""
    metric: Metric | None = None

    def map(self, change: Callable[[float], float]) -> Series:
        return self.holding(None if value is None else change(value) for value in self.values)

    def holding(self, values: Iterable[float | None]) -> Series:
        """The same grid and label with other values; what is not finite is missing."""
        finite = (value if value is not None and math.isfinite(value) else None for value in values)
        return Series(self.grid, tuple(finite), self.label)

    @property
    def present(self) -> list[float]:
        return [value for value in self.values if value is not None]


Value = float | Series | list[Series]
Argument = Value | str  # a function may also be given a word or a text
Operation = Callable[[float, float], float]


def apply(name: str, left: Value, right: Value) -> Value:
    """``left name right``. An array goes item by item, against a single value or an array of the same length."""
    if isinstance(left, list):
        others = right if isinstance(right, list) else [right] * len(left)
        if len(left) != len(others):
            raise ExpressionError(f"{name} between arrays of {len(left)} and {len(others)} time series")
        return [as_series(name, apply(name, one, other)) for one, other in zip(left, others, strict=True)]
    if isinstance(right, list):
        return [as_series(name, apply(name, left, other)) for other in right]
    operation = _OPERATIONS[name]
    if isinstance(left, Series):
        if isinstance(right, Series):
            return left.holding(map(_with_zero(operation), left.values, right.values))
        return left.map(lambda value: operation(value, right))
    return right.map(lambda value: operation(left, value)) if isinstance(right, Series) else operation(left, right)


def negate(value: Value) -> Value:
    if isinstance(value, list):
        return [series.map(operator.neg) for series in value]
    return value.map(operator.neg) if isinstance(value, Series) else -value


def as_value(where: str, argument: Argument) -> Value:
    if isinstance(argument, str):
        raise ExpressionError(f"{where} makes nothing of {argument!r}")
    return argument


def as_series(where: str, argument: Argument) -> Series:
    if not isinstance(argument, Series):
        raise ExpressionError(f"{where} needs a time series, not {_kind(argument)}")
    return argument


def as_array(where: str, argument: Argument) -> list[Series]:
    if not isinstance(argument, list):
        raise ExpressionError(f"{where} needs an array of time series, not {_kind(argument)}")
    return argument


def as_number(where: str, argument: Argument) -> float:
    if not isinstance(argument, float):
        raise ExpressionError(f"{where} needs a number, not {_kind(argument)}")
    return argument


def as_word(where: str, argument: Argument, words: Iterable[str]) -> str:
    if not isinstance(argument, str) or argument not in words:
        raise ExpressionError(f"{where} needs one of {', '.join(words)}, not {_kind(argument)}")
    return argument


def _kind(argument: Argument) -> str:
    if isinstance(argument, str):
        return repr(argument)
    return "an array" if isinstance(argument, list) else "a time series" if isinstance(argument, Series) else "a number"


def _with_zero(operation: Operation) -> Callable[[float | None, float | None], float | None]:
    def both(left: float | None, right: float | None) -> float | None:
        return None if left is None and right is None else operation(left or 0.0, right or 0.0)

    return both


def _divided(left: float, right: float) -> float:
    return left / right if right else math.nan


def _power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except (ValueError, OverflowError):
        return math.nan


def _flag(test: Callable[[float, float], object]) -> Operation:
    return lambda left, right: math.nan if math.isnan(left + right) else float(bool(test(left, right)))


_OPERATIONS: dict[str, Operation] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divided,
    "^": _power,
    "==": _flag(operator.eq),
    "!=": _flag(operator.ne),
    "<=": _flag(operator.le),
    ">=": _flag(operator.ge),
    "<": _flag(operator.lt),
    ">": _flag(operator.gt),
    "AND": _flag(lambda left, right: left and right),
    "OR": _flag(lambda left, right: left or right),
}
