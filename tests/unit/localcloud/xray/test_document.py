"""What comes by UDP is a segment document or is told why not."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.xray.document import DocumentError, read_datagram, spans_of
from localcloud.xray.header import TraceHeader

TRACE = "1-581cf771-a006649127e371903a2de979"
SEGMENT = {"name": "example.com", "id": "70de5b6f19ff9a0a", "start_time": 1.5e9, "trace_id": TRACE, "end_time": 1.5e9}
HEADER = '{"format": "json", "version": 1}'


def datagram(body, header=HEADER):
    return f"{header}\n{body if isinstance(body, str) else json.dumps(body)}".encode()


def test_the_guides_minimal_segment_is_read():
    document = read_datagram(datagram(SEGMENT))
    assert (document.name, document.trace_id, document.end_time) == ("example.com", TRACE, 1.5e9)


def test_what_the_schema_does_not_name_is_passed_over():
    assert read_datagram(datagram({**SEGMENT, "service": {"version": "1"}, "new": [1]})).name == "example.com"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no header line"),
        (b"\xff\xfe\n{}", "header"),
        (datagram(SEGMENT, '{"format": "protobuf", "version": 1}'), "protobuf"),
        (datagram(SEGMENT, "[]"), "header"),
        (datagram("{"), "truncated"),
        (datagram('{"metadata": {"x": ' + "[" * 60_000), "recursion"),
        (b'{"format": ' + b"[" * 60_000 + b"\n{}", "header.*recursion"),
        (datagram({**SEGMENT, "id": "short"}), r"\$.id"),
        (datagram({**SEGMENT, "trace_id": "1-x"}), r"\$.trace_id"),
        (datagram({**SEGMENT, "start_time": "now"}), r"\$.start_time"),
        (datagram({**SEGMENT, "annotations": {"topic": ["a"]}}), r"\$.annotations"),
        (datagram({**SEGMENT, "subsegments": [{"name": "x"}]}), r"\$.subsegments"),
        (datagram({**SEGMENT, "type": "subsegment"}), "parent_id"),
        (datagram({name: value for name, value in SEGMENT.items() if name != "trace_id"}), "trace_id"),
        (datagram({**SEGMENT, "metadata": {"x": "y" * 65_536}}), "65536"),
    ],
)
def test_a_datagram_that_is_no_segment_is_refused_with_its_reason(data, reason):
    with pytest.raises(DocumentError, match=f"(?i){reason}"):
        read_datagram(data)


@given(st.binary() | st.builds(lambda body: datagram(body), st.text()))
def test_no_datagram_breaks_the_reader(data):
    """Whatever comes is a document or a DocumentError."""
    with contextlib.suppress(DocumentError):
        read_datagram(data)


def test_nested_subsegments_become_spans_below_one_another():
    inner = {"name": "Redis", "id": "b" * 16, "start_time": 1.5e9, "end_time": 1.5e9 + 1}
    outer = {"name": "work", "id": "a" * 16, "start_time": 1.5e9, "subsegments": [inner]}
    segment, work, redis = spans_of(read_datagram(datagram({**SEGMENT, "subsegments": [outer]})))
    assert (segment.parent_id, work.parent_id, redis.parent_id) == (None, segment.id, work.id)
    assert (segment.segment, work.segment, redis.segment) == (True, False, False)
    assert (work.duration_ms, redis.duration_ms) == (None, 1000.0)


def test_a_span_does_not_end_before_it_starts():
    [span] = spans_of(read_datagram(datagram({**SEGMENT, "end_time": 1.4e9})))
    assert span.duration_ms == 0


def test_a_header_is_read_in_any_order_and_with_what_others_added():
    header = TraceHeader.parse(f"Self=1-67891234-12456789abcdef012345678a; Sampled=1;Root={TRACE};Parent={'a' * 16};x")
    assert header == TraceHeader(TRACE, "a" * 16, True)
    assert str(header) == f"Root={TRACE};Parent={'a' * 16};Sampled=1"


@pytest.mark.parametrize("text", [None, "", "Root=;Parent=;Sampled=?", "Root=1-zz;Parent=a", ";;=;=="])
def test_a_header_that_says_nothing_is_no_error(text):
    assert TraceHeader.parse(text) == TraceHeader(None, None, None)
