"""The ``@connections`` API: POST sends to a connection, GET describes it, DELETE ends it.

A protocol of its own over httptools and not a handler of the HTTP server, because a fan-out calls it once per
client: it decides how fast the laptop's whole path can be.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections import deque
from datetime import UTC, datetime
from functools import lru_cache
from typing import cast
from urllib.parse import unquote

import httptools

from localcloud.gateway import frames
from localcloud.gateway.registry import Registry
from localcloud.gateway.sigv4 import SignatureError, Verifier, canonical_path, canonical_query
from localcloud.gateway.throttle import GatewayLimits, TokenBucket

_KEPT_BODY_BYTES = frames.MAX_MESSAGE_BYTES + 1  # enough to know that it is too large
_STATUS = {200: "OK", 204: "No Content", 400: "Bad Request", 403: "Forbidden", 404: "Not Found"}
_STATUS |= {405: "Method Not Allowed", 410: "Gone", 413: "Payload Too Large", 429: "Too Many Requests"}


class ManagementApi:
    """Answers one request at a time, without waiting for anything.

    ``latency_s`` delays every POST before it is applied, as a distant gateway would.
    """

    def __init__(
        self, stage: str, registry: Registry, verifier: Verifier, account: TokenBucket, limits: GatewayLimits
    ) -> None:
        self.latency_s = 0.0
        self.posts = 0
        self._registry = registry
        self._verifier = verifier
        self._account = account
        self._limits = limits
        self._prefix = f"/{stage}/@connections/"
        self._read_target = lru_cache(maxsize=65536)(self._parse_target)
        self._ids = itertools.count(int.from_bytes(os.urandom(6), "big"))

    def respond(self, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        """The whole HTTP answer to a request. ``body`` may have been cut after 128 KB and one byte."""
        path, query, connection_id = self._read_target(target)
        try:
            if len(body) <= frames.MAX_MESSAGE_BYTES:  # a cut body has no hash to compare
                self._verifier.verify(method, path, query, headers, body)
            elif "authorization" not in headers:
                raise SignatureError("MissingAuthenticationTokenException", "Missing Authentication Token")
        except SignatureError as error:
            return self._answer(403, {"message": str(error)}, error.error_type)
        if connection_id is None or method not in ("POST", "GET", "DELETE"):
            # API Gateway answers so for any route that it does not know.
            return self._answer(403, {"message": "Missing Authentication Token"}, "MissingAuthenticationTokenException")
        if not self._account.take():
            return self._answer(429, {"message": "Too Many Requests"}, "LimitExceededException")
        if len(body) > frames.MAX_MESSAGE_BYTES:
            return self._answer(413, {"message": "Message too long"}, "PayloadTooLargeException")
        return self._apply(method, connection_id, body)

    def _apply(self, method: str, connection_id: str, body: bytes) -> bytes:
        connection = self._registry.get(connection_id)
        if connection is None:
            return self._answer(410, None, "GoneException")
        if method == "POST":
            if connection.buffered_bytes > self._limits.send_buffer_bytes:
                return self._answer(429, {"message": "Client side buffer is full"}, "LimitExceededException")
            connection.send(body)
            self.posts += 1
            return self._answer(200)
        if method == "DELETE":
            connection.close(frames.NORMAL, "Connection Closed Normally")
            return self._answer(204)
        client = connection.client
        return self._answer(
            200,
            {
                "connectedAt": _iso(datetime.fromtimestamp(client.connected_at_ms / 1000, UTC)),
                "identity": {"sourceIp": client.source_ip, "userAgent": client.user_agent or ""},
                "lastActiveAt": _iso(connection.last_active_at),
            },
        )

    def _parse_target(self, target: str) -> tuple[str, str, str | None]:
        """Canonical path, canonical query, and the connection's id if the path names one."""
        path, _, query = target.partition("?")
        plain = unquote(path)
        connection_id = plain.removeprefix(self._prefix) if plain.startswith(self._prefix) else ""
        return canonical_path(path), canonical_query(query), connection_id or None

    def _answer(self, status: int, body: object = None, error_type: str = "") -> bytes:
        content = b"" if body is None else json.dumps(body).encode()
        lines = f"HTTP/1.1 {status} {_STATUS[status]}\r\nx-amzn-RequestId: {next(self._ids):012x}\r\n"
        if error_type:
            lines += f"x-amzn-ErrorType: {error_type}\r\n"
        if content:
            lines += "Content-Type: application/json\r\n"
        if status != 204:  # RFC 9110: a 204 has no content length
            lines += f"Content-Length: {len(content)}\r\n"
        return f"{lines}\r\n".encode() + content


class ManagementProtocol(asyncio.Protocol):
    """One keep-alive connection. Pipelined requests are answered in order, several answers in one write."""

    def __init__(self, api: ManagementApi, open_transports: set[asyncio.Transport]) -> None:
        self._api = api
        self._transports = open_transports
        self._answers: list[bytes] = []
        self._delayed: deque[tuple[str, str, dict[str, str], bytes, bool]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._reset()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods, not by its type
        self._transports.add(self._transport)
        self._parser = httptools.HttpRequestParser(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transports.discard(self._transport)
        self._delayed.clear()
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._answers.append(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self._flush()
            self._transport.close()
            return
        self._flush()

    # --- httptools' callbacks -----------------------------------------------------------------------

    def on_url(self, url: bytes) -> None:
        self._target += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self._answers.append(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if len(self._body) < _KEPT_BODY_BYTES:
            self._body += body[: _KEPT_BODY_BYTES - len(self._body)]

    def on_message_complete(self) -> None:
        method, keep = self._parser.get_method().decode("latin-1"), self._parser.should_keep_alive()
        request = (method, self._target, self._headers, self._body, keep)
        self._reset()
        if self._delayed or (self._api.latency_s and method == "POST"):
            self._delayed.append(request)
            self._wait()
        else:
            self._process(*request)

    # --- inside -------------------------------------------------------------------------------------

    def _reset(self) -> None:
        self._target = ""
        self._headers: dict[str, str] = {}
        self._body = b""

    def _process(self, method: str, target: str, headers: dict[str, str], body: bytes, keep: bool) -> None:
        self._answers.append(self._api.respond(method, target, headers, body))
        if not keep:
            self._flush()
            self._transport.close()

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._api.latency_s, self._late)

    def _late(self) -> None:
        self._timer = None
        self._process(*self._delayed.popleft())
        self._flush()
        if self._delayed:
            self._wait()

    def _flush(self) -> None:
        if self._answers and not self._transport.is_closing():
            self._transport.write(b"".join(self._answers))
        self._answers.clear()


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
