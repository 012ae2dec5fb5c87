"""Alarms as CloudFormation resources: all of them kept where CloudWatch's API finds them.

ministack refuses metric math and has no composite alarms in templates. Neither is lost on the way here: what the
template says is kept in ministack's own records, which DescribeAlarms answers from and which are evaluated.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

METRIC, COMPOSITE = "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"
_SINGLE = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Unit", "Dimensions")
_ACTIONS = ("AlarmActions", "OKActions", "InsufficientDataActions")
_SUPPRESSOR = ("ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod")
_LOW_SAMPLES = "EvaluateLowSampleCountPercentile"

Properties = Mapping[str, Any]
Made = tuple[str, dict[str, str]]


def register(table: dict[str, dict[str, Any]]) -> None:
    """Put the handlers of both types into ministack's table of resource types."""
    import ministack.services.cloudformation.provisioners as provisioners

    record = provisioners._cw_metric_alarm_record
    provisioners._cw_metric_alarm_record = lambda name, props: metric_record(record, name, props)
    table[COMPOSITE] = {"create": _create, "update": _update, "update_with_logical_id": True, "delete": _delete}


def metric_record(record: Any, name: str, properties: Properties) -> dict[str, Any]:
    """ministack's record of a metric alarm, by its own ``record``; that of metric math holds its ``Metrics``."""
    if "Metrics" not in properties:
        kept: dict[str, Any] = record(name, properties)
    else:
        # What it asks for and does not find in an alarm on metric math.
        stopgap = {"MetricName": "-", "Namespace": "-"}
        kept = record(name, {**{key: properties[key] for key in properties if key != "Metrics"}, **stopgap})
        for key in _SINGLE:
            kept.pop(key, None)
        kept["Metrics"] = properties["Metrics"]
    if _LOW_SAMPLES in properties:
        kept[_LOW_SAMPLES] = properties[_LOW_SAMPLES]
    return kept


def definition(record: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of an alarm from its record: what is not set is not there."""
    found = {key: value for key, value in record.items() if value is not None and not key.startswith("State")}
    if "ExtendedStatistic" in found:
        found.pop("Statistic", None)
    return found


def _create(logical_id: str, properties: Properties, stack: str) -> Made:
    return _put(str(properties.get("AlarmName") or f"{stack}-{logical_id}"), properties)


def _update(physical_id: str, _old: Properties, new: Properties, stack: str, logical_id: str = "") -> Made:
    made = _create(logical_id, new, stack)
    if made[0] != physical_id:
        _delete(physical_id, _old)
    return made


def _delete(physical_id: str, _properties: Properties) -> None:
    import ministack.services.cloudwatch as cloudwatch

    cloudwatch._composite_alarms.pop(physical_id, None)


def _put(name: str, properties: Properties) -> Made:
    import ministack.services.cloudwatch as cloudwatch

    arn = f"arn:aws:cloudwatch:{cloudwatch.get_region()}:{cloudwatch.get_account_id()}:alarm:{name}"
    now = int(time.time())
    record = {
        "AlarmName": name,
        "AlarmArn": arn,
        "AlarmDescription": str(properties.get("AlarmDescription", "")),
        "AlarmRule": str(properties["AlarmRule"]),
        "ActionsEnabled": str(properties.get("ActionsEnabled", True)).lower() == "true",
        **{key: list(properties.get(key, ())) for key in _ACTIONS},
        **{key: properties[key] for key in _SUPPRESSOR if key in properties},
        "AlarmConfigurationUpdatedTimestamp": now,
        "StateValue": "INSUFFICIENT_DATA",
        "StateReason": "Unchecked: Initial alarm creation",
        "StateUpdatedTimestamp": now,
    }
    before = cloudwatch._composite_alarms.get(name, {})
    cloudwatch._composite_alarms[name] = record | {key: before[key] for key in before if key.startswith("State")}
    return name, {"Arn": arn}
