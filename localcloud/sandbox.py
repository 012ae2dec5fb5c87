"""The parent's side of one worker process: what Lambda calls a sandbox.

It is driven by the two sockets of its worker, control and logs; worker.py says what travels on them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import struct
from collections.abc import Callable

_LENGTH = struct.Struct(">I")
MAX_LINE_BYTES = 1024 * 1024  # a longer line is handed over in parts
_LOG_GRACE_S = 0.5  # a dead worker's own child may hold the log open: do not wait for that


class SandboxDiedError(Exception):
    """The worker ended while it worked; the message is Lambda's description of how."""


class Frames(asyncio.Protocol):
    """Cuts a stream into frames."""

    def __init__(self, on_frame: Callable[[bytes], None], on_lost: Callable[[], None]) -> None:
        self._buffer = bytearray()
        self._on_frame = on_frame
        self._on_lost = on_lost

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                return
            frame = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            self._on_frame(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost()


class _Lines(asyncio.Protocol):
    """Cuts a worker's output into lines and finds the mark that ends an invocation."""

    def __init__(
        self, on_line: Callable[[str], None], on_mark: Callable[[str], None], on_lost: Callable[[], None]
    ) -> None:
        self._buffer = b""
        self._on_line = on_line
        self._on_mark = on_mark
        self._on_lost = on_lost

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            text, mark, request_id = line.partition(b"\0")
            if text or not mark:
                self._on_line(text.decode(errors="replace"))
            if mark:
                self._on_mark(request_id.decode())
        if len(self._buffer) > MAX_LINE_BYTES:
            self._on_line(self._buffer.decode(errors="replace"))
            self._buffer = b""

    def connection_lost(self, exc: Exception | None) -> None:
        if self._buffer:
            self._on_line(self._buffer.decode(errors="replace"))
        self._on_lost()


async def attach(protocol: asyncio.Protocol, end: socket.socket) -> asyncio.Transport:
    """Let a protocol drive one end of a socket pair."""
    transport, _ = await asyncio.get_running_loop().create_unix_connection(lambda: protocol, sock=end)
    return transport


class Sandbox:
    """One worker process: one invocation at a time.

    Every line that an invocation prints is handed to ``on_line`` before its answer is.
    """

    def __init__(self, number: int, on_line: Callable[[str], None], on_dead: Callable[[Sandbox], None]) -> None:
        self.number = number
        self.pid = 0
        self.alive = True
        self.usable = True  # alive, and not about to be killed
        self.ended = asyncio.Event()  # the process is gone and its last line is handed over
        self._on_dead = on_dead
        self._how = ""
        self._answer: asyncio.Future[bytes] | None = None
        self._frame: bytes | None = None
        self._marked = self._closed = False
        self._request_id = ""
        self._control: asyncio.Transport | None = None
        self._logs: asyncio.Transport | None = None
        self._frames = Frames(self._framed, lambda: None)
        self._lines = _Lines(on_line, self._mark, self._log_lost)

    async def attach(self, control: socket.socket, logs: socket.socket) -> None:
        """Take this side of the two sockets."""
        self._control = await attach(self._frames, control)
        self._logs = await attach(self._lines, logs)
        if not self.alive:  # it died before it could be met
            self.close()

    async def call(self, request_id: str, frame: bytes) -> bytes:
        """The worker's answer to one invocation. Raises SandboxDiedError."""
        if not self.alive or self._control is None:
            raise SandboxDiedError(self._how or "Runtime exited without providing a reason")
        self._request_id, self._frame, self._marked = request_id, None, False
        self._answer = asyncio.get_running_loop().create_future()
        self._control.write(_LENGTH.pack(len(frame)))
        self._control.write(frame)
        try:
            return await self._answer
        finally:
            self._answer = None

    def kill(self) -> None:
        """End the process at once, whatever it does."""
        self.usable = False
        if self.alive and self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def exited(self, code: int | None) -> None:
        """The zygote's word that the process is gone (None: the zygote went too)."""
        self.alive = self.usable = False
        self._how = describe_exit(code)
        if self._closed or self._logs is None:
            self._finish()
        else:
            asyncio.get_running_loop().call_later(_LOG_GRACE_S, self._finish)

    def close(self) -> None:
        for transport in (self._control, self._logs):
            if transport is not None:
                transport.close()

    def _framed(self, frame: bytes) -> None:
        self._frame = frame
        self._settle()

    def _mark(self, request_id: str) -> None:
        self._marked = self._marked or request_id == self._request_id
        self._settle()

    def _settle(self) -> None:
        if self._frame is not None and self._marked and self._answer is not None and not self._answer.done():
            self._answer.set_result(self._frame)

    def _log_lost(self) -> None:
        self._closed = True
        if not self.alive:
            self._finish()

    def _finish(self) -> None:
        self.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(SandboxDiedError(self._how))
        on_dead, self._on_dead = self._on_dead, lambda _: None  # said once
        on_dead(self)
        self.ended.set()


def describe_exit(code: int | None) -> str:
    """Lambda's words for a runtime that exited, from its status (negative: a signal; None: nobody saw it)."""
    if code == 0:
        return "Runtime exited without providing a reason"
    if code is None or code == -signal.SIGKILL:
        return "Runtime exited with error: signal: killed"
    if code < 0:
        return f"Runtime exited with error: signal: {signal.Signals(-code).name}"
    return f"Runtime exited with error: exit status {code}"
