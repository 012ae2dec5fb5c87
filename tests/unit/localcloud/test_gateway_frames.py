"""Frames as bytes: what a client library would never send, and any way of cutting what it does."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.gateway.frames import (
    CLOSE,
    MAX_FRAME_BYTES,
    PING,
    TEXT,
    FrameError,
    FrameParser,
    decode_close,
    encode_close,
    encode_text,
)

MASK = b"\x01\x02\x03\x04"


def frame(first, payload, mask=MASK):
    size = len(payload)
    head = bytes((size,)) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
    if size > 65535:
        head = b"\x7f" + size.to_bytes(8, "big")
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return bytes((first, head[0] | 0x80)) + head[1:] + mask + masked


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5), st.integers(1, 50))
def test_messages_survive_any_cut(messages, cut):
    stream = b"".join(frame(0x81, message) for message in messages)
    parser = FrameParser()
    pieces = [stream[start : start + cut] for start in range(0, len(stream), cut)]
    assert [found for piece in pieces for found in parser.feed(piece)] == [(TEXT, message) for message in messages]


@given(st.binary(max_size=2000))
def test_rubbish_is_nothing_worse_than_a_frame_error(rubbish):
    parser = FrameParser()
    for start in range(0, len(rubbish), 100):
        with contextlib.suppress(FrameError):
            list(parser.feed(rubbish[start : start + 100]))


def test_a_ping_may_come_between_the_fragments_of_a_message():
    stream = frame(0x01, b"one ") + frame(0x89, b"?") + frame(0x80, b"message")
    assert list(FrameParser().feed(stream)) == [(PING, b"?"), (TEXT, b"one message")]


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (b"\x81\x01x", 1002),  # not masked
        (frame(0xC1, b"x"), 1002),  # a reserved bit
        (frame(0x83, b"x"), 1002),  # an unknown opcode
        (frame(0x80, b"x"), 1002),  # a continuation of nothing
        (frame(0x01, b"x") + frame(0x81, b"y"), 1002),  # a message inside a message
        (frame(0x09, b"x"), 1002),  # a fragmented ping
        (frame(0x89, b"x" * 126), 1002),  # a long ping
        (frame(0x82, b"x"), 1003),  # binary
        (frame(0x81, b"x" * (MAX_FRAME_BYTES + 1))[:20], 1009),  # known from the header alone
        (frame(0x01, b"x" * MAX_FRAME_BYTES) + frame(0x00, b"x" * MAX_FRAME_BYTES) * 3 + frame(0x80, b"x"), 1009),
    ],
)
def test_a_broken_frame_names_its_close_code(stream, code):
    with pytest.raises(FrameError) as raised:
        list(FrameParser().feed(stream))
    assert raised.value.code == code


def test_after_a_refused_frame_only_a_close_is_read():
    parser = FrameParser()
    with pytest.raises(FrameError):
        list(parser.feed(frame(0x81, b"x" * (MAX_FRAME_BYTES + 1))))
    assert list(parser.feed(frame(0x81, b"more") + frame(0x88, b""))) == [(CLOSE, b"")]


@pytest.mark.parametrize("size", [0, 125, 126, MAX_FRAME_BYTES, MAX_FRAME_BYTES + 1, 4 * MAX_FRAME_BYTES])
def test_what_is_sent_is_cut_into_frames_of_32_kb(size):
    encoded = encode_text(b"x" * size)
    frames = max(1, -(-size // MAX_FRAME_BYTES))
    assert len(encoded) - size == (
        2 if size < 126 else 4 * (frames - 1) + (2 if 0 < size % MAX_FRAME_BYTES < 126 else 4)
    )
    assert encoded[0] == (0x81 if frames == 1 else 0x01)


def test_close_frames_carry_code_and_reason():
    assert decode_close(encode_close(1001, "Going away")[2:]) == (1001, "Going away")
    assert decode_close(b"") == (1005, "")
    for payload in (b"\x03", (1005).to_bytes(2, "big"), (1000).to_bytes(2, "big") + b"\xff"):
        with pytest.raises(FrameError):
            decode_close(payload)
