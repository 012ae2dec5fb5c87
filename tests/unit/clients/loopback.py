"""A real WebSocket server on loopback in front of the model server, for tests of the client's shell."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tests.unit.clients.model_server import ModelServer


class Loopback:
    """Serves one ModelServer. ``refusals`` are the answers to the next handshakes, first to last."""

    def __init__(self, model: ModelServer, *, session_s: float = 3600, used_once: bool = True) -> None:
        self.model = model
        self.refusals: deque[tuple[int, dict[str, str]]] = deque()
        self.handshakes: list[tuple[str | None, str | None]] = []  # (key, token) of each
        self.commands: list[dict[str, Any]] = []
        self.replies: dict[str, dict[str, Any]] = {}  # action -> error to answer once
        self.refused_rates: set[str] = set()  # faster than this client's tier has them
        self.silent = False
        self._tokens_used: set[str] = set()
        self._used_once = used_once
        self._session_s = session_s
        self._socket: ServerConnection | None = None
        self._server: Server | None = None
        self.changed = asyncio.Condition()

    async def __aenter__(self) -> Loopback:
        self._server = await serve(self._serve, "127.0.0.1", 0, process_request=self._handshake, close_timeout=1)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def until(self, holds: Any) -> None:
        """Wait for something about the server to become true."""
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(holds)

    async def flush(self) -> None:
        """Send what the model put in flight."""
        while self.model.flying and self._socket is not None:
            frame = json.loads(self.model.flying.pop(0))
            if frame["type"] == "reply" and frame["ok"]:
                expires = datetime.now(UTC) + timedelta(seconds=self._session_s)
                frame["result"]["session_expires"] = expires.isoformat()
            await self._socket.send(json.dumps(frame))

    async def send(self, frame: dict[str, Any]) -> None:
        assert self._socket is not None
        await self._socket.send(json.dumps(frame))

    def cut(self) -> None:
        """Break the connection without a closing handshake; updates go on being published."""
        assert self._socket is not None
        self.model.disconnect()
        self._socket.transport.abort()
        self._socket = None

    def _handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        token = parse_qs(urlsplit(request.path).query).get("token", [None])[0]
        self.handshakes.append((request.headers.get("x-api-key"), token))
        if self.refusals:
            status, headers = self.refusals.popleft()
            reason = HTTPStatus(status).phrase
            return Response(status, reason, Headers({**headers, "content-length": "2"}), b"{}")
        if token is not None and self._used_once and token in self._tokens_used:
            return Response(401, "Unauthorized", Headers({"content-length": "0"}), b"")
        self._tokens_used.add(token or "")
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        self._socket = socket
        await self._notify()
        async for text in socket:
            command = json.loads(text)
            self.commands.append(command)
            error = self.replies.pop(command["action"], None)
            if command.get("rate") in self.refused_rates:
                error = {"code": 2005, "name": "rate_too_fast", "message": "the fastest rate of tier free is 5s"}
            if error is not None:
                await self.send({"type": "reply", "id": command["id"], "ok": False, "error": error})
            elif not self.silent:
                self.model.command(str(text))
                await self.flush()
            await self._notify()

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()
