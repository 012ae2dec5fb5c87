"""The ``metrics`` array of a widget.

Source: CloudWatch API Reference, "Dashboard Body Structure and Syntax": "." repeats the item above it, "..." all the
items from there to the last but those that are given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from localcloud.cloudwatch.errors import TemplateError
from localcloud.cloudwatch.metricmath import syntax
from localcloud.cloudwatch.queries import MetricStat, Query
from localcloud.cloudwatch.statistics import statistic
from localcloud.cloudwatch.store import Metric


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a graph: what it shows and how."""

    query: Query
    period_s: int
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def visible(self) -> bool:
        return bool(self.options.get("visible", True))


def read_rows(metrics: Sequence[Sequence[Any]], *, stat: str, period_s: int) -> list[Row]:
    """The rows of a widget with this statistic and period. Raises TemplateError, ExpressionError, StatisticError."""
    rows = []
    for number, (items, options) in enumerate(_whole(metrics)):
        name = str(options.get("id", f"row{number}"))
        label = str(options.get("label", ""))
        own_s = int(options.get("period", period_s))
        if "expression" in options:
            text = str(options["expression"])
            query = Query(name, syntax.parse(text), label or text, expression=text)
        else:
            metric = _metric(items)
            chosen = statistic(str(options.get("stat", stat)))
            query = Query(name, MetricStat(metric, chosen, own_s), label or metric.name)
        rows.append(Row(query, own_s, options))
    return rows


def _whole(metrics: Sequence[Sequence[Any]]) -> Iterator[tuple[list[str], Mapping[str, Any]]]:
    """Every row with what the row above lends it, and its options apart."""
    above: list[str] = []
    for given in metrics:
        options = given[-1] if given and isinstance(given[-1], Mapping) else {}
        items = [str(item) for item in (given[:-1] if options or (given and given[-1] == {}) else given)]
        if "..." in items:
            at = items.index("...")
            after = items[at + 1 :]
            items = items[:at] + above[at : len(above) - len(after)] + after
        items = [above[i] if item == "." and i < len(above) else item for i, item in enumerate(items)]
        above = items or above
        yield items, options


def _metric(items: Sequence[str]) -> Metric:
    if len(items) < 2 or len(items) % 2:
        raise TemplateError(f"not a metric: {list(items)!r}")
    return Metric.of(items[0], items[1], dict(zip(items[2::2], items[3::2], strict=True)))
