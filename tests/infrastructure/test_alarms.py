"""How alarms are written: limits, severities, missing data, math, composites and the budget."""

from __future__ import annotations

import json
import re
from graphlib import TopologicalSorter

import pytest

from scripts.packaging.project import PROJECT
from tests.infrastructure import monitoring_model as model
from tests.infrastructure.kinds import listed, of_type, resources_with
from tests.infrastructure.monitoring_model import ALARM, BUDGET, COMPOSITE, EVERYTHING

TOPICS = {"P1": "CriticalAlarmsTopic", "P2": "MajorAlarmsTopic", "P3": "MinorAlarmsTopic"}
_FILES = [*(PROJECT / "cfn").glob("alarms*.yaml"), PROJECT / "cfn" / "promotion.yaml"]
SOURCE = "".join(path.read_text() for path in sorted(_FILES))


# --- limits ---


# Alarm, its comparison, its threshold.
WANTED = [
    ("PushLatencyTooHigh", "GreaterThanThreshold", 200),  # ms, p95
    ("RequestErrorRateTooHigh", "GreaterThanThreshold", 1),  # %
    ("StreamErrorRateTooHigh", "GreaterThanThreshold", 1),
    ("RestErrorRateTooHigh", "GreaterThanThreshold", 1),
    ("RequestThrottleRateTooHigh", "GreaterThanThreshold", 0.1),  # %
    ("StreamThrottleRateTooHigh", "GreaterThanThreshold", 0.1),
    ("RedisCpuTooHigh", "GreaterThanThreshold", 80),
    ("RedisMemoryTooHigh", "GreaterThanThreshold", 85),
    ("QueueDepthTooHigh", "GreaterThanThreshold", 1000),
    ("DeadLettersTooMany", "GreaterThanThreshold", 0),
    ("AccountConcurrencyTooHigh", "GreaterThanThreshold", 80),
    ("DatabaseCpuTooHigh", "GreaterThanThreshold", 80),
    ("NatPortErrorsTooMany", "GreaterThanThreshold", 0),
    ("CertificateDaysTooFew", "LessThanThreshold", 30),
]


@pytest.mark.parametrize(("alarm", "comparison", "threshold"), WANTED)
def test_the_limits_that_were_asked_for(monitored, alarm, comparison, threshold):
    found = of_type(monitored, ALARM)[alarm]
    assert (found["ComparisonOperator"], found["Threshold"]) == (comparison, threshold)


def test_push_latency_is_judged_as_the_load_test_judges_it(monitored):
    (use,) = (use for use in model.alarm_uses(monitored) if use.where == "PushLatencyTooHigh")
    alarm = of_type(monitored, ALARM)["PushLatencyTooHigh"]
    assert (use.name, use.stat, use.period_s) == ("PublishedToSent", "p95", 60)
    assert (alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == (2, 3)


def test_the_accounts_concurrency_is_measured_by_its_own_quota(monitored):
    alarm = of_type(monitored, ALARM)["AccountConcurrencyTooHigh"]
    (share,) = model.expressions(alarm)
    assert "SERVICE_QUOTA(used)" in share["Expression"]
    (used,) = (query["MetricStat"]["Metric"] for query in model.queries(alarm) if query["Id"] == "used")
    assert used == {"Namespace": "AWS/Lambda", "MetricName": "ConcurrentExecutions"}


def test_connections_are_judged_by_what_the_instance_takes(assembled, transformed):
    """Of every size that may be chosen: max_connections is memory / 9,531,392 B, of which RDS keeps some for itself."""
    memory_gib = {"micro": 1, "small": 2, "medium": 4, "large": 8}
    for size in assembled.template["Parameters"]["DatabaseInstanceClass"]["AllowedValues"]:
        alarms = of_type(resources_with(assembled, transformed, DatabaseInstanceClass=size), ALARM)
        family, name = size.split(".")[1:]
        most = (16 if family.startswith("r") else memory_gib[name]) * 1024**3 / 9_531_392
        assert 0.7 * most <= alarms["DatabaseConnectionsTooMany"]["Threshold"] <= 0.85 * most, size


# --- how alarms are written ---


def test_there_are_enough_alarms(monitored):
    assert len(of_type(monitored, ALARM)) + len(of_type(monitored, COMPOSITE)) >= 25


def test_an_alarm_is_named_for_the_breach(monitored):
    for kind, key in ((ALARM, "AlarmName"), (COMPOSITE, "AlarmName")):
        for name, alarm in of_type(monitored, kind).items():
            assert alarm[key].endswith(f"-{name}"), name
            assert kind == COMPOSITE or re.fullmatch(r"[A-Za-z]+Too(High|Low|Many|Few|Old)", name), name
    for name, budget in of_type(monitored, BUDGET).items():
        assert budget["Budget"]["BudgetName"].endswith(f"-{name}")


def test_an_alarm_says_its_severity_what_is_wrong_and_where_to_read_on(monitored):
    """The severity is its topic's."""
    for name, alarm in {**of_type(monitored, ALARM), **of_type(monitored, COMPOSITE)}.items():
        told = alarm["AlarmDescription"]
        severity = told[:2]
        assert alarm["AlarmActions"] == [{"Ref": TOPICS[severity]}], name
        assert re.fullmatch(rf"{severity}(, by ServiceDown P1)?\. \w.+\. \S+/{name}\.md", told), told
        assert len(told) <= 1024
        assert alarm.get("ActionsEnabled", True) is True


def test_runbooks_can_be_read_from_anywhere(assembled, transformed):
    moved = resources_with(assembled, transformed, RunbooksUrl="https://example.com/wiki")
    told = of_type(moved, ALARM)["DeadLettersTooMany"]["AlarmDescription"]
    assert told.endswith(" https://example.com/wiki/DeadLettersTooMany.md")


def test_whoever_was_woken_is_told_that_it_is_over(monitored):
    for name, alarm in {**of_type(monitored, ALARM), **of_type(monitored, COMPOSITE)}.items():
        if alarm["AlarmActions"] == [{"Ref": TOPICS["P1"]}]:
            assert alarm["OKActions"] == alarm["AlarmActions"], name


def test_how_missing_data_counts_is_chosen_and_justified(monitored):
    """In words, at the end of the line."""
    for name, alarm in of_type(monitored, ALARM).items():
        assert alarm["TreatMissingData"] in ("missing", "ignore", "breaching", "notBreaching"), name
    chosen = re.findall(r"^ +TreatMissingData: .*$", SOURCE, re.MULTILINE)
    assert len(chosen) == len(re.findall(rf"^    Type: {ALARM}$", SOURCE, re.MULTILINE))
    assert [line for line in chosen if len(line.partition(" # ")[2].split()) < 2] == []


def test_a_low_sample_percentile_is_decided_too(monitored):
    for name, alarm in of_type(monitored, ALARM).items():
        assert ("EvaluateLowSampleCountPercentile" in alarm) == ("ExtendedStatistic" in alarm), name


def test_one_bad_minute_is_no_incident(monitored):
    """Alarms on rates, levels and latency need two data points; one is enough where one thing is one too many."""
    at_once = {name for name, alarm in of_type(monitored, ALARM).items() if alarm["DatapointsToAlarm"] == 1}
    assert at_once == {
        "BackupFailuresTooMany",
        "CertificateDaysTooFew",
        "DeadLettersTooMany",
        "MaintenanceErrorsTooMany",
        "NotificationsFailedTooMany",
        "PoisonRecordsTooMany",
        "RedisAuthenticationFailuresTooMany",
        "RedisEvictionsTooMany",
        "SocketExecutionErrorsTooMany",
    }
    for name, alarm in of_type(monitored, ALARM).items():
        assert alarm["DatapointsToAlarm"] <= alarm["EvaluationPeriods"], name


def test_an_alarm_looks_back_a_day_at_most(monitored):
    """CloudWatch's limit: evaluation periods times period."""
    for name, alarm in of_type(monitored, ALARM).items():
        period = alarm.get("Period") or max(query["MetricStat"]["Period"] for query in model.queries(alarm))
        assert alarm["EvaluationPeriods"] * period <= 86400, name


def test_math_is_within_cloudwatchs_bounds(monitored):
    """Ten metrics and ten expressions an alarm, one of which is watched; every id is made and used."""
    for name, alarm in of_type(monitored, ALARM).items():
        if "Metrics" not in alarm:
            continue
        metrics, expressions = model.queries(alarm), model.expressions(alarm)
        assert max(len(metrics), len(expressions)) <= 10, name
        watched = [query["Id"] for query in alarm["Metrics"] if query.get("ReturnData", True)]
        assert watched == [expressions[0]["Id"]], name
        ids = {query["Id"] for query in alarm["Metrics"]}
        assert len(ids) == len(alarm["Metrics"]), name
        words = {word for each in expressions for word in re.findall(r"\b[a-z]\w*", each["Expression"])}
        everything = any("METRICS()" in each["Expression"] for each in expressions)
        assert words - ids == set(), name
        unused = ids - words - set(watched)
        assert everything or unused == set(), f"{name}: nothing reads {unused}"
        assert {query["MetricStat"]["Period"] for query in metrics} == {metrics[0]["MetricStat"]["Period"]}, name


def test_an_array_is_never_of_one(monitored):
    """MAX of one series is one number, not a series, and CloudWatch refuses an alarm on it."""
    for name, alarm in of_type(monitored, ALARM).items():
        for each in model.expressions(alarm):
            if "METRICS()" in each["Expression"]:
                assert len(model.queries(alarm)) > 1, name


# --- composites ---


def test_composites_name_alarms_that_always_are_there(transformed):
    """A rule that names an alarm which a condition leaves out cannot be made."""
    templates = transformed["Resources"]
    for name, composite in of_type(templates, COMPOSITE).items():
        parts = model.children(composite)
        assert len(parts) >= 5, name
        assert composite["AlarmRule"]["Fn::Sub"].count("(") == len(parts), f"{name}: a part was not understood"
        for part in parts:
            assert templates[part]["Type"] in (ALARM, COMPOSITE), part
            assert "Condition" not in templates[part], part


def test_composites_do_not_watch_each_other_in_a_circle(monitored):
    composites = of_type(monitored, COMPOSITE)
    graph = {
        name: [*model.children(composite), *[each["Ref"] for each in listed(composite.get("ActionsSuppressor", []))]]
        for name, composite in composites.items()
    }
    assert set(TopologicalSorter(graph).static_order()) >= composites.keys()


def test_what_is_p1_by_the_composite_is_part_of_it(monitored):
    parts = set(model.children(of_type(monitored, COMPOSITE)["ServiceDown"]))
    told = {
        name for name, alarm in of_type(monitored, ALARM).items() if "by ServiceDown P1" in alarm["AlarmDescription"]
    }
    assert told == parts


# --- the budget ---


def test_the_budget_is_told_to_whoever_gets_the_alarms(monitored, stage):
    (budget,) = of_type(monitored, BUDGET).values()
    assert budget["Budget"]["BudgetLimit"] == {"Amount": 100, "Unit": "USD"}
    assert budget["Budget"]["CostFilters"] == {"TagKeyValue": [f"user:Environment${stage}"]}
    kinds = [each["Notification"]["NotificationType"] for each in budget["NotificationsWithSubscribers"]]
    assert kinds == ["ACTUAL", "FORECASTED"]
    for each in budget["NotificationsWithSubscribers"]:
        assert each["Subscribers"] == [{"SubscriptionType": "EMAIL", "Address": EVERYTHING["AlarmEmail"]}]


def test_unusual_spending_of_the_stage_is_told_to_the_topic_of_p2(monitored, stage):
    (monitor,) = of_type(monitored, "AWS::CE::AnomalyMonitor").values()
    assert monitor["MonitorType"] == "CUSTOM"  # the one by service is the account's
    assert json.loads(monitor["MonitorSpecification"])["Tags"]["Values"] == [stage]
    (told,) = of_type(monitored, "AWS::CE::AnomalySubscription").values()
    assert (told["Frequency"], [each["Type"] for each in told["Subscribers"]]) == ("IMMEDIATE", ["SNS"])
    assert told["Subscribers"][0]["Address"] == {"Ref": "MajorAlarmsTopic"}
    assert json.loads(told["ThresholdExpression"])["Dimensions"]["Values"] == ["20"]


def test_cost_anomalies_may_publish_to_that_topic_and_encrypt_for_it(monitored):
    policy = of_type(monitored, "AWS::SNS::TopicPolicy")["MajorAlarmsTopicPolicy"]["PolicyDocument"]
    (publishes,) = [s for s in policy["Statement"] if s["Principal"] == {"Service": "costalerts.amazonaws.com"}]
    assert (publishes["Effect"], publishes["Action"]) == ("Allow", "sns:Publish")
    assert set(publishes["Condition"]["StringEquals"]) == {"aws:SourceAccount"}
    key = of_type(monitored, "AWS::KMS::Key")["MessagingKey"]["KeyPolicy"]["Statement"]
    (encrypts,) = [s for s in key if s["Principal"] == {"Service": "costalerts.amazonaws.com"}]
    assert set(encrypts["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey*"}


@pytest.mark.parametrize("given", [{"AlarmEmail": ""}, {"MonthlyBudget": "0"}])
def test_without_somebody_to_tell_or_a_limit_there_is_no_budget(assembled, transformed, given):
    resources = resources_with(assembled, transformed, **{**EVERYTHING, **given})
    money = (BUDGET, "AWS::CE::AnomalyMonitor", "AWS::CE::AnomalySubscription")
    assert [name for name, each in resources.items() if each["Type"] in money] == []
