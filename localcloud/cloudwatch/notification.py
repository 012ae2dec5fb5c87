"""What an alarm publishes to an SNS topic when its state changes.

Source: the messages that CloudWatch publishes; the user guide shows them without describing the format.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from localcloud.cloudwatch.alarms import Alarm, CompositeAlarm, MetricAlarm
from localcloud.cloudwatch.evaluator import AlarmResult

_PASSED_ON = (
    *("MetricName", "Namespace", "Unit", "Period", "EvaluationPeriods", "DatapointsToAlarm", "ComparisonOperator"),
    *("Threshold", "TreatMissingData", "EvaluateLowSampleCountPercentile", "Metrics"),
)


def subject(result: AlarmResult, region: str) -> str:
    """The subject of the message, at most 100 characters as SNS has it."""
    return f'{result.state}: "{result.name}" in {region}'[:100]


def message(alarm: Alarm, result: AlarmResult, *, account: str, region: str) -> str:
    """The message, JSON."""
    body: dict[str, Any] = {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description or None,
        "AWSAccountId": account,
        "NewStateValue": result.state.value,
        "NewStateReason": result.reason,
        "StateChangeTime": _time(result.at),
        "Region": region,
        "AlarmArn": f"arn:aws:cloudwatch:{region}:{account}:alarm:{alarm.name}",
        "OldStateValue": result.previous.value,
        "OKActions": list(alarm.properties.get("OKActions", ())),
        "AlarmActions": list(alarm.properties.get("AlarmActions", ())),
        "InsufficientDataActions": list(alarm.properties.get("InsufficientDataActions", ())),
    }
    if isinstance(alarm, CompositeAlarm):
        return json.dumps({**body, "AlarmRule": alarm.rule.text})
    return json.dumps({**body, "Trigger": _trigger(alarm)})


def _trigger(alarm: MetricAlarm) -> Mapping[str, Any]:
    given = alarm.properties
    trigger = {key: given[key] for key in _PASSED_ON if key in given}
    if "Statistic" in given:
        trigger |= {"StatisticType": "Statistic", "Statistic": str(given["Statistic"]).upper()}
    elif "ExtendedStatistic" in given:
        trigger |= {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": given["ExtendedStatistic"]}
    if "Dimensions" in given:
        trigger["Dimensions"] = [{"value": each["Value"], "name": each["Name"]} for each in given["Dimensions"]]
    return trigger


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}+0000"
