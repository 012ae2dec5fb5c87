"""One open WebSocket: an asyncio protocol that takes the transport over from the HTTP server after the handshake."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from localcloud.gateway import frames
from localcloud.gateway.events import Client
from localcloud.gateway.throttle import GatewayLimits

CLOSE_TIMEOUT_S = 2.0  # how long a peer may take to answer a close frame

OnMessage = Callable[["Connection", str], bool]  # whether it is worked on, until ``done`` is called
OnEvent = Callable[["Connection"], None]


class Connection(asyncio.Protocol):
    """A client's socket.

    Guarantees: every write is one whole message or control frame, so none is torn by another; ``on_closing`` is
    called once, when no more can be sent; ``on_closed`` once, after the transport is gone, when ``close_code`` and
    ``close_reason`` say why. Reading stops while ``in_flight_per_connection`` messages are being worked on, or while
    the client does not take what it is sent.
    """

    def __init__(
        self,
        client: Client,
        limits: GatewayLimits,
        *,
        on_message: OnMessage,
        on_closing: OnEvent,
        on_closed: OnEvent,
    ) -> None:
        self.client = client
        self.close_code = frames.ABNORMAL
        self.close_reason = ""
        self._limits = limits
        self._on_message, self._on_closing, self._on_closed = on_message, on_closing, on_closed
        self._parser = frames.FrameParser()
        self._waiting: deque[str] = deque()
        self._in_flight = 0
        self._open = False
        self._congested = False
        self._timer: asyncio.TimerHandle | None = None

    def take_over(self, transport: asyncio.Transport, tail: bytes = b"") -> asyncio.Future[None]:
        """Open on this transport, whose HTTP handshake is over; ``tail`` was read too far. Returns its end as a future.

        The protocol before keeps being told of the end, since its server waits for that.
        """
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._previous: Any = transport.get_protocol()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self._opened_at = self._active_at = self._loop.time()
        self._open = True
        transport.set_protocol(self)
        self._arm(self._opened_at)
        if not transport.is_reading():
            transport.resume_reading()
        if tail:
            self.data_received(tail)
        return self.closed

    @property
    def is_open(self) -> bool:
        return self._open

    @property
    def buffered_bytes(self) -> int:
        """What the client has not yet taken."""
        return self._transport.get_write_buffer_size()

    @property
    def last_active_at(self) -> datetime:
        return datetime.fromtimestamp(time.time() - (self._loop.time() - self._active_at), UTC)

    def send(self, payload: bytes) -> None:
        """Write one text message. Does nothing once the close has begun."""
        if self._open:
            self._transport.write(frames.encode_text(payload))
            self._active_at = self._loop.time()

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame; the transport ends when the client answers it, or two seconds later."""
        if not self._open:
            return
        self._end(code, reason)
        self._waiting.clear()
        self._transport.write(frames.encode_close(code, reason))
        self._resume()  # the client's close frame must be read
        self._timer = self._loop.call_later(CLOSE_TIMEOUT_S, self._transport.abort)

    def abort(self) -> None:
        """Cut the connection without a word, as a broken network does."""
        self._transport.abort()

    def done(self) -> None:
        """A message handed to ``on_message`` has been worked on."""
        self._in_flight -= 1
        self._hand_on()

    # --- asyncio.Protocol ---------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        try:
            for opcode, payload in self._parser.feed(data):
                self._received(opcode, payload)
        except frames.FrameError as error:
            self._hand_on()  # what came before was good
            self.close(error.code, error.reason)
            if error.code == frames.PROTOCOL:  # the peer's framing cannot be trusted to end in a close frame
                self._transport.close()
        self._hand_on()

    def pause_writing(self) -> None:
        self._congested = True

    def resume_writing(self) -> None:
        self._congested = False
        self._hand_on()

    def eof_received(self) -> bool:
        return False  # asyncio closes the transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._open:
            self._end(frames.ABNORMAL, "")
        self._previous.connection_lost(exc)
        if not self.closed.done():
            self.closed.set_result(None)
        self._on_closed(self)

    # --- inside -------------------------------------------------------------------------------------

    def _received(self, opcode: int, payload: bytes) -> None:
        if opcode == frames.CLOSE:
            self._close_received(payload)
        elif not self._open:
            return  # data after a close has no meaning
        elif opcode == frames.PING:
            self._transport.write(frames.encode_control(frames.PONG, payload))
        elif opcode == frames.TEXT:
            self._active_at = self._loop.time()
            try:
                self._waiting.append(payload.decode())
            except UnicodeDecodeError as error:
                raise frames.FrameError(frames.NOT_UTF8, "Text is not UTF-8") from error

    def _close_received(self, payload: bytes) -> None:
        code, reason = frames.decode_close(payload)
        if self._open:
            self._end(code, reason)
            self._transport.write(frames.encode_control(frames.CLOSE, payload))
        self._transport.close()

    def _hand_on(self) -> None:
        bound = 0 if self._congested and self._open else self._limits.in_flight_per_connection
        while self._waiting and self._in_flight < bound:  # also what came just before the client's close
            self._in_flight += self._on_message(self, self._waiting.popleft())
        if (self._waiting or self._congested) and self._open:
            if not self._transport.is_closing() and self._transport.is_reading():
                self._transport.pause_reading()
        else:
            self._resume()

    def _resume(self) -> None:
        if not self._transport.is_closing() and not self._transport.is_reading():
            self._transport.resume_reading()

    def _end(self, code: int, reason: str) -> None:
        self._open = False
        self.close_code, self.close_reason = code, reason
        if self._timer is not None:
            self._timer.cancel()
        self._on_closing(self)

    def _arm(self, now: float) -> None:
        due = min(self._active_at + self._limits.idle_s, self._opened_at + self._limits.max_age_s)
        self._timer = self._loop.call_later(max(due - now, 0.001), self._expire)

    def _expire(self) -> None:
        now = self._loop.time()
        idle, age = now - self._active_at, now - self._opened_at
        if idle >= self._limits.idle_s or age >= self._limits.max_age_s:
            self.close(frames.GOING_AWAY, "Going away")
        else:
            self._arm(now)
