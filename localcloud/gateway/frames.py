"""RFC 6455 frames as bytes in and bytes out, with API Gateway's limits: no I/O.

The gateway speaks frames itself rather than through its HTTP server, because API Gateway limits a *frame*, which
servers' WebSocket layers do not show, and because a push then costs one ``transport.write``.
"""

from __future__ import annotations

from collections.abc import Iterator

MAX_FRAME_BYTES = 32 * 1024  # API Gateway quota "WebSocket frame size"
MAX_MESSAGE_BYTES = 128 * 1024  # API Gateway quota "Message payload size"

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
NORMAL, GOING_AWAY, PROTOCOL, UNSUPPORTED, NO_STATUS, ABNORMAL = 1000, 1001, 1002, 1003, 1005, 1006
NOT_UTF8, POLICY, TOO_BIG = 1007, 1008, 1009

_FIN, _MASKED = 0x80, 0x80
_SENDABLE_CODES = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}


class FrameError(Exception):
    """The peer broke the protocol or a limit: the connection ends with ``code`` and ``reason``."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class FrameParser:
    """Client frames to messages. Feed bytes in any pieces; fragments of a message are put together."""

    def __init__(self, *, max_frame: int = MAX_FRAME_BYTES, max_message: int = MAX_MESSAGE_BYTES) -> None:
        self._max_frame = max_frame
        self._max_message = max_message
        self._buffer = bytearray()
        self._parts: list[bytes] = []
        self._size = 0
        self._skip = 0
        self._failed = False

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (opcode, payload) of each whole text message and control frame. Raises FrameError.

        A limit is checked when a frame's header is read, before its payload is waited for. After an error all but
        a close frame is thrown away unread.
        """
        self._buffer += data
        while self._skipped() and (head := self._head()) is not None:
            first, second, offset, size = head
            end = offset + 4 + size
            if self._failed and first & 0x0F != CLOSE:
                self._skip = end
                continue
            try:
                self._check(first, second, size)
            except FrameError:
                self._failed, self._skip = True, end
                raise
            if len(self._buffer) < end:
                return
            payload = _unmask(bytes(self._buffer[offset + 4 : end]), bytes(self._buffer[offset : offset + 4]))
            del self._buffer[:end]
            yield from self._accept(first, payload)

    def _skipped(self) -> bool:
        """Throw away what is to be skipped; whether all of it has come."""
        cut = min(self._skip, len(self._buffer))
        if cut:
            del self._buffer[:cut]
            self._skip -= cut
        return not self._skip

    def _head(self) -> tuple[int, int, int, int] | None:
        """First and second byte, where the mask starts, and the payload's size; None while incomplete."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, offset = buffer[1] & 0x7F, 2
        if size >= 126:
            offset = 4 if size == 126 else 10
            if len(buffer) < offset:
                return None
            size = int.from_bytes(buffer[2:offset], "big")
        return buffer[0], buffer[1], offset, size

    def _accept(self, first: int, payload: bytes) -> Iterator[tuple[int, bytes]]:
        if first & 0x0F >= CLOSE:
            yield first & 0x0F, payload
            return
        self._parts.append(payload)
        self._size += len(payload)
        if first & _FIN:
            message = b"".join(self._parts)
            self._parts, self._size = [], 0
            yield TEXT, message

    def _check(self, first: int, second: int, size: int) -> None:
        opcode = first & 0x0F
        if first & 0x70 or opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise FrameError(PROTOCOL, "Reserved bits or opcode in use")
        if not second & _MASKED:
            raise FrameError(PROTOCOL, "Client frames must be masked")
        if opcode >= CLOSE:
            if size > 125 or not first & _FIN:
                raise FrameError(PROTOCOL, "Bad control frame")
            return
        if opcode == BINARY:
            raise FrameError(UNSUPPORTED, "Binary frames are not supported")
        if (opcode == CONTINUATION) != bool(self._parts):
            raise FrameError(PROTOCOL, "Fragments out of order")
        if size > self._max_frame:
            raise FrameError(TOO_BIG, "Frame too large")
        if self._size + size > self._max_message:
            raise FrameError(TOO_BIG, "Message too large")


def encode_text(payload: bytes) -> bytes:
    """One text message, cut into frames of at most 32 KB, ready to write at once."""
    if len(payload) <= MAX_FRAME_BYTES:
        return _head(_FIN | TEXT, len(payload)) + payload
    cuts = range(0, len(payload), MAX_FRAME_BYTES)
    frames = []
    for start in cuts:
        part = payload[start : start + MAX_FRAME_BYTES]
        first = (TEXT if start == 0 else CONTINUATION) | (_FIN if start == cuts[-1] else 0)
        frames.append(_head(first, len(part)) + part)
    return b"".join(frames)


def encode_control(opcode: int, payload: bytes = b"") -> bytes:
    return _head(_FIN | opcode, len(payload)) + payload


def encode_close(code: int, reason: str = "") -> bytes:
    return encode_control(CLOSE, code.to_bytes(2, "big") + reason.encode()[:123])


def decode_close(payload: bytes) -> tuple[int, str]:
    """The code and reason of a close frame; (1005, "") when it has none. Raises FrameError."""
    if not payload:
        return NO_STATUS, ""
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not (code in _SENDABLE_CODES or 3000 <= code <= 4999):
        raise FrameError(PROTOCOL, "Bad close code")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError as error:
        raise FrameError(NOT_UTF8, "Close reason is not UTF-8") from error


def _head(first: int, size: int) -> bytes:
    if size < 126:
        return bytes((first, size))
    if size < 65536:
        return bytes((first, 126)) + size.to_bytes(2, "big")
    return bytes((first, 127)) + size.to_bytes(8, "big")


def _unmask(data: bytes, mask: bytes) -> bytes:
    # One XOR of two long integers: no loop over bytes in Python.
    size = len(data)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")
