"""A WebSocket over a plain blocking socket, which gevent makes cheap: the frames are the websockets library's work."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterable, Mapping

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

_RECEIVED_BYTES = 65536
_MAX_MESSAGE_BYTES = 1 << 20  # the gateway sends at most 128 KB
_HANDSHAKE_S = 15.0
_GOODBYE_S = 1.0


class RefusedError(Exception):
    """The handshake was answered with another status than 101."""

    def __init__(self, status: int) -> None:
        super().__init__(f"handshake refused: {status}")
        self.status = status


class EndedError(Exception):
    """The connection is gone; ``code`` is the close code, 1006 if there was none."""

    def __init__(self, code: int) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Wire:
    """One open connection; made by ``open``. Not for use from two greenlets at once."""

    def __init__(self, connection: socket.socket, protocol: ClientProtocol) -> None:
        self._socket = connection
        self._protocol = protocol
        self._parts: list[bytes] = []
        self._early: list[bytes] = []  # messages that came with the handshake's answer

    @classmethod
    def open(cls, url: str, headers: Mapping[str, str]) -> Wire:
        """Connect and shake hands. Raises RefusedError, or OSError if there is no answer (TimeoutError is one)."""
        uri = parse_uri(url)
        connection = socket.create_connection((uri.host, uri.port), timeout=_HANDSHAKE_S)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if uri.secure:
                connection = ssl.create_default_context().wrap_socket(connection, server_hostname=uri.host)
            wire = cls(connection, ClientProtocol(uri, max_size=_MAX_MESSAGE_BYTES))
            wire._shake_hands(headers)
        except BaseException:
            connection.close()
            raise
        return wire

    def send(self, text: str) -> None:
        """Raises EndedError if the connection is gone."""
        self._protocol.send_text(text.encode())
        self._flush()

    def receive(self, timeout_s: float) -> list[bytes]:
        """The messages that have come, after at most ``timeout_s``; none if that passed. Raises EndedError."""
        if self._early:
            early, self._early = self._early, []
            return early
        try:
            self._socket.settimeout(max(timeout_s, 0.001))
            data = self._socket.recv(_RECEIVED_BYTES)
        except TimeoutError:
            return []
        except OSError:
            raise EndedError(1006) from None
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        messages = self._messages(self._protocol.events_received())
        self._flush()  # pongs
        closed = self._protocol.close_rcvd
        if not messages and (closed is not None or not data):
            raise EndedError(closed.code if closed is not None else 1006)
        return messages

    def cut(self) -> None:
        """End it as a broken network does, without a word."""
        self._socket.close()

    def close(self) -> None:
        """End it with a close frame, and wait a moment for the answer."""
        deadline = time.monotonic() + _GOODBYE_S
        with contextlib.suppress(EndedError):
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(1000)
                self._flush()
            while time.monotonic() < deadline:
                self.receive(deadline - time.monotonic())
        self._socket.close()

    # --- inside -------------------------------------------------------------------------------------

    def _shake_hands(self, headers: Mapping[str, str]) -> None:
        request = self._protocol.connect()
        for name, value in headers.items():
            request.headers[name] = value
        self._protocol.send_request(request)
        for data in self._protocol.data_to_send():
            self._socket.sendall(data)
        events: list[object] = []
        while not events:  # the first event is the response
            data = self._socket.recv(_RECEIVED_BYTES)
            if not data:
                raise ConnectionResetError("closed during the handshake")
            self._protocol.receive_data(data)
            if (error := self._protocol.handshake_exc) is not None:
                raise _refusal(error) from None
            events = list(self._protocol.events_received())
        self._early = self._messages(events[1:])

    def _messages(self, events: Iterable[object]) -> list[bytes]:
        """Whole messages out of the frames that have come."""
        messages: list[bytes] = []
        for frame in events:
            if isinstance(frame, Frame) and frame.opcode in (Opcode.TEXT, Opcode.CONT, Opcode.BINARY):
                self._parts.append(bytes(frame.data))
                if frame.fin:
                    messages.append(b"".join(self._parts))
                    self._parts.clear()
        return messages

    def _flush(self) -> None:
        try:
            for data in self._protocol.data_to_send():
                if data:
                    self._socket.sendall(data)
        except OSError:
            raise EndedError(1006) from None


def _refusal(error: Exception) -> Exception:
    if isinstance(error, InvalidStatus):
        return RefusedError(error.response.status_code)
    return ConnectionError(str(error)) if isinstance(error, InvalidHandshake) else error
