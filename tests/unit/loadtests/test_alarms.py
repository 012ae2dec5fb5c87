"""The template's latency alarms over a run's measurements."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from loadtests.alarms import LATENCIES, check_measured, client_points, latency_alarms, service_points
from loadtests.clock import Clock
from loadtests.run import ALARMS, CLIENTS, MEASURED_BY_CLIENTS
from loadtests.target import TargetError
from localcloud.cloudwatch.emf import Datum

BEGAN = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


def measured(delays_ms, name="PublishedToSent", stage="local"):
    """A value a second from the start of the run."""
    return [
        Datum(
            namespace="DefiStream",
            name=name,
            dimensions={"Stage": stage},
            timestamp=BEGAN + timedelta(seconds=second),
            values=(delay,),
            unit="Milliseconds",
            resolution_s=60,
        )
        for second, delay in enumerate(delays_ms)
    ]


def check(delays_ms, *, minute_s=10, **data):
    alarms = [alarm for alarm in latency_alarms(ALARMS, "local") if alarm.name == "PushLatencyTooHigh"]
    ended = BEGAN + timedelta(seconds=60)
    (found,) = check_measured(alarms, CLIENTS, measured(delays_ms, **data), Clock(BEGAN, minute_s), ended)
    return found


def test_the_template_has_the_alarm_and_what_it_watches():
    names = {alarm.name for alarm in latency_alarms(ALARMS, "staging")}
    assert "PushLatencyTooHigh" in names
    for alarm in latency_alarms(ALARMS, "staging"):
        assert dict(alarm.queries[0].shows.metric.dimensions) == {"Stage": "staging"}


def test_a_fast_run_leaves_it_quiet():
    found = check([90.0] * 60)
    assert (found.state, found.fired_at, found.datapoints) == ("OK", None, 6)


def test_a_slow_run_fires_it_after_two_of_its_minutes():
    found = check([310.0] * 60)
    assert found.state == "ALARM"
    assert found.fired_at == BEGAN + timedelta(seconds=20)
    assert found.reason == "310, 310"


def test_it_is_named_even_if_it_was_over_before_the_end():
    found = check([310.0] * 20 + [50.0] * 40)
    assert (found.state, found.fired_at) == ("OK", BEGAN + timedelta(seconds=20))


def test_one_slow_minute_is_forgiven_as_in_production():
    assert check([50.0] * 20 + [900.0] * 10 + [50.0] * 30).fired_at is None


def test_real_minutes_make_one_of_a_short_run():
    assert check([310.0] * 60, minute_s=60).datapoints == 1


def test_what_lies_outside_the_window_does_not_count():
    found = check([50.0] * 60 + [900.0] * 60)
    assert (found.fired_at, found.datapoints) == (None, 6)


def test_another_stage_is_another_metric():
    assert check([310.0] * 60, stage="dev").datapoints == 0


def test_clients_are_not_asked_for_what_they_cannot_measure():
    alarms = latency_alarms(ALARMS, "local")
    (template_alarm,) = [alarm for alarm in alarms if alarm.name == "PushLatencyTooHigh"]
    (query,) = template_alarm.queries
    metric = replace(query.shows.metric, name="SequencedToSent")
    inside = replace(template_alarm, name="X", queries=(replace(query, shows=replace(query.shows, metric=metric)),))
    ended = BEGAN + timedelta(seconds=60)
    checks = check_measured(
        [inside], CLIENTS, measured([310.0] * 60), Clock(BEGAN, 10), ended, measures=MEASURED_BY_CLIENTS
    )
    assert checks == []
    assert {"SequencedToSent"} <= LATENCIES


def test_the_handlers_lines_are_found_among_others(tmp_path):
    emf = {
        "_aws": {
            "Timestamp": int(BEGAN.timestamp() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": "DefiStream",
                    "Dimensions": [["Stage"]],
                    "Metrics": [{"Name": "PublishedToSent", "Unit": "Milliseconds"}],
                }
            ],
        },
        "Stage": "local",
        "PublishedToSent": [12.5, 80],
    }
    log = tmp_path / "handlers.jsonl"
    log.write_text('{"level":"info","event":"x"}\nno JSON at all\n' + json.dumps(emf) + "\n")
    (datum,) = service_points(log)
    assert (datum.name, datum.dimensions, datum.values) == ("PublishedToSent", {"Stage": "local"}, (12.5, 80.0))


def test_the_clients_lines_are_read_back(tmp_path):
    path = tmp_path / "push-delays.jsonl"
    point = {"namespace": "DefiStream", "name": "PublishedToSent", "unit": "Milliseconds"}
    point |= {"dimensions": {"Stage": "local"}, "timestamp": "2026-11-23T06:00:01Z", "values": [1.5]}
    path.write_text(json.dumps(point) + "\n")
    (datum,) = client_points(path)
    assert (datum.timestamp, datum.values) == (BEGAN + timedelta(seconds=1), (1.5,))


@pytest.mark.parametrize("text", ["", "[]", "Resources: {X: {Type: 'AWS::CloudWatch::Alarm'"])
def test_a_template_that_cannot_be_read_is_said_to_be_one(tmp_path, text):
    path = tmp_path / "template.yaml"
    path.write_text(text)
    with pytest.raises(TargetError, match="no alarms from"):
        latency_alarms(path, "local")
