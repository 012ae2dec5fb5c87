"""The account's alarms, evaluated over what its functions did."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.telemetry.catalogue import METRICS
from localcloud.account.clock import Clock
from localcloud.account.measured import TIMES, is_measured
from localcloud.account.ministack.alarms import definition, metric_record
from localcloud.account.ministack.invocations import Invocation
from localcloud.account.ministack.measures import Depth, Measures
from localcloud.account.ministack.watch import Watch
from localcloud.cloudwatch.evaluator import AlarmResult

BEGAN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
CLOCK = Clock(minute_s=60, began=BEGAN)
TOPIC = "arn:aws:sns:us-east-1:000000000000:major"


def alarm(name: str, metric: str, *, namespace: str = "AWS/Lambda", **dimensions: str) -> dict[str, Any]:
    """More than none in one minute; missing data is no breach."""
    return {
        "AlarmName": name,
        "Namespace": namespace,
        "MetricName": metric,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        "Statistic": "Sum",
        "ExtendedStatistic": None,
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 0.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "AlarmActions": [TOPIC],
        "StateValue": "INSUFFICIENT_DATA",
        "StateReason": "",
    }


def composite(name: str, rule: str) -> dict[str, Any]:
    return {"AlarmName": name, "AlarmRule": rule, "StateValue": "INSUFFICIENT_DATA", "StateReason": ""}


class FakeRecords:
    """The alarms of an account, in memory."""

    def __init__(self, *metric: dict[str, Any], composites: tuple[dict[str, Any], ...] = ()) -> None:
        self._metric = {each["AlarmName"]: each for each in metric}
        self._composite = {each["AlarmName"]: each for each in composites}
        self.history: list[tuple[str, str]] = []
        self.published: list[str] = []
        self.queues: dict[str, Depth] = {}

    def metric(self) -> Mapping[str, dict[str, Any]]:
        return self._metric

    def composite(self) -> Mapping[str, dict[str, Any]]:
        return self._composite

    def changed(self, result: AlarmResult, kind: str) -> None:
        self.history.append((result.name, result.state.value))

    def publish(self, topic: str, subject: str, message: str) -> None:
        self.published.append(f"{topic} {subject}")

    def depths(self) -> Mapping[str, Depth]:
        return self.queues


def invocation(**given: Any) -> Invocation:
    usual: dict[str, Any] = {"function": "f", "alias": "live", "version": "2", "duration_ms": 5.0, "failed": True}
    return Invocation(**{"ended": BEGAN, "throttled": False, "lines": (), **usual, **given})


def evaluated(records: FakeRecords, *told: Invocation, minutes: int = 1, patience: float = 1.0) -> Watch:
    measures = Measures(CLOCK)
    watch = Watch(records, measures, CLOCK, account="000000000000", region="us-east-1", patience=patience)
    for each in told:
        measures.told(each)
    watch.evaluate(BEGAN + timedelta(minutes=minutes))
    return watch


def test_errors_of_the_alias_put_its_alarm_on_and_tell_its_topic() -> None:
    records = FakeRecords(alarm("errors", "Errors", FunctionName="f", Resource="f:live"))
    watch = evaluated(records, invocation())
    assert watch.state("errors") == "ALARM"
    assert records.history == [("errors", "ALARM")]
    assert records.published == [f'{TOPIC} ALARM: "errors" in us-east-1']


def test_errors_of_one_version_are_told_apart() -> None:
    of_one = alarm("one", "Errors", FunctionName="f", Resource="f:live", ExecutedVersion="1")
    of_two = alarm("two", "Errors", FunctionName="f", Resource="f:live", ExecutedVersion="2")
    watch = evaluated(FakeRecords(of_one, of_two), invocation(version="2"), invocation(version="1", failed=False))
    assert (watch.state("one"), watch.state("two")) == ("OK", "ALARM")


def test_a_version_that_is_called_by_its_number_is_not_the_aliass() -> None:
    """So the hook's calls of a new version do not count against the old one's users."""
    records = FakeRecords(alarm("errors", "Errors", FunctionName="f", Resource="f:live"))
    assert evaluated(records, invocation(alias=None)).state("errors") == "OK"


def test_a_refused_invocation_is_a_throttle_and_no_invocation() -> None:
    records = FakeRecords(
        alarm("refused", "Throttles", FunctionName="f"), alarm("called", "Invocations", FunctionName="f")
    )
    watch = evaluated(records, invocation(throttled=True))
    assert (watch.state("refused"), watch.state("called")) == ("ALARM", "OK")


def test_what_a_function_logs_is_a_metric() -> None:
    stamp = int(BEGAN.timestamp() * 1000)
    directive = '{"Namespace": "Ours", "Metrics": [{"Name": "Lost"}], "Dimensions": [[]]}'
    line = f'{{"_aws": {{"Timestamp": {stamp}, "CloudWatchMetrics": [{directive}]}}, "Lost": 3}}'
    records = FakeRecords(alarm("lost", "Lost", namespace="Ours"))
    assert evaluated(records, invocation(lines=(line,))).state("lost") == "ALARM"


def test_the_depth_of_a_queue_is_a_metric() -> None:
    records = FakeRecords(alarm("deep", "ApproximateNumberOfMessagesVisible", namespace="AWS/SQS", QueueName="q"))
    records.queues["q"] = Depth(visible=2, in_flight=0, oldest_s=1.0)
    assert evaluated(records).state("deep") == "ALARM"


def test_a_composite_follows_the_alarms_that_it_names_in_the_same_minute() -> None:
    records = FakeRecords(
        alarm("errors", "Errors", FunctionName="f"), composites=(composite("down", 'ALARM("errors")'),)
    )
    assert evaluated(records, invocation()).state("down") == "ALARM"


def test_a_state_that_somebody_set_holds_until_the_next_minute() -> None:
    records = FakeRecords(alarm("errors", "Errors", FunctionName="f"))
    watch = evaluated(records)
    records.metric()["errors"]["StateValue"] = "ALARM"
    assert watch.state("errors") == "ALARM"
    watch.evaluate(BEGAN + timedelta(minutes=2))
    assert watch.state("errors") == "OK"
    assert records.history[-1] == ("errors", "OK")


def test_an_alarm_that_cannot_be_evaluated_says_so_and_the_others_go_on() -> None:
    broken = alarm("broken", "Errors") | {"EvaluationPeriods": 0}
    records = FakeRecords(
        broken, alarm("errors", "Errors", FunctionName="f"), composites=(composite("lost", 'ALARM("nowhere")'),)
    )
    watch = evaluated(records, invocation())
    assert watch.state("errors") == "ALARM"
    assert records.metric()["broken"]["StateReason"].startswith("Not evaluated here")
    assert "nowhere" in records.composite()["lost"]["StateReason"]


def test_an_alarm_that_is_not_there_has_no_state() -> None:
    assert evaluated(FakeRecords()).state("none") is None


def test_an_alarm_on_metric_math_is_kept_whole() -> None:
    """ministack's own record of it would refuse the metrics."""
    seen: list[Mapping[str, Any]] = []

    def record(name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
        seen.append(properties)
        return {"AlarmName": name, "MetricName": properties["MetricName"], "Statistic": "Average", "StateValue": "OK"}

    kept = metric_record(record, "math", {"Metrics": [{"Id": "e"}], "Threshold": 1})
    assert kept == {"AlarmName": "math", "StateValue": "OK", "Metrics": [{"Id": "e"}]}
    assert "Metrics" not in seen[0]


def test_a_percentile_is_not_read_as_an_average_too() -> None:
    found = definition({"Statistic": "Average", "ExtendedStatistic": "p95", "Unit": None, "StateValue": "OK"})
    assert found == {"ExtendedStatistic": "p95"}


@pytest.mark.parametrize(("patience", "state"), [(1.0, "ALARM"), (10.0, "OK")])
def test_patience_is_with_lengths_of_time_alone(patience: float, state: str) -> None:
    slow = {**alarm("slow", "Duration", FunctionName="f"), "Threshold": 2.0}
    records = FakeRecords(slow, {**alarm("wrong", "Errors", FunctionName="f"), "Threshold": 0.5})
    watch = evaluated(records, invocation(duration_ms=5.0), patience=patience)
    assert (watch.state("slow"), watch.state("wrong")) == (state, "ALARM")
    assert slow["Threshold"] == 2.0


def test_times_are_those_that_are_counted_in_milliseconds() -> None:
    assert {"Duration"} | {metric.name for metric in METRICS if metric.unit == "Milliseconds"} == TIMES


def test_an_alarm_on_what_nothing_here_measures_is_known_as_such() -> None:
    math = {
        "Metrics": [{"Id": "e", "MetricStat": {"Metric": {"Namespace": "AWS/RDS", "MetricName": "CPUUtilization"}}}]
    }
    assert not is_measured(math)
    assert is_measured(alarm("errors", "Errors"))
    assert is_measured(alarm("ours", "Lost", namespace="DefiStream"))
