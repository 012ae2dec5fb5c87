"""Redis and PostgreSQL as localcloud starts them."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import redis

from localcloud.stores import PostgresServer, RedisServer


def ask_postgres(port: int, query: str) -> bytes:
    """One simple query over the wire (protocol 3.0), without a driver: everything that the server said."""
    startup = struct.pack("!i", 196608) + b"user\0postgres\0database\0postgres\0\0"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(struct.pack("!i", len(startup) + 4) + startup)
        text = query.encode() + b"\0"
        wire.sendall(b"Q" + struct.pack("!i", len(text) + 4) + text + b"X" + struct.pack("!i", 4))
        said = b""
        while part := wire.recv(65536):
            said += part
    return said


async def test_postgres_starts_answers_and_leaves_nothing_behind():
    server = PostgresServer()
    await server.start()
    directory = server._directory
    try:
        said = ask_postgres(server.port, "SELECT 6 * 7, gen_random_uuid()")
    finally:
        await server.stop()
    assert b"42" in said
    assert directory is not None
    assert not directory.exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", server.port)) != 0


async def test_redis_evicts_nothing_and_starts_again_with_its_last_snapshot(tmp_path: Path):
    server = RedisServer(tmp_path / "redis")
    await server.start()
    try:
        client = redis.Redis.from_url(server.url)
        assert client.info("memory")["maxmemory_policy"] == "noeviction"
        client.set("kept", "1")
        client.save()
        client.set("lost", "1")
        before = client.info("server")["run_id"]
        await server.kill()
        await server.start()
        assert (client.get("kept"), client.get("lost")) == (b"1", None)
        assert client.info("server")["run_id"] != before
    finally:
        await server.stop()
