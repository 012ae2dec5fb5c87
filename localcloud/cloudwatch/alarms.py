"""Alarms, read from the properties of ``AWS::CloudWatch::Alarm`` and ``AWS::CloudWatch::CompositeAlarm``.

Sources: CloudWatch API Reference, PutMetricAlarm and PutCompositeAlarm; the CloudFormation reference of both types.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.cloudwatch.errors import CloudWatchError, TemplateError
from localcloud.cloudwatch.metricmath import syntax
from localcloud.cloudwatch.queries import MetricStat, Query
from localcloud.cloudwatch.rule import AlarmRule, alarm_name, parse_rule
from localcloud.cloudwatch.statistics import statistic
from localcloud.cloudwatch.store import Metric
from localcloud.cloudwatch.verdict import Missing, Rule, State

Properties = Mapping[str, Any]

_METRIC, _COMPOSITE = "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"
_DAY_S, _WEEK_S = 86_400, 604_800
_SUB_MINUTE_S = (10, 20, 30)
_METRICS_MAX = 10  # of one expression alarm
_HOW_TO_SPLIT = ("Namespace", "MetricName", "Dimensions", "Period", "Statistic", "ExtendedStatistic", "Unit")


@dataclass(frozen=True, slots=True)
class Comparison:
    """``words`` as CloudWatch writes them in a reason."""

    breaches: Callable[[float, float], bool]
    words: str


COMPARISONS = {
    "GreaterThanThreshold": Comparison(operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": Comparison(operator.ge, "greater than or equal to"),
    "LessThanThreshold": Comparison(operator.lt, "less than"),
    "LessThanOrEqualToThreshold": Comparison(operator.le, "less than or equal to"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """The ARNs to act on when an alarm enters a state."""

    enabled: bool
    of: Mapping[State, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricAlarm:
    """Compares the query ``watched`` with a threshold, M out of N periods. ``low_samples_ignored`` is
    ``EvaluateLowSampleCountPercentile: ignore``.
    """

    name: str
    description: str
    queries: tuple[Query, ...]
    watched: str
    period_s: int
    rule: Rule
    comparison: Comparison
    threshold: float
    low_samples_ignored: bool
    actions: Actions
    properties: Properties


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositeAlarm:
    """Watches other alarms. Its actions wait while the ``suppressor`` alarm is in ALARM; both periods in seconds."""

    name: str
    description: str
    rule: AlarmRule
    actions: Actions
    suppressor: str | None
    wait_s: int
    extension_s: int
    properties: Properties


Alarm = MetricAlarm | CompositeAlarm


def read_alarm(kind: str, logical_id: str, properties: Properties) -> Alarm:
    """An alarm from its resource type and its properties, without intrinsics. Raises TemplateError."""
    name = str(properties.get("AlarmName", logical_id))
    try:
        return (_metric_alarm if kind == _METRIC else _composite_alarm)(name, properties)
    except KeyError as error:
        raise TemplateError(f"{error.args[0]} is missing") from error
    except (CloudWatchError, TypeError, ValueError, AttributeError) as error:
        raise TemplateError(str(error)) from error


def is_alarm(kind: str) -> bool:
    """Whether a resource of this type is an alarm."""
    return kind in (_METRIC, _COMPOSITE)


def watched_by(alarm: Alarm) -> tuple[str, ...]:
    """The names of the alarms that an alarm's state, or whether it acts, depends on."""
    if isinstance(alarm, MetricAlarm):
        return ()
    return alarm.rule.children if alarm.suppressor is None else (*alarm.rule.children, alarm.suppressor)


def _metric_alarm(name: str, properties: Properties) -> MetricAlarm:
    _refuse_unsupported(properties)
    queries = _queries(properties["Metrics"]) if "Metrics" in properties else (_single(properties),)
    if "Metrics" in properties and (doubled := [key for key in _HOW_TO_SPLIT if key in properties]):
        raise TemplateError(f"Metrics excludes {', '.join(doubled)}")
    periods = int(properties["EvaluationPeriods"])
    to_alarm = int(properties.get("DatapointsToAlarm", periods))
    if not 1 <= to_alarm <= periods:
        raise TemplateError(f"{to_alarm} out of {periods} data points to alarm")
    return MetricAlarm(
        name=name,
        description=str(properties.get("AlarmDescription", "")),
        queries=queries,
        watched=_watched(queries),
        period_s=_period_s(queries, periods, properties),
        rule=Rule(periods, to_alarm, _missing(queries, properties)),
        comparison=COMPARISONS[_one_of(properties, "ComparisonOperator", COMPARISONS)],
        threshold=float(properties["Threshold"]),
        low_samples_ignored=_low_samples_ignored(properties),
        actions=_actions(properties),
        properties=properties,
    )


def _composite_alarm(name: str, properties: Properties) -> CompositeAlarm:
    suppressor = properties.get("ActionsSuppressor")
    if suppressor is not None and not {"ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod"} <= set(
        properties
    ):
        raise TemplateError("ActionsSuppressor needs ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod")
    return CompositeAlarm(
        name=name,
        description=str(properties.get("AlarmDescription", "")),
        rule=parse_rule(str(properties["AlarmRule"])),
        actions=_actions(properties),
        suppressor=None if suppressor is None else alarm_name(str(suppressor)),
        wait_s=int(properties.get("ActionsSuppressorWaitPeriod", 0)),
        extension_s=int(properties.get("ActionsSuppressorExtensionPeriod", 0)),
        properties=properties,
    )


def _refuse_unsupported(properties: Properties) -> None:
    if "ThresholdMetricId" in properties or "UpperThreshold" in str(properties.get("ComparisonOperator")):
        raise TemplateError("an anomaly detection alarm; its band is a model of AWS's that is not evaluated here")
    if "WallClockWindow" in properties.get("EvaluationWindow", {}):
        raise TemplateError("a wall clock EvaluationWindow is not evaluated here; only sliding windows are")
    for key in ("EvaluationCriteria", "EvaluationInterval", "WarmUpConfiguration"):
        if key in properties:
            raise TemplateError(f"{key} is not evaluated here")


def _single(properties: Properties) -> Query:
    name = properties.get("Statistic", properties.get("ExtendedStatistic"))
    if ("Statistic" in properties) == ("ExtendedStatistic" in properties):
        raise TemplateError("exactly one of Statistic and ExtendedStatistic is needed, or Metrics")
    metric = _metric(properties)
    unit = properties.get("Unit")
    return Query("m1", MetricStat(metric, statistic(str(name)), int(properties["Period"]), unit), metric.name)


def _queries(metrics: Sequence[Properties]) -> tuple[Query, ...]:
    queries = tuple(read_query(metric) for metric in metrics)
    if sum(isinstance(query.shows, MetricStat) for query in queries) > _METRICS_MAX:
        raise TemplateError(f"an alarm's expression has at most {_METRICS_MAX} metrics")
    if len({query.id for query in queries}) != len(queries):
        raise TemplateError("two of Metrics have the same Id")
    return queries


def read_query(properties: Properties) -> Query:
    """A ``MetricDataQuery``: a MetricStat or an Expression under an Id."""
    name, returned = str(properties["Id"]), _is_true(properties.get("ReturnData", True))
    label = str(properties.get("Label", ""))
    if "Expression" in properties:
        expression = str(properties["Expression"])
        return Query(name, syntax.parse(expression), label, returned, expression)
    stat = properties["MetricStat"]
    metric = _metric(stat["Metric"])
    shows = MetricStat(metric, statistic(str(stat["Stat"])), int(stat["Period"]), stat.get("Unit"))
    return Query(name, shows, label or metric.name, returned)


def _metric(properties: Properties) -> Metric:
    dimensions = {str(each["Name"]): str(each["Value"]) for each in properties.get("Dimensions", ())}
    return Metric.of(str(properties["Namespace"]), str(properties["MetricName"]), dimensions)


def _watched(queries: Sequence[Query]) -> str:
    returned = [query.id for query in queries if query.returned]
    if len(returned) != 1:
        raise TemplateError(f"exactly one of Metrics has ReturnData true, not {len(returned)}")
    return returned[0]


def _period_s(queries: Sequence[Query], periods: int, properties: Properties) -> int:
    found = {query.shows.period_s for query in queries if isinstance(query.shows, MetricStat)}
    found |= {int(metric["Period"]) for metric in properties.get("Metrics", ()) if "Period" in metric}
    if len(found) != 1:
        raise TemplateError(f"every metric of an alarm has the same period, not {sorted(found) or 'none'}")
    period_s = found.pop()
    if period_s not in _SUB_MINUTE_S and (period_s < 60 or period_s % 60):
        raise TemplateError(f"a period is 10, 20, 30 or a multiple of 60 seconds, not {period_s}")
    longest_s = _DAY_S if period_s < 3600 else _WEEK_S
    if period_s * periods > longest_s:
        raise TemplateError(f"{periods} periods of {period_s} s are more than {longest_s} s")
    return period_s


def _missing(queries: Sequence[Query], properties: Properties) -> Missing:
    if "TreatMissingData" in properties:
        return Missing(_one_of(properties, "TreatMissingData", list(Missing)))
    # The user guide: DynamoDB's alarms ignore by default. (The API reference says always; the guide is newer.)
    namespaces = {query.shows.metric.namespace for query in queries if isinstance(query.shows, MetricStat)}
    return Missing.IGNORE if "AWS/DynamoDB" in namespaces else Missing.MISSING


def _low_samples_ignored(properties: Properties) -> bool:
    key = "EvaluateLowSampleCountPercentile"
    return key in properties and _one_of(properties, key, ("evaluate", "ignore")) == "ignore"


def _actions(properties: Properties) -> Actions:
    keys = {State.ALARM: "AlarmActions", State.OK: "OKActions", State.INSUFFICIENT_DATA: "InsufficientDataActions"}
    return Actions(
        enabled=_is_true(properties.get("ActionsEnabled", True)),
        of={state: tuple(str(arn) for arn in properties.get(key, ())) for state, key in keys.items()},
    )


def _one_of(properties: Properties, key: str, choices: Sequence[str] | Mapping[str, object]) -> str:
    value = str(properties[key])
    if value not in choices:
        raise TemplateError(f"{key} is one of {', '.join(choices)}, not {value!r}")
    return value


def _is_true(value: Any) -> bool:
    return str(value).lower() in ("true", "yes", "on")  # as a template may write it
