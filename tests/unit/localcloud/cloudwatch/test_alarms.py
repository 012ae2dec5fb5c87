"""Reading the properties of alarms."""

import pytest

from localcloud.cloudwatch.alarms import read_alarm
from localcloud.cloudwatch.errors import TemplateError
from localcloud.cloudwatch.verdict import Missing, State

ALARM, COMPOSITE = "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"
SIMPLE = {
    "Namespace": "Shop",
    "MetricName": "Latency",
    "Statistic": "Average",
    "Period": 60,
    "EvaluationPeriods": 3,
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 5,
}
MATH = {key: SIMPLE[key] for key in ("EvaluationPeriods", "ComparisonOperator", "Threshold")}


def stat(name, period=60, **more):
    metric = {"Namespace": "Shop", "MetricName": name}
    return {"Id": name.lower(), "MetricStat": {"Metric": metric, "Period": period, "Stat": "Sum"}, **more}


def test_what_is_not_given_has_cloudwatchs_defaults():
    alarm = read_alarm(ALARM, "Slow", SIMPLE)
    assert (alarm.name, alarm.rule.to_alarm, alarm.rule.missing) == ("Slow", 3, Missing.MISSING)
    assert (alarm.actions.enabled, alarm.actions.of[State.OK], alarm.low_samples_ignored) == (True, (), False)


def test_numbers_and_flags_may_be_written_as_text():
    alarm = read_alarm(ALARM, "Slow", {**SIMPLE, "Period": "120", "Threshold": "7.5", "ActionsEnabled": "false"})
    assert (alarm.period_s, alarm.threshold, alarm.actions.enabled) == (120, 7.5, False)


def test_actions_are_known_by_the_state_they_are_for():
    topics = {"AlarmActions": ["a"], "OKActions": ["b"], "InsufficientDataActions": ["c", "d"], "AlarmName": "slow"}
    alarm = read_alarm(ALARM, "Slow", {**SIMPLE, **topics})
    assert alarm.name == "slow"
    assert alarm.actions.of == {State.ALARM: ("a",), State.OK: ("b",), State.INSUFFICIENT_DATA: ("c", "d")}


def test_an_expression_alarm_watches_the_query_that_is_returned():
    metrics = [stat("A", ReturnData=False), {"Id": "e1", "Expression": "a * 2"}]
    alarm = read_alarm(ALARM, "Double", {**MATH, "Metrics": metrics})
    assert (alarm.watched, alarm.period_s, [query.id for query in alarm.queries]) == ("e1", 60, ["a", "e1"])


def test_dynamodbs_alarms_ignore_missing_data_unless_they_say_otherwise():
    table = {**SIMPLE, "Namespace": "AWS/DynamoDB"}
    assert read_alarm(ALARM, "T", table).rule.missing is Missing.IGNORE
    assert read_alarm(ALARM, "T", {**table, "TreatMissingData": "breaching"}).rule.missing is Missing.BREACHING


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"ThresholdMetricId": "ad1"}, "anomaly detection"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "anomaly detection"),
        ({"EvaluationWindow": {"WallClockWindow": {}}}, "wall clock"),
        ({"WarmUpConfiguration": {}}, "WarmUpConfiguration"),
        ({"ComparisonOperator": "Above"}, "ComparisonOperator is one of GreaterThanThreshold"),
        ({"TreatMissingData": "zero"}, "TreatMissingData is one of missing"),
        ({"EvaluateLowSampleCountPercentile": "no"}, "evaluate, ignore"),
        ({"Period": 45}, "not 45"),
        ({"Period": 0}, "not 0"),
        ({"EvaluationPeriods": 1441}, "86400"),
        ({"Period": 3600, "EvaluationPeriods": 169}, "604800"),
        ({"DatapointsToAlarm": 4}, "4 out of 3"),
        ({"EvaluationPeriods": 0}, "0 out of 0"),
        ({"ExtendedStatistic": "p99"}, "exactly one of Statistic"),
        ({"Statistic": "Median"}, "no statistic 'Median'"),
        ({"Threshold": "high"}, "high"),
        ({"Metrics": [stat("A")]}, "Metrics excludes Namespace"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(changes, named):
    with pytest.raises(TemplateError, match=named):
        read_alarm(ALARM, "Slow", {**SIMPLE, **changes})


@pytest.mark.parametrize("key", ["Namespace", "MetricName", "Period", "EvaluationPeriods", "Threshold"])
def test_a_property_that_is_missing_is_named(key):
    with pytest.raises(TemplateError, match=f"^{key} is missing"):
        read_alarm(ALARM, "Slow", {name: value for name, value in SIMPLE.items() if name != key})


@pytest.mark.parametrize(
    ("metrics", "named"),
    [
        ([stat("A"), stat("B")], "exactly one of Metrics"),
        ([stat("A", ReturnData="false")], "not 0"),
        ([stat("A"), stat("B", 300, ReturnData=False)], r"same period, not \[60, 300\]"),
        ([stat("A"), stat("A", ReturnData=False)], "same Id"),
        ([{"Id": "e1", "Expression": "1 +"}], "a value is missing"),
        ([{"Id": "e1", "Expression": "TIME_SERIES(1)"}], "same period, not none"),
        ([stat(f"A{n}", ReturnData=n == 0) for n in range(11)], "at most 10"),
    ],
)
def test_metrics_that_do_not_make_one_series_are_refused(metrics, named):
    with pytest.raises(TemplateError, match=named):
        read_alarm(ALARM, "Sum", {**MATH, "Metrics": metrics})


def test_a_composite_alarm_knows_its_rule_and_its_suppressor():
    arn = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:Deploying"
    periods = {"ActionsSuppressorWaitPeriod": 60, "ActionsSuppressorExtensionPeriod": 120}
    alarm = read_alarm(COMPOSITE, "Down", {"AlarmRule": "ALARM(a)", "ActionsSuppressor": arn, **periods})
    assert (alarm.rule.children, alarm.suppressor, alarm.wait_s, alarm.extension_s) == (("a",), "Deploying", 60, 120)


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({}, "AlarmRule is missing"),
        ({"AlarmRule": "ALARM(a"}, r"'\)' is missing"),
        ({"AlarmRule": "TRUE", "ActionsSuppressor": "a"}, "ActionsSuppressorWaitPeriod"),
    ],
)
def test_a_composite_alarm_that_cannot_be_evaluated_is_refused(properties, named):
    with pytest.raises(TemplateError, match=named):
        read_alarm(COMPOSITE, "Down", properties)
