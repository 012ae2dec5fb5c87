"""HTTP/1.1 responses, parsed without I/O.

Reads what an HTTP server may answer to one request at a time: a status, headers, and a body by Content-Length,
chunked, or ended by the connection's end. Bytes may arrive split anywhere.
"""

from __future__ import annotations

import re

MAX_HEAD_BYTES = 16 * 1024
MAX_LINE_BYTES = 1024
MAX_DIGITS = 9  # of a length or of seconds; int() raises on thousands of them
KEPT_BODY_BYTES = 512  # of an error's body, for the log
_STATUS = re.compile(rb"http/1\.[01] [1-9][0-9]{2}(?:[ \r]|\Z)")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;|\Z)")

_HEAD, _BODY, _CHUNK_SIZE, _CHUNK_DATA, _TRAILERS, _UNTIL_END = range(6)


class HttpError(Exception):
    """The peer does not speak HTTP/1.1; its connection is of no further use."""


class ResponseParser:
    """One response after another, on one connection with one request in flight.

    ``feed`` returns the status once the response is complete, else 0; then ``keep_alive`` says whether the
    connection may carry another request, ``body`` holds the first bytes of an error's body, and ``retry_after_s``
    the seconds of an error's Retry-After (0 without one; a date, the header's other form, is not read).
    Raises HttpError for a response that makes no sense, and for bytes that nobody asked for.
    """

    __slots__ = ("_left", "_pending", "_state", "body", "keep_alive", "retry_after_s", "status")

    def __init__(self) -> None:
        self.status = 0
        self.keep_alive = True
        self.body = b""
        self.retry_after_s = 0
        self._state = _HEAD
        self._left = 0  # bytes of the body or chunk that are to come
        self._pending = b""

    @property
    def started(self) -> bool:
        """Whether any byte of the response in hand has arrived."""
        return self._state != _HEAD or bool(self._pending)

    def feed(self, data: bytes) -> int:
        if self._pending:
            data = self._pending + data
            self._pending = b""
        if self._state != _HEAD:
            return self._read_body(data)
        end = data.find(b"\r\n\r\n")
        if end < 0 or end > MAX_HEAD_BYTES:
            return self._wait(data, MAX_HEAD_BYTES)
        self._read_head(data[:end].lower())
        if self._state == _BODY and self.status == 200 and len(data) == end + 4 + self._left:
            self._state = _HEAD  # all of it came at once, as most do
            return 200
        return self._read_body(data[end + 4 :])

    def eof(self) -> int:
        """The peer closed: the status if that is how this response ends, else 0."""
        return self._end(b"", b"") if self._state == _UNTIL_END else 0

    def _read_head(self, lower: bytes) -> None:
        if not _STATUS.match(lower):
            raise HttpError(f"not a status line: {lower[:40]!r}")
        self.status = status = int(lower[9:12])
        self.body = b""
        self.keep_alive = lower[7:8] == b"1"
        if b"\r\nconnection:" in lower:
            wish = _header(lower, b"\r\nconnection:")
            self.keep_alive = b"close" not in wish and (self.keep_alive or b"keep-alive" in wish)
        if status >= 400:
            wait = _header(lower, b"\r\nretry-after:")
            self.retry_after_s = int(wait) if wait.isdigit() and len(wait) <= MAX_DIGITS else 0
        if status < 200 or status in (204, 304):
            self._state, self._left = _BODY, 0
        elif b"\r\ntransfer-encoding:" in lower and b"chunked" in _header(lower, b"\r\ntransfer-encoding:"):
            self._state = _CHUNK_SIZE
        elif length := _header(lower, b"\r\ncontent-length:"):
            if not length.isdigit() or len(length) > MAX_DIGITS:
                raise HttpError(f"not a length: {length[:40]!r}")
            self._state, self._left = _BODY, int(length)
        else:
            self._state, self.keep_alive = _UNTIL_END, False

    def _read_body(self, data: bytes) -> int:
        while True:
            if self._state == _UNTIL_END:
                self._keep(data)
                return 0
            if self._state == _BODY:
                if len(data) < self._left:
                    self._keep(data)
                    self._left -= len(data)
                    return 0
                return self._end(data[: self._left], data[self._left :])
            if self._state == _CHUNK_DATA:
                self._keep(data[: max(self._left - 2, 0)])  # a chunk ends in CRLF
                if len(data) < self._left:
                    self._left -= len(data)
                    return 0
                data = data[self._left :]
                self._state = _CHUNK_SIZE
                continue
            line, found, rest = data.partition(b"\r\n")
            if not found:
                return self._wait(data, MAX_LINE_BYTES)
            if self._state == _CHUNK_SIZE:
                self._read_chunk_size(line)
            elif not line:
                return self._end(b"", rest)
            data = rest

    def _read_chunk_size(self, line: bytes) -> None:
        match = _CHUNK.match(line)
        if match is None:
            raise HttpError(f"not a chunk's size: {line[:40]!r}")
        size = int(match[1], 16)
        self._state, self._left = (_CHUNK_DATA, size + 2) if size else (_TRAILERS, 0)

    def _wait(self, data: bytes, limit: int) -> int:
        if len(data) > limit:
            raise HttpError(f"a head or line of over {limit} bytes")
        self._pending = data
        return 0

    def _keep(self, data: bytes) -> None:
        if self.status >= 400 and len(self.body) < KEPT_BODY_BYTES:
            self.body = (self.body + data)[:KEPT_BODY_BYTES]

    def _end(self, body: bytes, rest: bytes) -> int:
        self._keep(body)
        self._state = _HEAD
        if self.status < 200:  # an interim response (100, 103): the real one follows
            return self.feed(rest) if rest else 0
        if rest:
            raise HttpError("more bytes than one response")
        return self.status


def _header(lower: bytes, name: bytes) -> bytes:
    """A header's value from a lower-case head; ``name`` as CRLF, lower-case name, colon."""
    start = lower.find(name)
    if start < 0:
        return b""
    start += len(name)
    end = lower.find(b"\r\n", start)
    return lower[start : end if end >= 0 else len(lower)].strip()
