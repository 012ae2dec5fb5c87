"""Why an alarm has its state, in CloudWatch's words.

CloudWatch does not document its reasons; these are the forms that its notifications have. What keeps a state has no
form there, since CloudWatch then says nothing; those begin with "State retained".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from localcloud.cloudwatch.alarms import MetricAlarm
from localcloud.cloudwatch.store import Point
from localcloud.cloudwatch.verdict import Missing, State, Verdict, Why

_TREATED_AS = {Missing.BREACHING: "Breaching", Missing.NOT_BREACHING: "NonBreaching"}


def of_verdict(alarm: MetricAlarm, verdict: Verdict, points: Sequence[Point]) -> str:
    """``points`` are those that were evaluated, oldest first."""
    rule, missing = alarm.rule, verdict.filled
    if verdict.state is None:
        received = _count(len(points), "datapoint") if points else "no datapoints"
        return f"State retained: {received} of {rule.periods} received, and missing data is ignored."
    if verdict.state is State.INSUFFICIENT_DATA:
        return f"Insufficient Data: {_count(missing, 'datapoint')} {_was(missing)} unknown."
    if verdict.why is Why.FILLED and missing and rule.missing in _TREATED_AS:
        made_up = f"{_count(missing, 'missing datapoint')} {_was(missing)} treated as [{_TREATED_AS[rule.missing]}]."
        if not points:
            return f"Threshold Crossed: no datapoints were received for {_count(rule.periods, 'period')} and {made_up}"
        crossed = any(alarm.comparison.breaches(point.value, alarm.threshold) for point in points)
        shown = _that_breach(alarm, points, breach=crossed)
        listed = f"{_count(len(shown), 'datapoint')} {_listed(shown)}"
        return f"Threshold Crossed: {listed} {_compared(alarm, len(shown), not crossed)} and {made_up}"
    return _of_datapoints(alarm, verdict.state is State.ALARM, points)


def too_few_samples(name: str, samples: int, needed: int) -> str:
    return f"State retained: {_count(samples, 'sample')} in a period, and {name} is ignored below {needed}."


def of_child(name: str, state: State, at: datetime) -> str:
    """A composite alarm's reason: the child that changed last."""
    return f"{name} transitioned to {state} at {at:%A %d %B, %Y %H:%M:%S} UTC"


def _of_datapoints(alarm: MetricAlarm, alarming: bool, points: Sequence[Point]) -> str:
    rule = alarm.rule
    shown = _that_breach(alarm, points, breach=alarming)
    least = rule.to_alarm if alarming else rule.periods - rule.to_alarm + 1
    needed = f"minimum {_count(least, 'datapoint')} for {'OK -> ALARM' if alarming else 'ALARM -> OK'} transition"
    return (
        f"Threshold Crossed: {len(shown)} out of the last {rule.periods} datapoints {_listed(shown)}"
        f" {_compared(alarm, len(shown), not alarming)} ({needed})."
    )


def _that_breach(alarm: MetricAlarm, points: Sequence[Point], *, breach: bool) -> list[Point]:
    return [point for point in points if alarm.comparison.breaches(point.value, alarm.threshold) is breach]


def _listed(points: Sequence[Point]) -> str:
    newest_first = reversed(points)
    return "[" + ", ".join(f"{point.value} ({point.timestamp:%d/%m/%y %H:%M:%S})" for point in newest_first) + "]"


def _compared(alarm: MetricAlarm, count: int, negated: bool) -> str:
    return f"{_was(count)} {'not ' if negated else ''}{alarm.comparison.words} the threshold ({alarm.threshold})"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
