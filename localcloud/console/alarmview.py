"""Alarms as the page shows them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from localcloud.cloudwatch.alarms import Alarm, CompositeAlarm, MetricAlarm
from localcloud.cloudwatch.evaluator import AlarmResult, Evaluator
from localcloud.cloudwatch.queries import DEFAULT_QUOTAS
from localcloud.cloudwatch.store import MetricStore
from localcloud.console.graph import Measured, grid_of, metrics_of, points

_SEVERITY = re.compile(r"(P[1-3])\b")
_RUNBOOK = re.compile(r"/([A-Za-z0-9]+)\.md\b")
_SIGNS = {
    "GreaterThanThreshold": ">",
    "GreaterThanOrEqualToThreshold": "≥",
    "LessThanThreshold": "<",
    "LessThanOrEqualToThreshold": "≤",
}


def summary(
    alarm: Alarm, evaluator: Evaluator, latest: Mapping[str, AlarmResult], measured: Measured
) -> dict[str, Any]:
    """One line of the list. ``source`` is "aws" for an alarm of which no metric is measured on this machine."""
    result, history = latest.get(alarm.name), evaluator.history(alarm.name)
    severity, runbook = _SEVERITY.match(alarm.description), _RUNBOOK.search(alarm.description)
    last = result.datapoints[-1] if result and result.datapoints else None
    return {
        "name": alarm.name,
        "state": evaluator.states[alarm.name].value,
        "severity": severity[1] if severity else "",
        "description": _RUNBOOK_TAIL.sub("", alarm.description),
        "runbook": runbook[1] if runbook else None,
        "kind": "metric" if isinstance(alarm, MetricAlarm) else "composite",
        "condition": _condition(alarm),
        "source": "here" if _measured(alarm, evaluator, measured) else "aws",
        "reason": result.reason if result else "Not evaluated yet.",
        "evaluated": result.at.timestamp() if result else None,
        "since": history[-1].at.timestamp() if history else None,
        "value": last.value if last else None,
        "suppressed_by": result.suppressed_by if result else None,
    }


def detail(alarm: Alarm, evaluator: Evaluator, store: MetricStore, *, end_s: int, span_s: int) -> dict[str, Any]:
    """What the list leaves out: the graph with its threshold, the history, the rule. Raises CloudWatchError."""
    told: dict[str, Any] = {
        "history": [_change(result) for result in reversed(evaluator.history(alarm.name))],
        "actions": {state.value: list(arns) for state, arns in alarm.actions.of.items() if arns},
    }
    if isinstance(alarm, CompositeAlarm):
        states = {name: evaluator.states[name].value for name in alarm.rule.children}
        return {**told, "rule": alarm.rule.text, "children": states, "suppressor": alarm.suppressor}
    watched = next(query for query in alarm.queries if query.id == alarm.watched)
    graph = points(alarm.queries, alarm.watched, store, grid_of(end_s, span_s, alarm.period_s), DEFAULT_QUOTAS)
    return {
        **told,
        "graph": {"label": watched.label or alarm.watched, "axis": "left", "color": None, "source": "here", **graph},
        "threshold": alarm.threshold,
        "missing": alarm.rule.missing.value,
        "expression": watched.expression or None,
        "metrics": [
            {"namespace": metric.namespace, "name": metric.name, "dimensions": dict(metric.dimensions)}
            for metric in metrics_of(alarm.queries)
        ],
    }


_RUNBOOK_TAIL = re.compile(r"\s*\S+/[A-Za-z0-9]+\.md\s*$")


def _condition(alarm: Alarm) -> str:
    if isinstance(alarm, CompositeAlarm):
        return f"{len(alarm.rule.children)} alarms"
    sign = _SIGNS[str(alarm.properties["ComparisonOperator"])]
    statistic = alarm.properties.get("ExtendedStatistic", alarm.properties.get("Statistic"))
    watched = next(query for query in alarm.queries if query.id == alarm.watched)
    what = f"{watched.label} {statistic}" if statistic else watched.label or watched.expression
    times = f"{alarm.rule.to_alarm} of {alarm.rule.periods} times {_span(alarm.period_s)}"
    return f"{what} {sign} {alarm.threshold:g}, {times}"


def _span(seconds: int) -> str:
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds % unit == 0:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def _measured(alarm: Alarm, evaluator: Evaluator, measured: Measured) -> bool:
    if isinstance(alarm, CompositeAlarm):
        children = (evaluator.alarms[name] for name in alarm.rule.children)
        return any(_measured(child, evaluator, measured) for child in children)
    return all(map(measured, metrics_of(alarm.queries)))


def _change(result: AlarmResult) -> dict[str, Any]:
    return {
        "at": result.at.timestamp(),
        "from": result.previous.value,
        "to": result.state.value,
        "reason": result.reason,
        "actions": list(result.actions),
        "suppressed_by": result.suppressed_by,
    }
