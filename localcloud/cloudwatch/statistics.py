"""CloudWatch's statistics of the values of one period.

Definitions: CloudWatch User Guide, "CloudWatch statistics definitions". It leaves the rank of a percentile open but
for one sentence: p99 is the maximum of what remains without the highest 1 %. So percentiles here are nearest rank
(the value at ``ceil(n * p / 100)``), always a value that occurred, and the trimmed statistics cut at the same ranks.
CloudWatch itself keeps a sketch of many values and may answer a little beside them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from localcloud.cloudwatch.errors import StatisticError

Compute = Callable[[Sequence[float]], float | None]

_ONE_BOUND = re.compile(r"(p|tm|tc|ts|wm)(\d{1,3}(?:\.\d{1,10})?)\Z")
_TWO_BOUNDS = re.compile(r"(TM|TC|TS|WM|PR)\(([\d.]*)(%?):([\d.]*)(%?)\)\Z")


@dataclass(frozen=True, slots=True)
class Statistic:
    """``compute`` takes the ascending values of a period, at least one, and gives None where CloudWatch has no answer.

    ``percentile`` is the P of pP, of which an alarm may ask for enough samples; None for everything else.
    """

    name: str
    compute: Compute
    percentile: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """The part of a period's values that a trimmed statistic looks at; percentages, or values (low < v <= high)."""

    low: Fraction | None
    high: Fraction | None
    percent: bool

    def kept(self, ordered: Sequence[float]) -> Sequence[float]:
        if self.percent:
            first = 0 if self.low is None else math.floor(len(ordered) * self.low / 100)
            last = len(ordered) if self.high is None else math.ceil(len(ordered) * self.high / 100)
            return ordered[first:last]
        return [
            value
            for value in ordered
            if (self.low is None or value > self.low) and (self.high is None or value <= self.high)
        ]

    def clamped(self, ordered: Sequence[float]) -> list[float]:
        """All values; those outside take the value of the nearer edge."""
        if self.percent:
            kept = self.kept(ordered)
            return [min(max(value, kept[0]), kept[-1]) for value in ordered] if kept else []
        low = -math.inf if self.low is None else float(self.low)
        high = math.inf if self.high is None else float(self.high)
        return [min(max(value, low), high) for value in ordered]


def statistic(name: str) -> Statistic:
    """``Sum``, ``Average``, ``Minimum``, ``Maximum``, ``SampleCount``, ``p99.9``, ``tm90``, ``TM(5%:95%)``,
    ``PR(:300)``, ``IQM`` and their like. Raises StatisticError.
    """
    if name in _PLAIN:
        return Statistic(name, _PLAIN[name])
    if name.upper() == "IQM":
        return _trimmed(name, "tm", Bounds(Fraction(25), Fraction(75), percent=True))
    if match := _ONE_BOUND.match(name):
        kind, bound = match[1], Fraction(match[2])
        if bound > 100:
            raise StatisticError(f"{name!r}: a percentage is at most 100")
        if kind == "p":
            return Statistic(name, _of_positive(lambda ordered: _nearest_rank(ordered, bound)), bound)
        return _trimmed(name, kind, Bounds(None, bound, percent=True))
    if match := _TWO_BOUNDS.match(name):
        return _trimmed(name, match[1].lower(), _bounds(name, match))
    raise StatisticError(
        f"CloudWatch has no statistic {name!r}; it has {', '.join(_PLAIN)}, pN, tmN, tcN, tsN, wmN, IQM,"
        " TM(a:b), TC(a:b), TS(a:b), WM(a:b), PR(a:b)"
    )


def samples_needed(percentile: Fraction) -> int:
    """How many values make a percentile significant: 10/(1-p), below the median 10/p, p between 0 and 1.

    Source: CloudWatch User Guide, "Percentile-based alarms and low data samples".
    """
    share = percentile / 100
    tail = 1 - share if share >= Fraction(1, 2) else share
    return math.ceil(10 / tail) if tail else 0


def _bounds(name: str, match: re.Match[str]) -> Bounds:
    low, high = (Fraction(text) if text else None for text in (match[2], match[4]))
    percent = bool(match[3] or match[5])
    whole = all(bool(sign) == percent for text, sign in ((match[2], match[3]), (match[4], match[5])) if text)
    if (low is None and high is None) or not whole:
        raise StatisticError(f"{name!r}: one or two bounds, both percentages or both values")
    if percent and (match[1] == "PR" or max(low or 0, high or 0) > 100):
        raise StatisticError(f"{name!r}: {'PR takes values' if match[1] == 'PR' else 'a percentage is at most 100'}")
    if low is not None and high is not None and low >= high:
        raise StatisticError(f"{name!r}: the lower bound comes first")
    return Bounds(low, high, percent)


def _trimmed(name: str, kind: str, bounds: Bounds) -> Statistic:
    computes: dict[str, Compute] = {
        "tm": lambda ordered: _mean(bounds.kept(ordered)),
        "tc": lambda ordered: float(len(bounds.kept(ordered))),
        "ts": lambda ordered: math.fsum(bounds.kept(ordered)),
        "wm": lambda ordered: _mean(bounds.clamped(ordered)),
        "pr": lambda ordered: 100 * len(bounds.kept(ordered)) / len(ordered),
    }
    return Statistic(name, _of_positive(computes[kind]))


def _of_positive(compute: Compute) -> Compute:
    """CloudWatch has none of these statistics for a metric with a negative value."""
    return lambda ordered: None if ordered[0] < 0 else compute(ordered)


def _nearest_rank(ordered: Sequence[float], percentile: Fraction) -> float:
    return ordered[max(math.ceil(len(ordered) * percentile / 100), 1) - 1]


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


_PLAIN: dict[str, Compute] = {
    "Sum": math.fsum,
    "Average": _mean,
    "Minimum": lambda ordered: ordered[0],
    "Maximum": lambda ordered: ordered[-1],
    "SampleCount": lambda ordered: float(len(ordered)),
}
