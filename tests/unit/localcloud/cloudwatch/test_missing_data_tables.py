"""The tables of "Configuring how CloudWatch alarms treat missing data", through the evaluator as a whole.

Rows are as in the guide: the newest data point is on the right, 0 is within the threshold, X breaches, - is missing.
"""

from datetime import UTC, datetime, timedelta

import pytest

from localcloud.cloudwatch.alarms import read_alarm
from localcloud.cloudwatch.evaluator import Evaluator
from localcloud.cloudwatch.store import MetricStore
from localcloud.cloudwatch.verdict import State

START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
SHORT = {"I": "INSUFFICIENT_DATA", "A": "ALARM", "O": "OK"}

THREE_OUT_OF_THREE = [
    # data points  missing ignore breaching notBreaching; = keeps the state that the alarm has
    ("0 - X - X", "O O O O"),
    ("0 - - - -", "O O O O"),
    ("- - - - -", "I = A O"),
    ("0 X X - X", "A A A A"),
    ("- - X - -", "A = A O"),
]
TWO_OUT_OF_THREE = [
    ("0 - X - X", "A A A A"),
    ("0 0 X 0 X", "A A A A"),
    ("0 - X - -", "O O A O"),
    ("- - - - 0", "O O A O"),
    ("- - - X -", "A = A O"),
]
EARLIER_EDITIONS = [  # rows that the guide had until 2019, and that nothing in it contradicts now
    (3, "- - - - X", "I = A O"),
    (2, "- - - - X", "I = A O"),
    (3, "X - - - -", "A = A O"),
]
PREMATURE = [  # "Avoiding premature transitions to alarm state", in prose
    (3, "- - - X -", "I = A O"),
    (3, "- - - X 0", "O O O O"),
    (3, "- - X - 0", "O O O O"),
    (3, "- - X X -", "A = A O"),
    (3, "- - - X X", "I = A O"),
    (3, "- - X - X", "A = A O"),
]
# The next evaluation after the second row of the first table: the 0 is out of the range.
AGED = [(3, "0 - - - - -", "I = A O")]


def _cases():
    tables = [(3, *row) for row in THREE_OUT_OF_THREE] + [(2, *row) for row in TWO_OUT_OF_THREE]
    for to_alarm, row, cells in tables + EARLIER_EDITIONS + PREMATURE + AGED:
        for treatment, cell in zip(TREATMENTS, cells.split(), strict=True):
            yield pytest.param(to_alarm, row, treatment, cell, id=f"{to_alarm} of 3, {row}, {treatment}")


def _evaluated(to_alarm, row, treatment, initial, period_s=300):
    store, points = MetricStore(), row.split()
    for number, point in enumerate(points):
        if point != "-":
            at = START + timedelta(seconds=number * period_s)
            store.put("Shop", "Latency", {"Stage": "dev"}, at, [10.0 if point == "X" else 1.0])
    properties = {
        "Namespace": "Shop",
        "MetricName": "Latency",
        "Dimensions": [{"Name": "Stage", "Value": "dev"}],
        "Statistic": "Average",
        "Period": period_s,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": to_alarm,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 5,
        "TreatMissingData": treatment,
    }
    alarm = read_alarm("AWS::CloudWatch::Alarm", "Slow", properties)
    evaluator = Evaluator([alarm], store, initial=initial)
    (result,) = evaluator.evaluate(START + timedelta(seconds=len(points) * period_s))
    return result.state


@pytest.mark.parametrize("initial", State)
@pytest.mark.parametrize(("to_alarm", "row", "treatment", "cell"), list(_cases()))
def test_an_alarm_has_the_state_of_the_guides_table(to_alarm, row, treatment, cell, initial):
    expected = initial if cell == "=" else SHORT[cell]
    assert _evaluated(to_alarm, row, treatment, initial) == expected


@pytest.mark.parametrize("period_s", [10, 60, 3600])
def test_the_tables_hold_for_every_period(period_s):
    assert _evaluated(3, "- - X - -", "missing", State.OK, period_s) == "ALARM"
