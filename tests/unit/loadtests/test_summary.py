"""The one-page summary."""

import pytest

from loadtests.summary import COUNTS, summary


def told(**more):
    row = {"requests": 1200, "failures": 0, "p50_ms": 20, "p95_ms": 45, "p99_ms": 80, "max_ms": 99.5, "mean_bytes": 300}
    alarm = {"alarm": "PushLatencyTooHigh", "rule": "p95 over 200", "source": "the clients", "state": "OK"}
    return {
        "passed": True,
        "reasons": [],
        "users": 500,
        "shape": "steady",
        "shape_is": "all users",
        "duration_s": 60.0,
        "target": "the laptop cloud",
        "local": True,
        "load": "The load is 20 made-up changes a second.",
        "window": {"began": "2026-11-23 06:00:00", "ended": "06:01:00"},
        "client_cpu": 0.22,
        "cores": 2,
        "machine_load": 1.5,
        "push_delay": {"count": 59629, "p50_ms": 44.0, "p95_ms": 121.0, "p99_ms": 176.0, "max_ms": 190.0},
        "rows": [{**row, "type": "PUSH", "name": "price realtime"}, {**row, "type": "WS", "name": "connect"}],
        "alarms": [{**alarm, "datapoints": 6, "reason": "90, 95", "fired_at": None}],
        "alarm_note": "Judged: …",
        "counts": {"updates": 180079, "audited": 450},
        "errors": [],
        **more,
    }


def test_it_is_a_page():
    assert len(summary(told()).splitlines()) < 66


def test_delays_and_requests_are_in_tables_of_their_own():
    delays, requests = summary(told()).split("## Latency alarms")
    assert "| price realtime | 1,200 | 20 | 45 | 80 | 100 |" in delays
    assert "| 59,629 | 44 | 121 | 176 | 190 |" in delays
    assert "| WS connect | 1,200 | 0 | 20 | 45 | 80 | 100 |" in requests


def test_a_failed_run_begins_with_its_reasons():
    text = summary(told(passed=False, reasons=["alarm X fired", "3 updates were lost"]))
    assert text.startswith("# Load test: FAILED\n\n- alarm X fired\n- 3 updates were lost\n")


def test_every_alarm_is_told_with_its_rule_and_state():
    line = "| PushLatencyTooHigh | p95 over 200 | the clients | 6 | OK | no | 90, 95 |"
    assert line in summary(told()).splitlines()


@pytest.mark.parametrize("name", COUNTS)
def test_every_counter_is_explained(name):
    assert f"| {COUNTS[name]} |" in summary(told())


def test_errors_are_told_if_there_are_any():
    errors = [{"type": "WS", "name": "connect", "error": "handshake refused: 429", "count": 7}]
    assert "| WS connect | handshake refused: 429 | 7 |" in summary(told(errors=errors))
    assert "## Errors" not in summary(told())


def test_clients_that_were_the_bottleneck_are_not_believed():
    assert "believe no delay" in summary(told(client_cpu=0.97))
    assert "believe no delay" not in summary(told())
