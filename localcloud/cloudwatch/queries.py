"""Metrics and expressions that belong together: the ``Metrics`` of an alarm, the lines of a graph.

Source: CloudWatch API Reference, MetricDataQuery.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from localcloud.cloudwatch.errors import ExpressionError
from localcloud.cloudwatch.metricmath import syntax
from localcloud.cloudwatch.metricmath.functions import WORDS, call
from localcloud.cloudwatch.metricmath.values import Argument, Series, Value, apply, as_series, as_value, negate
from localcloud.cloudwatch.statistics import Statistic
from localcloud.cloudwatch.store import Grid, Metric, MetricStore

Quotas = Mapping[tuple[str, str], float]

# AWS's default quota; the account's own may be lower or higher.
DEFAULT_QUOTAS: Quotas = {("AWS/Lambda", "ConcurrentExecutions"): 1000.0}


@dataclass(frozen=True, slots=True)
class MetricStat:
    """A statistic of one metric. ``unit`` None takes the values of every unit."""

    metric: Metric
    stat: Statistic
    period_s: int
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """One line: what it shows is a MetricStat or the tree of an expression."""

    id: str
    shows: MetricStat | syntax.Node
    label: str = ""
    returned: bool = True
    expression: str = ""


class QueryRun:
    """The queries over one grid; each is computed once, when it is first asked for.

    ``quotas`` are by namespace and metric name. ``result`` raises ExpressionError, which names the query.
    """

    def __init__(
        self, queries: Sequence[Query], store: MetricStore, grid: Grid, quotas: Quotas = DEFAULT_QUOTAS
    ) -> None:
        self.grid = grid
        self._queries = {query.id: query for query in queries}
        self._store = store
        self._quotas = quotas
        self._results: dict[str, Value] = {}
        self._open: list[str] = []

    def result(self, name: str) -> Value:
        if name not in self._results:
            if name not in self._queries:
                raise ExpressionError(f"no metric or expression has the Id {name!r}")
            if name in self._open:
                raise ExpressionError(f"{' -> '.join([*self._open, name])}: an expression that needs itself")
            self._open.append(name)
            try:
                self._results[name] = self._shown(self._queries[name])
            finally:
                self._open.pop()
        return self._results[name]

    def series(self, name: str) -> Series:
        """The result where it has to be one time series, as it has for an alarm."""
        result = self.result(name)
        if isinstance(result, list) and len(result) == 1:
            return result[0]
        return as_series(f"the result of {self._queries[name].expression or name!r}", result)

    def metrics(self) -> list[tuple[str, Series]]:
        stats = [query.id for query in self._queries.values() if isinstance(query.shows, MetricStat)]
        return [(name, as_series(name, self.result(name))) for name in stats]

    def quota(self, metric: Metric) -> float:
        quota = self._quotas.get((metric.namespace, metric.name))
        if quota is None:
            raise ExpressionError(
                f"the quota of {metric.namespace} {metric.name} is not known here; it can be given"
                f" (--quota {metric.namespace}/{metric.name}=NUMBER)"
            )
        return quota

    def _shown(self, query: Query) -> Value:
        if isinstance(query.shows, MetricStat):
            stat = query.shows
            values = self._store.series(stat.metric, stat.stat, self.grid, stat.unit)
            return Series(self.grid, tuple(values), query.label or stat.metric.name, stat.metric)
        try:
            return as_value(query.id, self._evaluated(query.shows))
        except ExpressionError as error:
            raise ExpressionError(f"{query.id} = {query.expression}: {error}") from error

    def _evaluated(self, node: syntax.Node) -> Argument:
        match node:
            case syntax.Number(value) | syntax.Text(value):
                return value
            case syntax.Name(word) if word in WORDS:
                return word
            case syntax.Name(name):
                return self.result(name)
            case syntax.Negated(operand):
                return negate(as_value("-", self._evaluated(operand)))
            case syntax.Binary(operator, left, right):
                sides = (as_value(operator, self._evaluated(side)) for side in (left, right))
                return apply(operator, *sides)
            case syntax.Array(items):
                return [series for item in items for series in self._flat(item)]
            case syntax.Call(function, arguments):
                return call(self, function, [self._evaluated(argument) for argument in arguments])

    def _flat(self, item: syntax.Node) -> list[Series]:
        value = self._evaluated(item)
        return value if isinstance(value, list) else [as_series("an array", value)]
