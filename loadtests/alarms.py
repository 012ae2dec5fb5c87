"""The template's latency alarms, evaluated over what a run measured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtests.clock import Clock
from loadtests.target import TargetError
from loadtests.verdict import AlarmCheck
from localcloud.cloudwatch.alarms import MetricAlarm
from localcloud.cloudwatch.emf import Datum, read_emf
from localcloud.cloudwatch.errors import CloudWatchError
from localcloud.cloudwatch.evaluator import AlarmResult, Evaluator
from localcloud.cloudwatch.queries import MetricStat
from localcloud.cloudwatch.store import MetricStore
from localcloud.cloudwatch.template import load_template, read_alarms

# How long a change takes on its way, part by part and whole. An alarm on one of these is a latency alarm.
LATENCIES = frozenset({"PublishedToSequenced", "SequencedToSent", "PublishedToSent"})
_ACTIONS = ("AlarmActions", "OKActions", "InsufficientDataActions", "AlarmDescription")


def latency_alarms(path: Path, stage: str) -> list[MetricAlarm]:
    """The alarms of a template that watch one of LATENCIES, for a stage. Raises TargetError if it cannot be read.

    What they would do is left out: it refers to topics, which a part of a template may not hold.
    """
    try:
        template = load_template(path)
        resources = {
            name: {**resource, "Properties": _without_actions(resource["Properties"])}
            for name, resource in template["Resources"].items()
            if resource.get("Type") == "AWS::CloudWatch::Alarm" and _metrics_in(resource) & LATENCIES
        }
        alarms = read_alarms({**template, "Resources": resources}, {"Stage": stage, "NamePrefix": ""})
    except (OSError, CloudWatchError) as error:
        raise TargetError(f"no alarms from {path}: {error}") from error
    return [alarm for alarm in alarms if isinstance(alarm, MetricAlarm)]


def check_measured(
    alarms: Iterable[MetricAlarm],
    source: str,
    data: Iterable[Datum],
    clock: Clock,
    ended: datetime,
    *,
    measures: frozenset[str] = LATENCIES,
) -> list[AlarmCheck]:
    """Evaluate each alarm, whose metrics are all among ``measures``, once a minute of the clock until ``ended``.

    Data from outside the window is left out. An alarm begins as CloudWatch creates it, without enough data.
    """
    store = MetricStore()
    for datum in data:
        if clock.began <= datum.timestamp < ended:
            at = clock.stretched(datum.timestamp)
            store.put(datum.namespace, datum.name, datum.dimensions, at, datum.values, datum.unit)
    chosen = [alarm for alarm in alarms if {stat.metric.name for stat in _stats(alarm)} <= measures]
    evaluator = Evaluator(chosen, store)
    checks = {alarm.name: _unseen(alarm, source, _minutes(store, alarm, clock, ended)) for alarm in chosen}
    for at in clock.minutes(ended):
        for result in evaluator.evaluate(at):
            checks[result.name] = _seen(checks[result.name], result, clock)
    return list(checks.values())


def _unseen(alarm: MetricAlarm, source: str, datapoints: int) -> AlarmCheck:
    watched = ", ".join(f"{stat.stat.name} of {stat.metric.name}" for stat in _stats(alarm))
    rule = f"{watched} {alarm.comparison.words} {alarm.threshold:g} in {alarm.rule.to_alarm} of {alarm.rule.periods}"
    return AlarmCheck(alarm.name, source, "", rule, "", None, datapoints)


def _seen(check: AlarmCheck, result: AlarmResult, clock: Clock) -> AlarmCheck:
    """The check after one more evaluation; the reason that stays is that of its first ALARM."""
    state = result.state.value
    if check.fired_at is not None:
        return replace(check, state=state)
    # CloudWatch's own words would tell the stretched time.
    last = ", ".join(f"{point.value:,.0f}" for point in result.datapoints) or "no data"
    return replace(check, state=state, reason=last, fired_at=clock.moment(result.at) if state == "ALARM" else None)


def _minutes(store: MetricStore, alarm: MetricAlarm, clock: Clock, ended: datetime) -> int:
    """How many periods have data of every metric that the alarm watches."""
    until = clock.minutes(ended)[-1]
    counts = [
        store.statistics(
            stat.metric.namespace,
            stat.metric.name,
            dict(stat.metric.dimensions),
            "SampleCount",
            start=clock.origin,
            end=until,
            period_s=60,
        )
        for stat in _stats(alarm)
    ]
    return min(map(len, counts), default=0)


def _stats(alarm: MetricAlarm) -> list[MetricStat]:
    return [query.shows for query in alarm.queries if isinstance(query.shows, MetricStat)]


def service_points(log: Path) -> Iterator[Datum]:
    """What the handlers wrote in EMF."""
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            yield from read_emf(line)


def client_points(path: Path) -> Iterator[Datum]:
    """What the clients measured."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            point = json.loads(line)
            yield Datum(
                namespace=point["namespace"],
                name=point["name"],
                dimensions=point["dimensions"],
                timestamp=datetime.fromisoformat(point["timestamp"]).astimezone(UTC),
                values=tuple(point["values"]),
                unit=point["unit"],
                resolution_s=60,
            )


def _without_actions(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in properties.items() if key not in _ACTIONS}


def _metrics_in(node: Any) -> set[str]:
    """Every ``MetricName`` below a node."""
    if isinstance(node, list):
        return set().union(*map(_metrics_in, node))
    if not isinstance(node, dict):
        return set()
    return {str(node["MetricName"])} if "MetricName" in node else set().union(*map(_metrics_in, node.values()))
