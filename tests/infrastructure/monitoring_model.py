"""Alarms and dashboards of a resolved template as plain values, and what AWS's services report.

The table is of AWS's documentation of each service's metrics. A name that is not in it is a typing error, or one that
somebody has to look up and add.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.telemetry.catalogue import BY_NAME, NAMESPACE
from tests.infrastructure.kinds import Resources, of_type

ALARM, COMPOSITE = "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"
BUDGET, DASHBOARD = "AWS::Budgets::Budget", "AWS::CloudWatch::Dashboard"

# Every alarm that a parameter can add.
EVERYTHING = {
    "AlarmEmail": "alarms@example.com",
    "MonthlyBudget": "100",
    "DomainName": "stream.example.com",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/0",
    "NatGateways": "per-zone",
}

FUNCTION = {"FunctionName"}, {"FunctionName", "Resource"}, {"FunctionName", "Resource", "ExecutedVersion"}
ACCOUNT: tuple[set[str], ...] = (set(),)
SOCKET, REST = ({"ApiId", "Stage"},), ({"ApiName", "Stage"},)
NODE, QUEUE, TOPIC = ({"CacheClusterId"},), ({"QueueName"},), ({"TopicName"},)
INSTANCE, NAT = ({"DBInstanceIdentifier"},), ({"NatGatewayId"},)

# Metric → the sets of dimensions under which it is reported.
KNOWN: Mapping[str, Mapping[str, tuple[set[str], ...]]] = {
    "AWS/Lambda": {
        **dict.fromkeys(("Invocations", "Errors", "Throttles", "Duration"), FUNCTION),
        "ConcurrentExecutions": ({"FunctionName"}, set()),
        "ClaimedAccountConcurrency": ACCOUNT,
    },
    "AWS/ApiGateway": {
        **dict.fromkeys(("ConnectCount", "MessageCount", "ClientError", "IntegrationError", "ExecutionError"), SOCKET),
        "IntegrationLatency": (*SOCKET, *REST),
        **dict.fromkeys(("Count", "Latency", "4XXError", "5XXError"), REST),
    },
    "AWS/SQS": dict.fromkeys(
        (
            "ApproximateAgeOfOldestMessage",
            "ApproximateNumberOfMessagesVisible",
            "ApproximateNumberOfMessagesNotVisible",
            "NumberOfMessagesSent",
            "NumberOfMessagesDeleted",
        ),
        QUEUE,
    ),
    "AWS/SNS": dict.fromkeys(
        ("NumberOfMessagesPublished", "NumberOfNotificationsDelivered", "NumberOfNotificationsFailed"), TOPIC
    ),
    "AWS/ElastiCache": dict.fromkeys(
        (
            "AuthenticationFailures",
            "BytesUsedForCache",
            "CPUCreditBalance",
            "CPUUtilization",
            "CacheHitRate",
            "CurrConnections",
            "DatabaseMemoryUsagePercentage",
            "EngineCPUUtilization",
            "Evictions",
            "NewConnections",
            "ReplicationLag",
            "SuccessfulReadRequestLatency",
            "SuccessfulWriteRequestLatency",
            "SwapUsage",
        ),
        NODE,
    ),
    "AWS/RDS": dict.fromkeys(("CPUUtilization", "DatabaseConnections", "FreeStorageSpace"), INSTANCE),
    "AWS/Backup": dict.fromkeys(("NumberOfBackupJobsFailed", "NumberOfBackupJobsExpired"), ({"BackupVaultName"},)),
    "AWS/NATGateway": dict.fromkeys(("ErrorPortAllocation",), NAT),
    "AWS/WAFV2": {"BlockedRequests": ({"WebACL", "Rule"}, {"WebACL", "Rule", "Region"})},
    "AWS/CloudFront": {"5xxErrorRate": ({"DistributionId", "Region"},)},
    "AWS/CertificateManager": {"DaysToExpiry": ({"CertificateArn"},)},
}


@dataclass(frozen=True, slots=True)
class Use:
    """One metric as an alarm or a widget looks at it. A dimension's value is text, or ``{"Ref": logical id}``."""

    where: str
    namespace: str
    name: str
    dimensions: Mapping[str, Any]
    stat: str
    period_s: int

    def __str__(self) -> str:
        return f"{self.where}: {self.namespace} {self.name} {dict(self.dimensions)}"


# --- alarms ---


def queries(alarm: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [query for query in alarm.get("Metrics", []) if "MetricStat" in query]


def expressions(alarm: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [query for query in alarm.get("Metrics", []) if "Expression" in query]


def alarm_uses(resources: Resources) -> Iterator[Use]:
    for name, alarm in of_type(resources, ALARM).items():
        for query in queries(alarm):
            stat = query["MetricStat"]
            yield _use(name, stat["Metric"], stat["Stat"], stat["Period"])
        if "MetricName" in alarm:
            yield _use(name, alarm, alarm.get("Statistic", alarm.get("ExtendedStatistic")), alarm["Period"])


def _use(where: str, metric: Mapping[str, Any], stat: str, period_s: int) -> Use:
    dimensions = {each["Name"]: _plain(each["Value"]) for each in metric.get("Dimensions", [])}
    return Use(where, metric["Namespace"], metric["MetricName"], dimensions, stat, period_s)


def _plain(value: Any) -> Any:
    """``${Name}`` that could not be folded in is a reference, and so is an attribute, as ``LogicalId.Attribute``."""
    if isinstance(value, dict) and "Fn::GetAtt" in value:
        return {"Ref": ".".join(value["Fn::GetAtt"])}
    found = re.fullmatch(r"\$\{(\w+)\}", value) if isinstance(value, str) else None
    return {"Ref": found[1]} if found else value


def children(composite: Mapping[str, Any]) -> list[str]:
    """The alarms that a composite's rule names, by logical id."""
    rule = composite["AlarmRule"]
    text: str = rule["Fn::Sub"] if isinstance(rule, dict) else rule
    return re.findall(r'(?:ALARM|OK|INSUFFICIENT_DATA)\("\$\{(\w+)\}"\)', text)


# --- dashboards ---


def widgets(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(body(dashboard))["widgets"]
    return found


def body(dashboard: Mapping[str, Any]) -> str:
    text = dashboard["DashboardBody"]
    return str(text["Fn::Sub"] if isinstance(text, dict) else text)


def dashboard_uses(resources: Resources) -> Iterator[Use]:
    for name, dashboard in of_type(resources, DASHBOARD).items():
        for widget in widgets(dashboard):
            properties = widget["properties"]
            where = f"{name}, {properties.get('title')}"
            for row in properties.get("metrics", []):
                if isinstance(row[0], str):
                    yield _row(where, row, properties)


def _row(where: str, row: list[Any], properties: Mapping[str, Any]) -> Use:
    options = row[-1] if isinstance(row[-1], dict) else {}
    namespace, name, *pairs = row[:-1] if options else row
    dimensions = {key: _plain(value) for key, value in zip(pairs[::2], pairs[1::2], strict=True)}
    stat, period = (options.get(key, properties[key]) for key in ("stat", "period"))
    return Use(where, namespace, name, dimensions, stat, period)


# --- what there is ---


def is_known(use: Use) -> bool:
    """Whether somebody reports this metric with exactly these dimensions."""
    if use.namespace == NAMESPACE:
        metric = BY_NAME.get(use.name)
        return metric is not None and set(use.dimensions) in ({"Stage"}, {"Stage", *metric.dimensions})
    return set(use.dimensions) in KNOWN.get(use.namespace, {}).get(use.name, ())


def named(resources: Resources, kind: str, key: str) -> set[str]:
    return {properties[key] for properties in of_type(resources, kind).values()}


def nodes(resources: Resources) -> set[str]:
    """ElastiCache names the nodes of a group without shards after it: -001, -002 …"""
    return {
        f"{cache['ReplicationGroupId']}-{number:03}"
        for cache in of_type(resources, "AWS::ElastiCache::ReplicationGroup").values()
        for number in range(1, cache["NumCacheClusters"] + 1)
    }


def references(resources: Resources, kind: str) -> list[Any]:
    return [{"Ref": name} for name in of_type(resources, kind)]
