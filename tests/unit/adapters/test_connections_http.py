"""The response parser gives the same answer however the bytes arrive."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.connections.http import KEPT_BODY_BYTES, MAX_HEAD_BYTES, HttpError, ResponseParser

# name: (bytes, status, keep_alive, body kept)
RESPONSES = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, True, b""),
    "none": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, True, b""),
    "no reason": (b"HTTP/1.1 200\r\ncontent-length:0\r\n\r\n", 200, True, b""),
    "error": (b"HTTP/1.1 410 Gone\r\nX: y\r\nCONTENT-LENGTH:  4  \r\n\r\ngone", 410, True, b"gone"),
    "closes": (b"HTTP/1.1 429 Slow\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", 429, False, b"{}"),
    "old": (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, False, b""),
    "old kept": (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", 200, True, b""),
    "chunked": (
        b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n4;a\r\nwith\r\nA \r\n tchunks\r\n\r\n0\r\nT: 1\r\n\r\n",
        403,
        True,
        b"with tchunks\r\n",
    ),
    "chunks, empty": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, True, b""),
    "interim": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 E\r\nContent-Length: 3\r\n\r\nbad", 500, True, b"bad"),
}


def feed_in_pieces(parser, data, cuts):
    """Feed ``data`` cut at ``cuts``; only the last piece may end the response."""
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    pieces = [data[start:end] for start, end in pairwise(edges)]
    assert [parser.feed(piece) for piece in pieces[:-1]] == [0] * (len(pieces) - 1)
    return parser.feed(pieces[-1])


@given(names=st.lists(st.sampled_from(sorted(RESPONSES)), min_size=1, max_size=4), data=st.data())
def test_responses_are_read_whatever_the_split(names, data):
    parser = ResponseParser()
    for name in names:
        raw, status, keep_alive, body = RESPONSES[name]
        cuts = data.draw(st.lists(st.integers(0, len(raw))))
        assert feed_in_pieces(parser, raw, cuts) == status
        assert (parser.keep_alive, parser.body, parser.started) == (keep_alive, body, False)


@pytest.mark.parametrize("name", sorted(RESPONSES))
def test_a_response_may_come_byte_by_byte(name):
    raw, status, _, _ = RESPONSES[name]
    assert feed_in_pieces(ResponseParser(), raw, range(len(raw))) == status


def test_a_body_without_length_ends_with_the_connection():
    parser = ResponseParser()
    assert parser.feed(b"HTTP/1.1 500 E\r\n\r\npart") == 0
    assert parser.feed(b"ial") == 0
    assert parser.eof() == 500
    assert (parser.body, parser.keep_alive) == (b"partial", False)


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"])
def test_an_end_in_the_middle_is_no_response(sent):
    parser = ResponseParser()
    assert parser.feed(sent) == 0
    assert parser.eof() == 0
    assert parser.started is bool(sent)


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n",
        b"x" * (MAX_HEAD_BYTES + 1),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 2000,
    ],
)
def test_nonsense_is_refused(raw):
    with pytest.raises(HttpError):
        ResponseParser().feed(raw)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_parser(raw):
    """Anything is either part of a response, a response, or an HttpError."""
    with suppress(HttpError):
        ResponseParser().feed(b"HTTP/1.1 " + raw)


def test_little_is_kept_of_a_large_error():
    parser = ResponseParser()
    parser.feed(b"HTTP/1.1 500 E\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(100):
        status = parser.feed(b"x" * 1000)
    assert status == 500
    assert len(parser.body) == KEPT_BODY_BYTES


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (b"Retry-After: 7\r\n", 7),
        (b"RETRY-AFTER:120 \r\n", 120),
        (b"", 0),
        (b"Retry-After: Mon, 23 Nov 2026 01:02:03 GMT\r\n", 0),
        (b"Retry-After: -1\r\n", 0),
        (b"Retry-After: %s\r\n" % (b"9" * 5000), 0),
    ],
)
def test_an_error_names_the_seconds_to_wait(header, seconds):
    parser = ResponseParser()
    assert parser.feed(b"HTTP/1.1 429 X\r\n" + header + b"Content-Length: 0\r\n\r\n") == 429
    assert parser.retry_after_s == seconds


def test_a_length_of_thousands_of_digits_is_no_length():
    with pytest.raises(HttpError):
        ResponseParser().feed(b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n" % (b"9" * 5000))
