"""The lines of one widget over a span of time."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from localcloud.cloudwatch.errors import CloudWatchError
from localcloud.cloudwatch.metricmath.values import Series
from localcloud.cloudwatch.queries import DEFAULT_QUOTAS, MetricStat, Query, QueryRun, Quotas
from localcloud.cloudwatch.store import Grid, Metric, MetricStore
from localcloud.console.boards import DEFAULT_PERIOD_S
from localcloud.console.metricrows import Row, read_rows

Measured = Callable[[Metric], bool]  # whether this machine measures it


def lines(
    properties: Mapping[str, Any], store: MetricStore, *, end_s: int, span_s: int, measured: Measured
) -> list[dict[str, Any]]:
    """Every visible line of a metric widget: label, axis, colour and values, one a period, None for none.

    ``source`` is "here", "aws" where no metric of it is measured on this machine, or what is wrong with the line.
    """
    period_s = int(properties.get("period", DEFAULT_PERIOD_S))
    rows = read_rows(properties.get("metrics", ()), stat=str(properties.get("stat", "Average")), period_s=period_s)
    queries = [row.query for row in rows]
    runs: dict[int, QueryRun] = {}
    drawn: list[dict[str, Any]] = []
    for row in filter(lambda row: row.visible, rows):
        if row.period_s not in runs:
            runs[row.period_s] = QueryRun(queries, store, grid_of(end_s, span_s, row.period_s), DEFAULT_QUOTAS)
        drawn += _of_row(row, runs[row.period_s], _known(row.query, queries, measured))
    return drawn


def grid_of(end_s: int, span_s: int, period_s: int) -> Grid:
    """The periods that reach into a span, on multiples of the period, the one that is going on included."""
    first, last = (end_s - span_s) // period_s, -(-end_s // period_s)
    return Grid(first * period_s, period_s, last - first)


def points(queries: Sequence[Query], watched: str, store: MetricStore, grid: Grid, quotas: Quotas) -> dict[str, Any]:
    """One query's values over a grid. Raises CloudWatchError."""
    return _values(QueryRun(queries, store, grid, quotas).series(watched))


def metrics_of(queries: Collection[Query]) -> list[Metric]:
    return [query.shows.metric for query in queries if isinstance(query.shows, MetricStat)]


def _of_row(row: Row, run: QueryRun, known: bool) -> list[dict[str, Any]]:
    told = {"axis": row.options.get("yAxis", "left"), "color": row.options.get("color")}
    try:
        result = run.result(row.query.id)
    except CloudWatchError as error:
        return [{"label": row.query.label, **told, "source": str(error), **_values(Series(run.grid, (), ""))}]
    if isinstance(result, float | int):  # a line of its own height
        result = Series(run.grid, (float(result),) * run.grid.slots)
    found = result if isinstance(result, list) else [result]
    source = "here" if known else "aws"
    labels = [row.query.label] if len(found) == 1 else [f"{row.query.label} {series.label}".strip() for series in found]
    return [
        {"label": label, **told, "source": source, **_values(series)}
        for label, series in zip(labels, found, strict=True)
    ]


def _known(query: Query, queries: Sequence[Query], measured: Measured) -> bool:
    """A line is known here when a metric that it is made of is; for an expression those that its text names."""
    if isinstance(query.shows, MetricStat):
        return measured(query.shows.metric)
    words = set(re.findall(r"\w+", query.expression))
    made_of = [other for other in queries if "METRICS" in words or other.id in words]
    return all(map(measured, metrics_of(made_of)))


def _values(series: Series) -> dict[str, Any]:
    return {"start": series.grid.start_s, "period": series.grid.period_s, "values": list(series.values)}
