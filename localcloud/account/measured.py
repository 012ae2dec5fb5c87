"""Which metrics the account has data of: what functions log, and some of what AWS's own services measure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# By namespace; those of namespaces that are not AWS's are what functions log.
OF_AWS: Mapping[str, frozenset[str]] = {
    "AWS/Lambda": frozenset({"Duration", "Errors", "Invocations", "Throttles"}),
    "AWS/SQS": frozenset(
        {
            "ApproximateAgeOfOldestMessage",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesVisible",
        }
    ),
}


# Lengths of time: how long something takes says as much of this machine as of the release.
TIMES = frozenset(
    {
        "Duration",
        "PollDuration",
        "PublishedToEvaluated",
        "PublishedToRecorded",
        "PublishedToSent",
        "PublishedToSequenced",
        "QueryDuration",
        "SequencedToSent",
    }
)


def is_of_time(alarm: Mapping[str, Any]) -> bool:
    """Whether an alarm, as DescribeAlarms shows it, compares nothing but lengths of time."""
    return {name for _, name in _metrics(alarm)} <= TIMES


def is_measured(alarm: Mapping[str, Any]) -> bool:
    """Whether any metric of an alarm, as DescribeAlarms shows it, may have data here."""
    return any(_has_data(namespace, name) for namespace, name in _metrics(alarm))


def _has_data(namespace: str, name: str) -> bool:
    return not namespace.startswith("AWS/") or name in OF_AWS.get(namespace, ())


def _metrics(alarm: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "MetricName" in alarm:
        yield str(alarm["Namespace"]), str(alarm["MetricName"])
    for query in alarm.get("Metrics", ()):
        if "MetricStat" in query:
            metric = query["MetricStat"]["Metric"]
            yield str(metric["Namespace"]), str(metric["MetricName"])
