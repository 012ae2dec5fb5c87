"""The latency alarms of a stage on AWS: what CloudWatch itself made of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from loadtests.alarms import LATENCIES
from loadtests.target import TargetError
from loadtests.verdict import AlarmCheck

SOURCE = "CloudWatch"
_NAMES_MAX = 100  # of one DescribeAlarms


class StageAlarms:
    """A stack's latency alarms, which can be read: TargetError if they cannot, or if there is none."""

    def __init__(self, stack: str, region: str) -> None:
        self._stack = stack
        session = boto3.Session(region_name=region)
        self._cloudwatch, self._cloudformation = session.client("cloudwatch"), session.client("cloudformation")
        now = datetime.now(UTC)
        if not self.checks(now, now):
            raise TargetError(f"the stack {stack} has no latency alarm")

    def checks(self, began: datetime, ended: datetime) -> list[AlarmCheck]:
        """As check_stage. Raises TargetError if AWS does not answer."""
        try:
            return check_stage(self._cloudwatch, self._cloudformation, self._stack, began, ended)
        except (BotoCoreError, ClientError) as error:
            raise TargetError(f"the alarms of the stack {self._stack} cannot be read: {error}") from error


def check_stage(cloudwatch: Any, cloudformation: Any, stack: str, began: datetime, ended: datetime) -> list[AlarmCheck]:
    """One check for each latency alarm of a stack. An alarm that was in ALARM all the time counts as fired.

    ``cloudwatch`` and ``cloudformation`` are boto3 clients. CloudWatch evaluates with a delay: let ``ended`` lie a few
    periods after the load.
    """
    return [_checked(cloudwatch, alarm, began, ended) for alarm in _latency_alarms(cloudwatch, cloudformation, stack)]


def _latency_alarms(cloudwatch: Any, cloudformation: Any, stack: str) -> Iterator[dict[str, Any]]:
    names = []
    for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack):
        names += [
            entry["PhysicalResourceId"]
            for entry in page["StackResourceSummaries"]
            if entry["ResourceType"] == "AWS::CloudWatch::Alarm"
        ]
    for start in range(0, len(names), _NAMES_MAX):
        answer = cloudwatch.describe_alarms(AlarmNames=names[start : start + _NAMES_MAX], AlarmTypes=["MetricAlarm"])
        yield from (alarm for alarm in answer["MetricAlarms"] if LATENCIES.intersection(_metrics_of(alarm)))


def _metrics_of(alarm: dict[str, Any]) -> Iterable[str]:
    queries = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", ()) if "MetricStat" in query]
    return {metric.get("MetricName", "") for metric in (alarm, *queries)}


def _checked(cloudwatch: Any, alarm: dict[str, Any], began: datetime, ended: datetime) -> AlarmCheck:
    name, state, rule = alarm["AlarmName"], alarm["StateValue"], alarm.get("AlarmDescription", "")
    for at, entered, reason in sorted(_history(cloudwatch, name, began, ended), key=lambda change: change[0]):
        if entered == "ALARM":
            return AlarmCheck(name, SOURCE, state, rule, reason, at)
    since = alarm["StateUpdatedTimestamp"]
    if state == "ALARM" and since <= ended:
        return AlarmCheck(name, SOURCE, state, rule, f"in ALARM since {since:%Y-%m-%d %H:%M} UTC", max(since, began))
    return AlarmCheck(name, SOURCE, state, rule, alarm.get("StateReason", ""))


def _history(cloudwatch: Any, name: str, began: datetime, ended: datetime) -> Iterator[tuple[datetime, str, str]]:
    """Changes of state within the window: when, to what, why."""
    pages = cloudwatch.get_paginator("describe_alarm_history").paginate(
        AlarmName=name, HistoryItemType="StateUpdate", StartDate=began, EndDate=ended
    )
    for page in pages:
        for item in page["AlarmHistoryItems"]:
            new = json.loads(item.get("HistoryData") or "{}").get("newState", {})
            said = item["HistorySummary"]  # "Alarm updated from OK to ALARM"
            yield item["Timestamp"], new.get("stateValue") or said.rpartition(" ")[2], new.get("stateReason") or said
