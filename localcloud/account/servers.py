"""Real databases and caches for the account, started when a stack makes one and ended with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from localcloud.stores import PostgresServer, RedisServer

SOCKET = "servers.sock"

Server = RedisServer | PostgresServer


class Servers:
    """Answers over a Unix socket in ``directory``, one JSON object a line each way.

    ``{"make": "redis" | "postgres", "id": …}`` is answered with ``host`` and ``port``, the same for the same id;
    ``{"end": id}`` with an empty object; anything that fails with ``error``.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / SOCKET
        self._directory = directory
        self._running: dict[str, Server] = {}
        self._listener: asyncio.Server | None = None

    async def start(self) -> None:
        self._listener = await asyncio.start_unix_server(self._serve, self.path)

    async def stop(self) -> None:
        if self._listener:
            self._listener.close()
            self._listener = None
        await asyncio.gather(*(server.stop() for server in self._running.values()))
        self._running.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._answer(json.loads(await reader.readline()))
        except Exception as error:  # noqa: BLE001 - whoever asked is to say it, and the account goes on
            answer = {"error": f"{type(error).__name__}: {error}"}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        writer.close()

    async def _answer(self, asked: Mapping[str, str]) -> dict[str, str]:
        if "end" in asked:
            await self._end(asked["end"])
            return {}
        made = asked["id"]
        if made not in self._running:
            await self._MAKERS[asked["make"]](self, made, asked)
        return {"host": "127.0.0.1", "port": str(self._running[made].port)}

    async def _end(self, name: str) -> None:
        server = self._running.pop(name, None)
        if server:
            await server.stop()

    async def _redis(self, name: str, _asked: Mapping[str, str]) -> None:
        server = RedisServer(self._directory / name)
        self._running[name] = server  # ours to stop, though it may still be starting
        await server.start()

    async def _postgres(self, name: str, asked: Mapping[str, str]) -> None:
        server = PostgresServer()
        self._running[name] = server
        await server.start()
        await asyncio.to_thread(_make_database, server.url, asked["name"], asked["owner"])

    _MAKERS: Mapping[str, Callable[[Any, str, Mapping[str, str]], Awaitable[None]]] = {
        "redis": _redis,
        "postgres": _postgres,
    }


def _make_database(url: str, name: str, owner: str) -> None:
    """What RDS makes of an instance's properties."""
    with psycopg.connect(url, autocommit=True) as connection:
        role, database = sql.Identifier(owner), sql.Identifier(name)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB").format(role))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))
