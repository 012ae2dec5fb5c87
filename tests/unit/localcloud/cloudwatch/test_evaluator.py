"""Alarms over time: what an evaluation sees, says, remembers and does."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from localcloud.cloudwatch import notification
from localcloud.cloudwatch.alarms import read_alarm
from localcloud.cloudwatch.errors import TemplateError
from localcloud.cloudwatch.evaluator import Evaluator
from localcloud.cloudwatch.store import MetricStore
from localcloud.cloudwatch.verdict import State

START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
SLOW = {
    "Namespace": "Shop",
    "MetricName": "Latency",
    "Statistic": "Average",
    "Period": 60,
    "EvaluationPeriods": 1,
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 5,
}


def metric_alarm(name="Slow", **changes):
    properties = {**SLOW, **changes}
    if "ExtendedStatistic" in changes:
        del properties["Statistic"]
    return read_alarm("AWS::CloudWatch::Alarm", name, properties)


def composite(name, rule, **properties):
    return read_alarm("AWS::CloudWatch::CompositeAlarm", name, {"AlarmRule": rule, **properties})


def at(minutes=0, seconds=0):
    return START + timedelta(minutes=minutes, seconds=seconds)


def stored(*values, name="Latency", every_s=60):
    """A store with one value a period from START; None for a gap."""
    store = MetricStore()
    for number, value in enumerate(values):
        if value is not None:
            store.put("Shop", name, {}, at(seconds=number * every_s), [value], resolution_s=1)
    return store


def states(evaluator, *moments):
    return [[result.state.value for result in evaluator.evaluate(moment)] for moment in moments]


def test_an_evaluation_sees_the_minutes_that_are_over():
    evaluator = Evaluator([metric_alarm()], stored(9))
    assert states(evaluator, at(0, 59), at(1), at(1, 59)) == [["INSUFFICIENT_DATA"], ["ALARM"], ["ALARM"]]


def test_a_period_of_five_minutes_slides_by_the_minute():
    """The user guide: at minute 5 the minutes 1 to 5, at minute 6 the minutes 2 to 6."""
    alarm = metric_alarm(Period=300, Statistic="Sum", Threshold=15, TreatMissingData="notBreaching")
    evaluator = Evaluator([alarm], stored(4, 4, 4, 4, 0, 0))
    assert [sum(point.value for point in evaluator.evaluate(at(minute))[0].datapoints) for minute in (4, 5, 6)] == [
        *(16, 16, 12)
    ]


def test_a_period_of_ten_seconds_ends_with_the_ten_seconds_that_are_over():
    evaluator = Evaluator([metric_alarm(Period=10)], stored(9, 1, every_s=10))
    assert states(evaluator, at(0, 9), at(0, 10), at(0, 29)) == [["INSUFFICIENT_DATA"], ["ALARM"], ["OK"]]


def test_an_alarm_over_more_than_a_day_changes_at_full_hours():
    alarm = metric_alarm(Period=86_400, EvaluationPeriods=2, DatapointsToAlarm=1)
    store = MetricStore()
    store.put("Shop", "Latency", {}, START + timedelta(minutes=30), [9])
    assert states(Evaluator([alarm], store), at(45), at(60)) == [["INSUFFICIENT_DATA"], ["ALARM"]]


def test_only_the_named_dimensions_and_unit_count():
    store = MetricStore()
    store.put("Shop", "Latency", {"Stage": "prod"}, START, [9], "Seconds")
    dimensions = [{"Name": "Stage", "Value": "prod"}]
    alarms = [
        metric_alarm("Bare"),
        metric_alarm("Prod", Dimensions=dimensions),
        metric_alarm("Unit", Dimensions=dimensions, Unit="Seconds"),
        metric_alarm("OtherUnit", Dimensions=dimensions, Unit="Count"),
    ]
    (found,) = states(Evaluator(alarms, store), at(1))
    assert found == ["INSUFFICIENT_DATA", "ALARM", "ALARM", "INSUFFICIENT_DATA"]


@pytest.mark.parametrize(
    ("comparison", "found"),
    [
        ("GreaterThanThreshold", ["OK", "OK", "ALARM"]),
        ("GreaterThanOrEqualToThreshold", ["OK", "ALARM", "ALARM"]),
        ("LessThanThreshold", ["ALARM", "OK", "OK"]),
        ("LessThanOrEqualToThreshold", ["ALARM", "ALARM", "OK"]),
    ],
)
def test_every_comparison_has_its_side_of_the_threshold(comparison, found):
    evaluator = Evaluator([metric_alarm(ComparisonOperator=comparison)], stored(4, 5, 6))
    assert [state for (state,) in states(evaluator, at(1), at(2), at(3))] == found


def test_a_percentile_alarm_watches_the_tail():
    store = MetricStore()
    store.put("Shop", "Latency", {}, START, [1.0] * 90 + [9.0] * 10)
    alarms = [metric_alarm("P90", ExtendedStatistic="p90"), metric_alarm("P95", ExtendedStatistic="p95")]
    assert states(Evaluator(alarms, store), at(1)) == [["OK", "ALARM"]]


@pytest.mark.parametrize(
    ("samples", "low", "state"),
    [(199, "ignore", "OK"), (200, "ignore", "ALARM"), (199, "evaluate", "ALARM"), (0, "ignore", "INSUFFICIENT_DATA")],
)
def test_a_percentile_of_few_samples_keeps_the_state_where_they_are_ignored(samples, low, state):
    store = MetricStore()
    if samples:
        store.put("Shop", "Latency", {}, START, [9.0] * samples)
    alarm = metric_alarm(ExtendedStatistic="p95", EvaluateLowSampleCountPercentile=low)
    (result,) = Evaluator([alarm], store, initial=State.OK).evaluate(at(1))
    assert result.state == state
    assert ("199 samples" in result.reason) is ((samples, low) == (199, "ignore"))


def test_an_expression_alarm_compares_its_result():
    store = stored(1, 3, name="Errors")
    for minute in (0, 1):
        store.put("Shop", "Requests", {}, at(minute), [100])
    stats = [
        {
            "Id": name.lower(),
            "ReturnData": False,
            "MetricStat": {"Metric": {"Namespace": "Shop", "MetricName": name}, "Period": 60, "Stat": "Sum"},
        }
        for name in ("Errors", "Requests")
    ]
    rate = {"Id": "rate", "Expression": "100 * FILL(errors, 0) / requests"}
    properties = {"EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 2}
    alarm = read_alarm("AWS::CloudWatch::Alarm", "Rate", {**properties, "Metrics": [*stats, rate]})
    assert states(Evaluator([alarm], store), at(1), at(2)) == [["OK"], ["ALARM"]]


def test_an_expression_that_cannot_be_evaluated_is_refused_before_the_first_minute():
    stat = {"Metric": {"Namespace": "Shop", "MetricName": "m"}, "Period": 60, "Stat": "Sum"}
    metrics = [{"Id": "m1", "MetricStat": stat, "ReturnData": False}, {"Id": "e1", "Expression": "MODE(m1)"}]
    properties = {"EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 2}
    for expression, named in (("MODE(m1)", "no function MODE"), ("SUM(m1)", "needs a time series, not a number")):
        metrics[1]["Expression"] = expression
        alarm = read_alarm("AWS::CloudWatch::Alarm", "Odd", {**properties, "Metrics": metrics})
        with pytest.raises(TemplateError, match=rf"Odd: .*{named}"):
            Evaluator([alarm], MetricStore())


@pytest.mark.parametrize(
    ("values", "changes", "reason"),
    [
        (
            [9, 1, 7],
            {"EvaluationPeriods": 3, "DatapointsToAlarm": 2},
            "Threshold Crossed: 2 out of the last 3 datapoints [7.0 (23/11/26 10:02:00), 9.0 (23/11/26 10:00:00)] were"
            " greater than the threshold (5.0) (minimum 2 datapoints for OK -> ALARM transition).",
        ),
        (
            [1],
            {},
            "Threshold Crossed: 1 out of the last 1 datapoints [1.0 (23/11/26 10:00:00)] was not greater than the"
            " threshold (5.0) (minimum 1 datapoint for ALARM -> OK transition).",
        ),
        ([None], {"EvaluationPeriods": 5}, "Insufficient Data: 5 datapoints were unknown."),
        ([None], {}, "Insufficient Data: 1 datapoint was unknown."),
        (
            [None, 9],
            {"EvaluationPeriods": 2, "DatapointsToAlarm": 2},
            "Insufficient Data: 1 datapoint was unknown.",
        ),
        (
            [None] * 3,
            {"EvaluationPeriods": 3, "TreatMissingData": "breaching"},
            "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as"
            " [Breaching].",
        ),
        (
            [1],
            {"EvaluationPeriods": 2, "TreatMissingData": "notBreaching"},
            "Threshold Crossed: 1 datapoint [1.0 (23/11/26 10:00:00)] was not greater than the threshold (5.0) and 1"
            " missing datapoint was treated as [NonBreaching].",
        ),
        (
            [9],
            {"EvaluationPeriods": 2, "TreatMissingData": "breaching"},
            "Threshold Crossed: 1 datapoint [9.0 (23/11/26 10:00:00)] was greater than the threshold (5.0) and 1"
            " missing datapoint was treated as [Breaching].",
        ),
        (
            [9, None, None],
            {"EvaluationPeriods": 3},
            "Threshold Crossed: 1 out of the last 3 datapoints [9.0 (23/11/26 10:00:00)] was greater than the"
            " threshold (5.0) (minimum 3 datapoints for OK -> ALARM transition).",
        ),
        (
            [None],
            {"TreatMissingData": "ignore"},
            "State retained: no datapoints of 1 received, and missing data is ignored.",
        ),
    ],
)
def test_a_reason_is_in_cloudwatchs_words(values, changes, reason):
    (result,) = Evaluator([metric_alarm(**changes)], stored(*values)).evaluate(at(len(values)))
    assert result.reason == reason


def test_a_composite_follows_its_children_in_the_same_evaluation_whatever_the_order():
    alarms = [
        composite("Worse", "ALARM(Down) AND NOT OK(Slow)"),
        composite("Down", 'ALARM("Slow") OR ALARM(Broken)'),
        metric_alarm("Slow"),
        metric_alarm("Broken", MetricName="Errors"),
    ]
    evaluator = Evaluator(alarms, stored(9, 1))
    found = [{result.name: result.state.value for result in evaluator.evaluate(at(minute))} for minute in (1, 2)]
    assert found[0] == {"Slow": "ALARM", "Broken": "INSUFFICIENT_DATA", "Down": "ALARM", "Worse": "ALARM"}
    assert found[1] == {"Slow": "OK", "Broken": "INSUFFICIENT_DATA", "Down": "OK", "Worse": "OK"}
    assert evaluator.history("Down")[-1].reason == "Slow transitioned to OK at Monday 23 November, 2026 10:02:00 UTC"


def test_a_composite_without_a_change_beneath_it_says_its_rule():
    (result,) = Evaluator([composite("Always", "TRUE")], MetricStore()).evaluate(at())
    assert (result.state, result.reason) == (State.ALARM, "The rule is True: TRUE")


@pytest.mark.parametrize(
    ("alarms", "named"),
    [
        ([composite("A", "ALARM(B)"), composite("B", "OK(A)")], "watch each other: .*A.*B|watch each other: .*B.*A"),
        ([composite("A", "ALARM(Nobody)")], "A watches Nobody"),
        ([metric_alarm("A"), metric_alarm("A")], "two alarms are called A"),
    ],
)
def test_alarms_that_do_not_fit_together_are_refused(alarms, named):
    with pytest.raises(TemplateError, match=named):
        Evaluator(alarms, MetricStore())


def test_actions_are_performed_when_a_state_changes_and_not_while_it_lasts():
    done = []
    alarm = metric_alarm(AlarmActions=["page", "mail"], OKActions=["calm"], InsufficientDataActions=["ask"])
    evaluator = Evaluator([alarm], stored(9, 9, 1), act=lambda _, result, arn: done.append((result.at.minute, arn)))
    for minute in range(1, 8):
        evaluator.evaluate(at(minute))
    assert done == [(1, "page"), (1, "mail"), (3, "calm"), (6, "ask")]


def test_disabled_actions_are_not_performed():
    done = []
    alarm = metric_alarm(AlarmActions=["page"], ActionsEnabled=False)
    (result,) = Evaluator([alarm], stored(9), act=lambda *what: done.append(what)).evaluate(at(1))
    assert (result.changed, result.actions, done) == (True, (), [])


def test_the_history_holds_the_changes_of_state():
    evaluator = Evaluator([metric_alarm()], stored(9, 9, 1))
    for minute in range(8):
        evaluator.evaluate(at(minute))
    found = [(change.at.minute, change.previous.value, change.state.value) for change in evaluator.history("Slow")]
    assert found == [(1, "INSUFFICIENT_DATA", "ALARM"), (3, "ALARM", "OK"), (6, "OK", "INSUFFICIENT_DATA")]
    assert evaluator.states == {"Slow": State.INSUFFICIENT_DATA}


SUPPRESSED = {"ActionsSuppressor": "Deploying", "ActionsSuppressorWaitPeriod": 120}


@pytest.mark.parametrize(
    ("slow", "deploying", "acted", "held"),
    [
        pytest.param("OXXXXXXX", "OOOOOOOO", {3: "page"}, "-WW-----", id="without a suppressor after the wait"),
        pytest.param("OXXXXXXX", "OXXXOOOO", {7: "page"}, "-AAAEEE-", id="after the extension"),
        pytest.param("OXXOOOOO", "OXXXXOOO", {}, "-AA-----", id="not for what has passed meanwhile"),
        pytest.param("OXXXXXXX", "OOXXOOOO", {7: "page"}, "-WAAEEE-", id="when it comes within the wait"),
        pytest.param("XXXXOOOO", "OOOOXXOO", {2: "page"}, "WW--AAEE", id="nor for a recovery that it holds"),
    ],
)
def test_a_suppressor_holds_a_composites_actions_back(slow, deploying, acted, held):
    store = MetricStore()
    for metric, row in (("Latency", slow), ("Deploy", deploying)):
        for minute, point in enumerate(row):
            store.put("Shop", metric, {}, at(minute), [9 if point == "X" else 1])
    alarms = [
        metric_alarm("Slow"),
        metric_alarm("Deploying", MetricName="Deploy"),
        composite(
            *("Down", "ALARM(Slow)"),
            **SUPPRESSED,
            ActionsSuppressorExtensionPeriod=180,
            AlarmActions=["page"],
            OKActions=["calm"],
        ),
    ]
    done = {}
    evaluator = Evaluator(alarms, store, initial=State.OK, act=lambda _, result, arn: done.update({result.at: arn}))
    results = [evaluator.evaluate(at(minute + 1))[-1] for minute in range(len(slow))]
    assert done == {at(minute + 1): arn for minute, arn in acted.items()}
    assert "".join((result.suppressed_by or "-")[0] for result in results) == held


def test_a_notification_says_what_cloudwatchs_does():
    alarm = metric_alarm(AlarmActions=["arn:topic"], Dimensions=[{"Name": "Stage", "Value": "dev"}])
    store = MetricStore()
    store.put("Shop", "Latency", {"Stage": "dev"}, START, [9])
    (result,) = Evaluator([alarm], store).evaluate(at(1, 2))
    body = json.loads(notification.message(alarm, result, account="123456789012", region="eu-west-1"))
    assert notification.subject(result, "eu-west-1") == 'ALARM: "Slow" in eu-west-1'
    assert (body["NewStateValue"], body["OldStateValue"]) == ("ALARM", "INSUFFICIENT_DATA")
    assert body["StateChangeTime"] == "2026-11-23T10:01:02.000+0000"
    assert body["Trigger"]["Dimensions"] == [{"value": "dev", "name": "Stage"}]
    assert (body["Trigger"]["Statistic"], body["Trigger"]["Threshold"]) == ("AVERAGE", 5)


def test_a_composites_notification_carries_its_rule():
    alarm = composite("Always", "TRUE")
    (result,) = Evaluator([alarm], MetricStore()).evaluate(at())
    body = json.loads(notification.message(alarm, result, account="123456789012", region="eu-west-1"))
    assert (body["AlarmRule"], "Trigger" in body) == ("TRUE", False)
