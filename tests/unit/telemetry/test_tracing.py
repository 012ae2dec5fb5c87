"""Traces: loaded only where an invocation is traced, told without secrets, handed on with every message."""

import subprocess
import sys

import pytest

from chalicelib.errors import RefusedError, StoreDownError
from chalicelib.telemetry import invocation, note, outside, tracing
from tests.tracing import LINEAGE, ROOT, parts, traced

PROGRAM = """
import sys
from chalicelib.telemetry import tracing
with tracing.subsegment("redis sequence"):
    pass
print("aws_xray_sdk" in sys.modules)
"""


@pytest.mark.parametrize(
    ("trace", "loaded"), [("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0", "False"), ("", "False")]
)
def test_an_invocation_that_is_not_traced_does_not_pay_for_the_sdk(trace, loaded):
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={"_X_AMZN_TRACE_ID": trace}, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == loaded


def test_a_traced_invocation_times_its_parts(monkeypatch):
    with traced(monkeypatch) as segment, tracing.subsegment("Redis", namespace="remote", operation="sequence"):
        pass
    part = parts(segment)["Redis"]
    assert part["end_time"] >= part["start_time"]
    assert (part["namespace"], part["annotations"]) == ("remote", {"operation": "sequence"})


def test_an_invocation_is_a_part_with_what_one_looks_for(monkeypatch):
    with traced(monkeypatch) as segment, invocation("message", connection_id="c=", request_id="r", user_id="ann"):
        note(topic="price:a")
    assert parts(segment)["message"]["annotations"] == {
        "connection": "c=",
        "request_id": "r",
        "stage": "test",
        "topic": "price:a",
    }


@pytest.mark.parametrize(("error", "flag"), [(StoreDownError("s3cret"), "fault"), (RefusedError("s3cret"), "error")])
def test_an_error_is_told_by_its_kind_and_not_in_its_words(monkeypatch, error, flag):
    with traced(monkeypatch) as segment:
        with pytest.raises(type(error)), tracing.subsegment("Redis"):
            raise error
        sent = parts(segment)["Redis"]
    assert sent[flag] is True
    assert sent["annotations"]["error"] == type(error).__name__
    assert "s3cret" not in str(sent)


def test_a_message_names_the_part_that_sent_it_and_keeps_what_is_not_ours(monkeypatch):
    with traced(monkeypatch) as segment, tracing.subsegment("SQS"):
        header = tracing.header()
        (part,) = segment.subsegments
    assert header == f"Root={ROOT};Parent={part.id};Sampled=1;{LINEAGE}"


def test_outside_of_any_part_a_message_names_the_function(monkeypatch):
    with traced(monkeypatch) as segment:
        assert tracing.header() == f"Root={ROOT};Parent={segment.id};Sampled=1;{LINEAGE}"


@pytest.mark.parametrize("header", ["", f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=0"])
def test_what_is_not_traced_sends_no_header(monkeypatch, header):
    monkeypatch.setenv("_X_AMZN_TRACE_ID", header)
    assert tracing.header() is None


def test_the_causes_of_a_batch_are_named_once():
    assert tracing.causes(["Root=1-a;Sampled=1", None, "Sampled=1;Root=1-b", "Root=1-a;Sampled=0", "junk"]) == [
        "1-a",
        "1-b",
    ]


class TestACallThatFails:
    def fail(self, node):
        with outside.outside(node, "Get"):
            raise OSError("s3cret")

    def test_counts_for_its_store(self, emf):
        with invocation("process"), pytest.raises(OSError, match="s3cret"):
            self.fail(outside.DYNAMODB)
        (line,) = emf()
        assert (line["Store"], line["StoreErrors"]) == ("dynamodb", [1])

    def test_counts_for_none_where_there_is_none(self, emf):
        with invocation("poll"), pytest.raises(OSError, match="s3cret"):
            self.fail(outside.DEFILLAMA)
        assert emf() == []


def test_an_aws_call_says_what_was_called(monkeypatch):
    with traced(monkeypatch) as segment, outside.outside(outside.SQS, "SendMessageBatch", queue_url="https://q"):
        pass
    part = parts(segment)["SQS"]
    assert (part["namespace"], part["aws"]["operation"], part["aws"]["queue_url"]) == (
        "aws",
        "SendMessageBatch",
        "https://q",
    )
