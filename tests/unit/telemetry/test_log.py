"""Log lines: one JSON object each, with what an engineer on call needs and no secret."""

import json

import pytest
import structlog

from chalicelib.telemetry import invocation, log, metrics


@pytest.fixture
def lines(capsys):
    log.configure(level="INFO", stage="staging", version="1.2.3")
    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    structlog.reset_defaults()


def test_every_line_of_an_invocation_names_it(lines):
    with invocation("message", request_id="r", connection_id="c", user_id="u"):
        structlog.get_logger().info("subscribed", topics=3)
    subscribed, ended = lines()
    for line in (subscribed, ended):
        assert {
            key: line[key] for key in ("function", "request_id", "connection_id", "user_id", "stage", "version")
        } == {
            "function": "message",
            "request_id": "r",
            "connection_id": "c",
            "user_id": "u",
            "stage": "staging",
            "version": "1.2.3",
        }
    assert (subscribed["event"], subscribed["level"], subscribed["topics"]) == ("subscribed", "info", 3)
    assert ended["event"] == "invocation_ended"
    assert ended["duration_ms"] >= 0


def test_a_field_that_is_not_known_is_left_out(lines):
    with invocation("process", request_id="r", connection_id=None):
        pass
    (line,) = lines()
    assert "connection_id" not in line


def test_one_invocations_fields_do_not_reach_the_next(lines):
    with invocation("message", connection_id="c"):
        pass
    with invocation("process"):
        structlog.get_logger().info("working")
    assert all("connection_id" not in line for line in lines()[1:])


def test_a_failure_is_logged_with_its_trace_and_goes_on(lines):
    with pytest.raises(RuntimeError), invocation("process"):
        raise RuntimeError("broken")
    (line,) = lines()
    assert (line["event"], line["level"]) == ("invocation_failed", "error")
    assert "RuntimeError: broken" in line["exception"]


def test_what_is_named_like_a_secret_is_not_written(lines):
    structlog.get_logger().info("asked", token="t0p", api_key="k3y", Authorization="b4sic", topic="price:ethereum")
    (line,) = lines()
    assert (line["token"], line["api_key"], line["Authorization"]) == ("[redacted]",) * 3
    assert line["topic"] == "price:ethereum"


def test_below_the_level_nothing_is_written(lines):
    structlog.get_logger().debug("detail")
    assert lines() == []


def test_counts_and_durations_of_an_invocation_are_one_line_of_emf(lines):
    with invocation("deliver"):
        metrics.count("PostsSent", 2)
        metrics.count("PostsSent", 3)
        metrics.milliseconds("DeliverDuration", 12.5)
        metrics.milliseconds("DeliverDuration", 7.5)
    emf = next(line for line in lines() if "_aws" in line)
    (described,) = emf["_aws"]["CloudWatchMetrics"]
    assert described["Namespace"] == "DefiStream"
    assert {metric["Name"]: metric["Unit"] for metric in described["Metrics"]} == {
        "PostsSent": "Count",
        "DeliverDuration": "Milliseconds",
    }
    assert emf["PostsSent"] == [5.0]
    assert emf["DeliverDuration"] == [12.5, 7.5]


def test_a_thousand_durations_are_still_one_line(lines):
    with invocation("deliver"):
        for number in range(1000):
            metrics.milliseconds("DeliverDuration", number)
    (emf,) = [line for line in lines() if "_aws" in line]
    assert len(emf["DeliverDuration"]) == metrics.VALUES_MAX


def test_an_invocation_that_measured_nothing_writes_no_metrics(lines):
    with invocation("tick"):
        pass
    assert [line for line in lines() if "_aws" in line] == []
