"""Log lines: one JSON object each, with what an engineer on call needs."""

import logging

import pytest
import structlog

from chalicelib.telemetry import invocation, log, note


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


def test_below_the_level_nothing_is_written(lines):
    structlog.get_logger().debug("detail")
    assert lines() == []


def test_what_is_noted_on_the_way_is_in_every_line_that_follows(lines):
    with invocation("message"):
        note(topic="price:coingecko:ethereum")
        structlog.get_logger().info("subscribed")
    assert [line["topic"] for line in lines()] == ["price:coingecko:ethereum"] * 2


def test_a_line_names_the_trace_that_it_belongs_to_sampled_or_not(lines, monkeypatch):
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0")
    with invocation("message"):
        pass
    assert [line["trace_id"] for line in lines()] == ["1-5759e988-bd862e3fe1be46a994272793"]


@pytest.mark.parametrize(("drawn", "events"), [(0.09, ["detail", "invocation_ended"]), (0.1, ["invocation_ended"])])
def test_the_sampled_share_of_invocations_writes_its_details(lines, drawn, events):
    log.configure(level="INFO", stage="staging", version="1.2.3", sample_rate=0.1)
    with log.invocation("process", random=lambda: drawn):
        structlog.get_logger().debug("detail")
    assert [line["event"] for line in lines()] == events


def test_details_end_with_the_invocation_that_was_sampled(lines):
    log.configure(level="INFO", stage="staging", version="1.2.3", sample_rate=0.1)
    with log.invocation("process", random=lambda: 0.0):
        pass
    structlog.get_logger().debug("detail")
    assert [line["event"] for line in lines()] == ["invocation_ended"]


def test_a_librarys_line_is_cleaned_too(lines, caplog):
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm9ueW1vdXMifQ.c2lnbmF0dXJlLW9mLXRoZS10ZXN0"
    try:
        raise ValueError(token)
    except ValueError:
        logging.getLogger("library").exception("could not use %s", token)
    assert "could not use [redacted]" in caplog.text
    assert "ValueError: [redacted]" in caplog.text
    assert token not in caplog.text
