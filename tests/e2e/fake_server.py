"""A small server that speaks the wire protocol, for the tests of the page alone.

It sequences as the platform does (epoch, offset, prev per topic, a log to resume from) and lets a test lose, repeat
or reorder frames and cut connections. It knows no rates: every subscription is answered in real time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

CSP = "default-src 'self'; connect-src 'self' ws:"
LOG_ENTRIES = 200


def now_text(offset_s: float = 0) -> str:
    moment = datetime.now(UTC) + timedelta(seconds=offset_s)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def covers(pattern: str, topic: str) -> bool:
    if pattern == "alerts:me":
        return topic.startswith("alerts:")
    return pattern == topic or (pattern.endswith(":*") and topic.startswith(pattern[:-1]))


@dataclass
class Topic:
    name: str
    epoch: str = "e1"
    offset: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)

    def publish(self, value: str, **extra: Any) -> dict[str, Any]:
        previous = self.log[-1] if self.log and self.log[-1]["epoch"] == self.epoch else None
        self.offset += 1
        old = float(previous["value"]) if previous else 0.0
        update = {
            "topic": self.name,
            "epoch": self.epoch,
            "offset": self.offset,
            "prev": previous["offset"] if previous else None,
            "value": value,
            "previous": previous["value"] if previous else None,
            "change_pct": f"{(float(value) - old) / old * 100:.4f}" if old else None,
            "observed_at": now_text(),
            "published_at": now_text(),
            "source": "defillama",
            "confidence": None,
            "snapshot": False,
            **extra,
        }
        self.log = [*self.log, update][-LOG_ENTRIES:]
        return update

    def position(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "offset": self.offset}

    def recoverable(self, since: Mapping[str, Any]) -> bool:
        offsets = {update["offset"] for update in self.log}
        wanted = range(since["offset"] + 1, self.offset + 1)
        return since["epoch"] == self.epoch and offsets.issuperset(wanted)


@dataclass
class Session:
    socket: web.WebSocketResponse
    transport: asyncio.WriteTransport
    patterns: dict[str, dict[str, Any]] = field(default_factory=dict)
    closed: asyncio.Event = field(default_factory=asyncio.Event)


class FakeServer:
    """``async with FakeServer(web_root, vendor) as server``; then ``server.url`` and the methods below."""

    def __init__(
        self,
        web_root: Path,
        vendor: Path,
        *,
        tier: str = "free",
        fastest_rate: str = "5s",
        routes: Iterable[web.RouteDef] = (),
    ) -> None:
        self.web_root, self.vendor = web_root, vendor
        self.routes = routes  # of whatever else the page asks for
        self.tier, self.fastest_rate = tier, fastest_rate
        self.topics: dict[str, Topic] = {}
        self.sessions: list[Session] = []
        self.commands: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.tokens = 0
        self.session_seconds = 3600.0
        self.refuse: tuple[int, dict[str, Any]] | None = None  # status and problem for POST /v1/tokens
        self.over_limit = 0  # refuse so many commands unread, as one does who sends too many
        self._arrival = asyncio.Condition()
        self.past: dict[str, list[tuple[str, str]]] = {}  # times and values of a topic's history
        self.recorded: dict[str, int] = {}  # the offset up to which history has a topic's changes (all, if not said)
        self.asked: list[dict[str, str]] = []  # the parameters of requests for history
        self.history_refuses: tuple[int, str] | None = None  # status and detail
        self.may_answer = asyncio.Event()  # clear: requests for history wait
        self.may_answer.set()
        self.mute = False  # accept commands and answer nothing

    async def __aenter__(self) -> FakeServer:
        app = web.Application()
        app.router.add_post("/v1/tokens", self._token)
        app.router.add_get("/v1/topics", self._list)
        app.router.add_get("/v1/history/{topic}", self._history)
        app.router.add_get("/ws", self._socket)
        app.add_routes(self.routes)
        app.router.add_get("/vendor/{name}", self._vendor_file)
        app.router.add_get("/{name:.*}", self._page_file)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()
        await self._runner.cleanup()

    # --- what a test does to the stream -------------------------------------------------------------

    def create(self, values: Mapping[str, str], **extra: Any) -> None:
        """Topics with a first value, published before anybody connects."""
        for name, value in values.items():
            self.topics.setdefault(name, Topic(name)).publish(value, **extra)

    async def publish(self, topic: str, value: str, *, send: bool = True, **extra: Any) -> dict[str, Any]:
        """Sequence a change; ``send=False`` loses its frame on the way."""
        update = self.topics.setdefault(topic, Topic(topic)).publish(value, **extra)
        if send:
            await self.push([update])
        return update

    async def push(self, updates: Iterable[Mapping[str, Any]]) -> None:
        """Send updates as they are to whoever subscribed to them: again, or late, if the test says so."""
        for session in list(self.sessions):
            due = [update for update in updates if any(covers(p, update["topic"]) for p in session.patterns)]
            await self._send_updates(session, due)

    async def alert(self, body: Mapping[str, Any], *, send: bool = True) -> dict[str, Any]:
        """Tell an alert, as the topic of the one user that there is."""
        return await self.publish("alerts:ada", body["value"] or "0", send=send, source="rules", alert=dict(body))

    async def notice(self, name: str, message: str) -> None:
        for session in list(self.sessions):
            await self._send(session, {"type": "notice", "name": name, "at": now_text(), "message": message})

    async def cut(self) -> None:
        """Tear every connection down without a closing handshake."""
        for session in list(self.sessions):
            session.transport.abort()
        for session in list(self.sessions):
            await session.closed.wait()

    async def heard(self, action: str) -> dict[str, Any]:
        """The first command of that action, once it has come."""
        async with asyncio.timeout(10), self._arrival:
            await self._arrival.wait_for(lambda: any(command["action"] == action for command in self.commands))
        return next(command for command in self.commands if command["action"] == action)

    def begin_epoch(self, topic: str, epoch: str) -> None:
        self.topics[topic] = Topic(topic, epoch=epoch)

    # --- the protocol -------------------------------------------------------------------------------

    async def _token(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers.get("x-api-key"))
        if self.refuse is not None:
            status, problem = self.refuse
            return web.json_response(problem, status=status, content_type="application/problem+json")
        self.tokens += 1
        answer = {
            "token": f"t{self.tokens}",
            "expires_at": now_text(300),
            "tier": self.tier,
            "fastest_rate": self.fastest_rate,
        }
        return web.json_response(answer)

    async def _list(self, request: web.Request) -> web.Response:
        match = request.query.get("match", "price:*")
        found = [
            {"topic": topic.name, "value": topic.log[-1]["value"], "observed_at": topic.log[-1]["observed_at"]}
            for topic in self.topics.values()
            if covers(match, topic.name)
        ]
        return web.json_response({"topics": found, "next": None})

    async def _history(self, request: web.Request) -> web.Response:
        """Of the past as it was given and of the changes recorded, as single observations or one candle each."""
        name = request.match_info["topic"]
        self.asked.append({"topic": name, **request.query})
        topic = self.topics[name]
        until = self.recorded.get(name, topic.offset)
        live = {"epoch": topic.epoch, "offset": until}
        seen = self.past.get(name, []) + [
            (update["observed_at"], update["value"]) for update in topic.log if update["offset"] <= until
        ]
        await self.may_answer.wait()
        if self.history_refuses:
            status, detail = self.history_refuses
            return web.json_response({"status": status, "detail": detail}, status=status)
        seen = [(at, value) for at, value in seen if at >= request.query["from"]]
        if request.query["interval"] == "raw":
            points = [{"observed_at": at, "value": value} for at, value in seen]
            return web.json_response({"observations": points, "next": None, "live": live})
        candles = [{"start": at, **dict.fromkeys(("open", "high", "low", "close"), value)} for at, value in seen]
        return web.json_response({"candles": candles, "gaps": [], "next": None, "live": live})

    async def _vendor_file(self, request: web.Request) -> web.StreamResponse:
        return self._file(self.vendor, request.match_info["name"])

    async def _page_file(self, request: web.Request) -> web.StreamResponse:
        return self._file(self.web_root, request.match_info["name"])

    def _file(self, root: Path, name: str) -> web.StreamResponse:
        path = (root / (name or "index.html")).resolve()
        if not path.is_file() or root.resolve() not in path.parents:
            raise web.HTTPNotFound
        headers = {"content-security-policy": CSP, "cache-control": "no-cache", "x-content-type-options": "nosniff"}
        return web.FileResponse(path, headers=headers)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("token") != f"t{self.tokens}":
            raise web.HTTPUnauthorized
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        assert request.transport is not None
        session = Session(socket, request.transport)
        self.sessions.append(session)
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    await self._command(session, json.loads(message.data))
        finally:
            self.sessions.remove(session)
            session.closed.set()
        return socket

    async def _command(self, session: Session, command: dict[str, Any]) -> None:
        async with self._arrival:
            self.commands.append(command)
            self._arrival.notify_all()
        if self.mute:
            return
        if self.over_limit:
            self.over_limit -= 1
            error = {
                "code": 3001,
                "name": "too_many_commands",
                "message": "slower",
                "temporary": True,
                "retry_after": 0.4,
            }
            await self._send(session, {"type": "reply", "id": None, "ok": False, "error": error})
            return
        if command["action"] == "subscribe":
            await self._subscribe(session, command)
            return
        if command["action"] == "unsubscribe":
            for pattern in command["topics"]:
                session.patterns.pop(pattern, None)
        await self._reply(session, command, {"topics": {}})

    async def _reply(self, session: Session, command: Mapping[str, Any], result: dict[str, Any]) -> None:
        result["session_expires"] = now_text(self.session_seconds)
        await self._send(session, {"type": "reply", "id": command["id"], "ok": True, "result": result})

    async def _subscribe(self, session: Session, command: dict[str, Any]) -> None:
        since = command.get("since", {})
        positions, rejected, follow = {}, [], []
        for pattern in command["topics"]:
            if pattern != "alerts:me" and not pattern.endswith(":*") and pattern not in self.topics:
                rejected.append({"topic": pattern, "code": 2003, "name": "unknown_topic", "message": "no such topic"})
                continue
            session.patterns[pattern] = command
            for topic in [topic for name, topic in self.topics.items() if covers(pattern, name)]:
                named = topic.name in since
                recovered = named and topic.recoverable(since[topic.name])
                if named:
                    positions[topic.name] = {**topic.position(), "recovered": recovered}
                elif not pattern.endswith(":*"):
                    positions[topic.name] = topic.position()
                if recovered:
                    follow += [update for update in topic.log if update["offset"] > since[topic.name]["offset"]]
                elif topic.log and (named or command.get("snapshot", True)):
                    follow.append({**topic.log[-1], "snapshot": True})
        await self._reply(session, command, {"topics": positions, "rejected": rejected})
        await self._send_updates(session, follow)

    async def _send_updates(self, session: Session, updates: list[Mapping[str, Any]]) -> None:
        for start in range(0, len(updates), 80):  # about what 32 KB hold
            frame = {"type": "updates", "sent_at": now_text(), "updates": updates[start : start + 80]}
            await self._send(session, frame)

    async def _send(self, session: Session, message: Mapping[str, Any]) -> None:
        try:
            await session.socket.send_str(json.dumps(message))
        except ConnectionError:
            return  # the client learns of it by its own means
