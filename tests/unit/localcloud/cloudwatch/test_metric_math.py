"""Metric math; the examples with lists of values are those of the user guide."""

from datetime import UTC, datetime

import pytest

from localcloud.cloudwatch.alarms import read_query
from localcloud.cloudwatch.errors import ExpressionError
from localcloud.cloudwatch.queries import QueryRun
from localcloud.cloudwatch.store import Grid, MetricStore

START_S = int(datetime(2026, 11, 23, 23, 58, tzinfo=UTC).timestamp())  # a Monday


def _run(metrics, *expressions, slots=None, **settings):
    """``metrics`` are lists by Id, a value each minute, None for missing; the last expression's result."""
    store = MetricStore()
    queries = []
    for name, values in metrics.items():
        for number, value in enumerate(values):
            if value is not None:
                store.put("Shop", name, {}, datetime.fromtimestamp(START_S + number * 60, UTC), [value])
        stat = {"Metric": {"Namespace": "Shop", "MetricName": name}, "Period": 60, "Stat": "Sum"}
        queries.append(read_query({"Id": name, "MetricStat": stat}))
    queries += [read_query({"Id": f"e{n}", "Expression": text}) for n, text in enumerate(expressions, 1)]
    grid = Grid(START_S, 60, slots or max(map(len, metrics.values()), default=3))
    return QueryRun(queries, store, grid, **settings).result(f"e{len(expressions)}")


def _values(metrics, *expressions, **settings):
    result = _run(metrics, *expressions, **settings)
    return [list(series.values) for series in result] if isinstance(result, list) else list(result.values)


THREE = {"m1": [1, 2, 4]}
GAPS = {"m1": [None, 2, None, 8, None], "m2": [1, None, None, 4, 5]}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        *(("m1 + 1", [2, 3, 5]), ("1 - m1", [0, -1, -3]), ("-m1", [-1, -2, -4]), ("m1 ^ 2", [1, 4, 16])),
        *(("2 + m1 * 3", [5, 8, 14]), ("(2 + m1) * 3", [9, 12, 18]), ("-m1 ^ 2", [-1, -4, -16])),
        *(("m1 - 1 - 1", [-1, 0, 2]), ("8 / m1 / 2", [4, 2, 1]), ("m1 * 1.5e1", [15, 30, 60]), ("m1*.5", [0.5, 1, 2])),
        *(("m1 > 1", [0, 1, 1]), ("m1 >= 2 AND m1 < 4", [0, 1, 0]), ("m1 == 1 || m1 != 2", [1, 0, 1])),
        *(("m1 > 3 OR m1 > 1 AND m1 < 3", [0, 1, 1]), ("m1 / 0", [None] * 3), ("m1 * (1 / 0)", [None] * 3)),
        *(("m1 / (m1 - 2)", [-1, None, 2]), ("(0 - m1) ^ 0.5", [None] * 3)),
        *(("SUM(m1) * m1", [7, 14, 28]), ("m1 - AVG(m1) + 7 / 3", [1, 2, 4]), ("MAX(m1) - m1", [3, 2, 0])),
        *(("m1 / MIN(m1)", [1, 2, 4]), ("m1 * DATAPOINT_COUNT(m1)", [3, 6, 12]), ("STDDEV([m1, m1 + 2])", [1, 1, 1])),
        *(("DIFF(m1)", [None, 1, 2]), ("RATE(m1)", [None, 1 / 60, 2 / 60]), ("DIFF_TIME(m1)", [None, 60, 60])),
        *(("RUNNING_SUM(m1)", [1, 3, 7]), ("ABS(m1 - 2)", [1, 0, 2]), ("CEIL(m1 / 3)", [1, 1, 2])),
        *(("FLOOR(m1 / 3)", [0, 0, 1]), ("LOG10(m1 * 50 / m1 * 2)", [2, 2, 2]), ("LOG(m1 - m1)", [None] * 3)),
        *(("m1 * 60 / PERIOD(m1)", [1, 2, 4]), ("TIME_SERIES(SUM(m1))", [7, 7, 7])),
        *(("MINUTE(m1)", [58, 59, 0]), ("HOUR(m1)", [23, 23, 0]), ("DAY(m1)", [1, 1, 2]), ("DATE(m1)", [23, 23, 24])),
        *(("MONTH(m1)", [11] * 3), ("YEAR(m1)", [2026] * 3), ("EPOCH(m1) - EPOCH(m1) + 1", [1, 1, 1])),
        *(("FIRST([m1, m1 * 2])", [1, 2, 4]), ("LAST([m1, m1 * 2])", [2, 4, 8])),
        *(("SLICE([m1, m1 * 2, m1 * 3], 1)", [[2, 4, 8], [3, 6, 12]]), ("SLICE([m1, m1 * 2], 0, 1)", [[1, 2, 4]])),
        *(("SORT([m1, m1 * 2], MAX, DESC)", [[2, 4, 8], [1, 2, 4]]), ("SORT([m1*2, m1], SUM, ASC, 1)", [[1, 2, 4]])),
        *(("[m1, m1] * [m1, 2 * m1]", [[1, 4, 16], [2, 8, 32]]), ("SUM(100 / [m1, m1])", [200, 100, 50])),
        *(("SUM(METRICS())", [1, 2, 4]), ('METRICS("m")', [[1, 2, 4]]), ("m1 * METRIC_COUNT(METRICS())", [1, 2, 4])),
    ],
)
def test_an_expression_has_its_value(expression, expected):
    result = _values(THREE, expression)
    flat = lambda found: found if found and isinstance(found[0], list) else [found]  # noqa: E731
    for series, wanted in zip(flat(result), flat(expected), strict=True):
        assert series == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("m1 + m2", [1, 2, None, 12, 5]),
        ("m1 - m2", [-1, 2, None, 4, -5]),
        ("m1 / m2", [0, None, None, 2, 0]),
        ("SUM([m1, m2])", [1, 2, None, 12, 5]),
        ("AVG([m1, m2])", [0.5, 1, None, 6, 2.5]),
        ("MIN([m1, m2])", [1, 2, None, 4, 5]),
        ("DATAPOINT_COUNT([m1, m2])", [1, 1, None, 2, 1]),
        ("TIME_SERIES(AVG(m1))", [2] * 5),
        ("TIME_SERIES(SUM(m1) / DATAPOINT_COUNT(m1))", [5] * 5),
        ("DIFF(m1)", [None, None, None, 6, None]),
        ("RATE(m1)", [None, None, None, 6 / 120, None]),
        ("RUNNING_SUM(m1)", [None, 2, None, 10, None]),
        ("FILL(m1, 0)", [0, 2, 0, 8, 0]),
        ("FILL(m1, m2)", [1, 2, None, 8, 5]),
        ("FILL(m1, REPEAT)", [None, 2, 2, 8, 8]),
        ("FILL(m1, LINEAR)", [None, 2, 5, 8, None]),
        ("FILL(m1, MAX(m2))", [5, 2, 5, 8, 5]),
        ("REMOVE_EMPTY([m1, m1 * m1 / 0, m2])", [[None, 2, None, 8, None], [1, None, None, 4, 5]]),
    ],
)
def test_missing_values_count_as_the_guide_says(expression, expected):
    assert _values(GAPS, expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("metric1 < metric2", [0, 0, 1, 0]),
        ("metric1 >= 30", [1, 0, 0, 0]),
        ("metric1 > 15 AND metric2 > 15", [1, 0, 0, 0]),
    ],
)
def test_comparisons_are_those_of_the_guides_table(expression, expected):
    assert _values({"metric1": [30, 20, 0, 0], "metric2": [20, None, 20, None]}, expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("IF(metric1, metric2, metric3)", [30, 0, 20, None, None]),
        ("IF(metric1, 5, metric3)", [5, 5, 20, None, None]),
        ("IF(metric1, metric2, 5)", [30, 0, 5, 5, None]),
        ("IF(metric1, metric2)", [30, 0, None, None, None]),
        ("IF(1, metric2, metric3)", [30, None, 0, 0, 30]),
        ("IF(0, metric2, metric3)", [0, 0, 20, None, 20]),
        ("IF(0, metric2)", [None] * 5),
        ("IF(metric2 < 10, 1, 2)", [2, None, 1, 1, 2]),
    ],
)
def test_if_is_that_of_the_guides_tables(expression, expected):
    metrics = {"metric1": [1, 1, 0, 0, None], "metric2": [30, None, 0, 0, 30], "metric3": [0, 0, 20, None, 20]}
    assert _values(metrics, expression) == expected


def test_an_expression_may_use_another_whichever_comes_first():
    assert _values(THREE, "e2 * 2", "m1 + 1", "e1 - e2") == [2, 3, 5]


def test_metrics_are_the_metrics_whose_id_contains_the_text_and_no_expressions():
    metrics = {"errors4xx": [1], "errors5xx": [2], "requests": [100]}
    assert _values(metrics, "requests * 2", 'SUM(METRICS("errors")) / SUM(METRICS()) * 103') == [3]
    assert _values(metrics, "SUM([METRICS('4xx'), METRICS('5xx')])") == [3]


def test_an_error_rate_of_no_requests_has_no_data_points():
    assert _values({"errors": [None, 1], "requests": [None, 50]}, "100 * errors / requests") == [None, 2]


def test_a_service_quota_is_a_setting():
    quotas = {("Shop", "m1"): 10.0}
    assert _values(THREE, "m1 / SERVICE_QUOTA(m1) * 100", quotas=quotas) == pytest.approx([10, 20, 40])
    with pytest.raises(ExpressionError, match="the quota of Shop m1 is not known"):
        _values(THREE, "SERVICE_QUOTA(m1)")


def test_the_maximum_of_no_data_is_no_number():
    assert _values({"m1": [None, None]}, "TIME_SERIES(MAX(m1))") == [None, None]


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("MEDIAN(m1)", r"no function MEDIAN\(\)"),
        ("sum(m1)", r"no function sum\(\)"),
        ("ANOMALY_DETECTION_BAND(m1)", r"ANOMALY_DETECTION_BAND\(\), which is not supported"),
        ("SEARCH('{Shop} m1', 'Sum')", r"SEARCH\(\), which is not supported"),
        *(("m2 + 1", "the Id 'm2'"), ("e1", "needs itself"), ("1 + REPEAT", "'REPEAT'"), ("'m1'", "'m1'")),
        *(("FILL(m1)", "takes 2 arguments, not 1"), ("FILL(m1, WAVE)", "WAVE"), ("FILL(m1, ASC)", "REPEAT or LINEAR")),
        *(("RATE(3)", "needs a time series, not a number"), ("SLICE(m1, 1)", "needs an array"), ("FIRST([])", "empty")),
        *(
            ("SORT([m1], MEDIAN, ASC)", "MEDIAN"),
            ("SORT([m1], SUM, UP)", "UP"),
            ("SORT([m1], ASC, SUM)", "needs one of"),
        ),
        *(("PERIOD(m1 + 1)", "takes a metric"), ("SERVICE_QUOTA(m1 * 1)", "takes a metric"), ("[1, m1]", "an array")),
        *(("TIME_SERIES(m1)", "needs a number"), ("IF([m1], 1, 0)", "not arrays"), ("[m1, m1] + [m1]", "2 and 1")),
        *(("SUM(METRICS('x'))", "empty array"), ("METRICS(m1)", "takes a text")),
    ],
)
def test_what_has_no_value_is_refused_with_the_expression_and_what_is_wrong(expression, named):
    with pytest.raises(ExpressionError, match=named) as caught:
        _run(THREE, expression)
    assert expression in str(caught.value)


@pytest.mark.parametrize("expression", ["", "m1 +", "(m1", "m1 m1", "m1 @ 2", "SUM(m1", "[m1", "m1,", "* 2", '"open'])
def test_what_is_no_expression_is_refused_and_quoted(expression):
    with pytest.raises(ExpressionError) as caught:
        read_query({"Id": "e1", "Expression": expression})
    assert repr(expression) in str(caught.value)


@pytest.mark.parametrize(
    "expression", ["IF(MAX(m1) > 1, m2)", "IF(MAX(m1) > 1, m2, m2 * 2)", "m2 * IF(MAX(m1) < 1, 1, 2)"]
)
def test_a_condition_on_nothing_chooses_nothing(expression):
    """The maximum of a metric without data is neither above nor below anything."""
    assert _values({"m1": [None, None], "m2": [1, 2]}, expression) == [None, None]
