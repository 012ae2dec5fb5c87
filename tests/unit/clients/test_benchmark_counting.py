"""What benchmarks.stream counts is exact: lost, repeated, delays."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.sockets import PING, TEXT, Frames, masked
from benchmarks.tally import Tally, percentile

PUBLISHED = 1_700_000_000.0


def frame(*offsets: int, snapshot: bool = False) -> bytes:
    updates = [
        {"topic": "price:a", "epoch": "e", "offset": offset, "value": str(offset),
         "published_at": "2023-11-14T22:13:20Z", "snapshot": snapshot}
        for offset in offsets
    ]  # fmt: skip
    return json.dumps({"type": "updates", "sent_at": "2023-11-14T22:13:20.010Z", "updates": updates}).encode()


def test_everything_received_once_is_neither_lost_nor_repeated() -> None:
    tally = Tally()
    for connection in (0, 1):
        tally.frame(connection, frame(1, 2), PUBLISHED + 0.02)
        tally.frame(connection, frame(3), PUBLISHED + 0.04)
    result = tally.result(2, [("price:a", str(offset)) for offset in (1, 2, 3)])

    assert (result["expected"], result["received"], result["lost"], result["repeated"]) == (6, 6, 0, 0)
    assert (result["p50_ms"], result["p99_ms"]) == (pytest.approx(20, abs=0.01), pytest.approx(40, abs=0.01))
    assert result["sent_p95_ms"] == pytest.approx(10, abs=0.01)


def test_the_lost_and_the_repeated_are_told_apart() -> None:
    tally = Tally()
    tally.frame(0, frame(1, 1, 2), PUBLISHED)
    tally.frame(0, frame(1), PUBLISHED)
    tally.frame(1, frame(7, snapshot=True), PUBLISHED)
    result = tally.result(2, [("price:a", "1"), ("price:a", "2")])

    assert (result["expected"], result["received"], result["lost"], result["repeated"]) == (4, 2, 2, 2)


def test_what_came_before_the_beginning_is_not_counted() -> None:
    tally = Tally()
    tally.frame(0, frame(1), PUBLISHED + 1)
    assert tally.begin() == pytest.approx(1000, abs=0.01)
    tally.frame(0, frame(1), PUBLISHED + 2)
    tally.frame(0, frame(2), PUBLISHED + 2)
    result = tally.result(1, [("price:a", "2")])

    assert (result["received"], result["unexpected"], result["repeated"]) == (1, 1, 0)


def test_nothing_received_has_no_percentiles() -> None:
    assert Tally().result(1, [("price:a", "1")])["p95_ms"] is None
    assert percentile([0.001 * number for number in range(1, 101)], 95) == pytest.approx(95)


def server_frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    head = bytes([(0x80 if final else 0) | opcode])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    return head + bytes([126]) + len(payload).to_bytes(2, "big") + payload


@given(
    payloads=st.lists(st.binary(max_size=300), max_size=6),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=10),
)
def test_frames_are_the_same_wherever_the_stream_is_cut(payloads: list[bytes], cuts: list[int]) -> None:
    """Split messages, a ping between their parts, extended lengths."""
    stream = b""
    for payload in payloads:
        half = len(payload) // 2
        stream += server_frame(TEXT, payload[:half], final=False) + server_frame(PING, b"p")
        stream += server_frame(0, payload[half:])
    frames, got, position, turn = Frames(), [], 0, 0
    while position < len(stream):
        step = cuts[turn % len(cuts)]
        got += list(frames.feed(stream[position : position + step]))
        position, turn = position + step, turn + 1

    assert got == [entry for payload in payloads for entry in ((PING, b"p"), (TEXT, payload))]


def test_a_clients_frame_is_masked() -> None:
    assert masked(TEXT, b"ab") == b"\x81\x82\0\0\0\0ab"
    assert masked(TEXT, b"x" * 200)[:4] == b"\x81\xfe\x00\xc8"
