"""What makes a run fail."""

from datetime import UTC, datetime

import pytest

from loadtests.verdict import AlarmCheck, error_rate, failures

QUIET = AlarmCheck("PushLatencyTooHigh", "the clients", "OK", "p95 over 200", "90, 95", None, 6)
FIRED = AlarmCheck("PushLatencyTooHigh", "the clients", "ALARM", "p95 over 200", "310, 305", datetime.now(UTC), 6)


def result(*, counts=(), losses=(), failed=0, faults=()):
    rows = [
        {"type": "WS", "requests": 1000, "failures": failed},
        {"type": "PUSH", "requests": 1_000_000, "failures": 0},
    ]
    return {"rows": rows, "counts": {"updates": 5, **dict(counts)}, "losses": dict(losses), "faults": list(faults)}


def test_a_quiet_run_passes():
    assert failures(result(), [QUIET]) == []


def test_a_fired_alarm_is_named_with_its_rule_and_its_values():
    (reason,) = failures(result(), [QUIET, FIRED])
    assert reason == "alarm PushLatencyTooHigh fired on the clients: p95 over 200; it was 310, 305"


@pytest.mark.parametrize("count", ["lost", "missed", "unaudited"])
def test_one_update_too_few_fails(count):
    (reason,) = failures(result(counts={count: 1}), [QUIET])
    assert reason.startswith("1 ")


def test_a_loss_is_told_with_its_reasons():
    (reason,) = failures(result(counts={"lost": 3}, losses={"never sent": 2, "left out": 1}), [QUIET])
    assert reason == "3 updates or topics were lost for good: 1 x left out; 2 x never sent"


def test_an_alarm_without_data_has_checked_nothing():
    silent = AlarmCheck("PushLatencyTooHigh", "the handlers' metrics", "OK", "p95 over 200", "no data", None, 0)
    (reason,) = failures(result(), [silent])
    assert "no data" in reason


def test_cloudwatch_tells_no_data_points():
    assert failures(result(), [AlarmCheck("PushLatencyTooHigh", "CloudWatch", "OK", "", "")]) == []


def test_a_template_without_latency_alarms_checks_nothing():
    assert failures(result(), []) == ["the template has no latency alarm: nothing was checked"]


def test_one_percent_of_errors_is_borne_and_more_is_not():
    assert failures(result(failed=10), [QUIET]) == []
    (reason,) = failures(result(failed=11), [QUIET])
    assert reason.startswith("1.10%")


def test_pushes_do_not_hide_failed_requests():
    assert error_rate(result(failed=500)) == 0.5


def test_a_run_without_requests_or_updates_does_not_pass():
    nothing = {"rows": [], "counts": {}, "faults": []}
    assert len(failures(nothing, [QUIET])) == 2


def test_a_fault_of_the_load_test_is_told():
    (reason,) = failures(result(faults=["Traceback\n  File x\nKeyError: 'y'\n"]), [QUIET])
    assert reason == "the load test itself failed: KeyError: 'y'"
