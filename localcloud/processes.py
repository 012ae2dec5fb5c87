"""Child processes that never outlive us and never leave a port behind."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import pwd
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

STOP_S = 5.0


def free_port() -> int:
    """A loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _child_setup(user: str | None) -> Callable[[], None]:
    """What a child does before its program: a session of its own, so that Ctrl-C reaches only us; another user, if
    asked; and an end with us, even if we are killed (set last: a change of user clears it)."""
    account = pwd.getpwnam(user) if user else None
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    pr_set_pdeathsig = 1

    def setup() -> None:
        os.setsid()
        if account:
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
        if libc:
            libc.prctl(pr_set_pdeathsig, signal.SIGKILL)

    return setup


class Child:
    """A started program with its output in a log file."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
    ) -> Child:
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                env=dict(env) if env is not None else None,
                cwd=cwd,
                preexec_fn=_child_setup(user),
            )
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    def tail(self) -> str:
        """The end of what it said, for an error message."""
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    async def wait(self) -> int:
        """Its exit code, when it has ended by itself."""
        return await self._process.wait()

    async def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end; make it if it does not."""
        await self._end(sign)

    async def kill(self) -> None:
        await self._end(signal.SIGKILL)

    async def _end(self, sign: signal.Signals) -> None:
        if not self.ended:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(sign)
            try:
                await asyncio.wait_for(self._process.wait(), STOP_S)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
        await self._sweep()

    async def _sweep(self) -> None:
        """End what it started and did not end itself; they are in its session, and may still write where it did."""
        # macOS does not permit to signal a group of which only zombies are left.
        with contextlib.suppress(ProcessLookupError, PermissionError, TimeoutError):
            async with asyncio.timeout(STOP_S):
                while True:
                    os.killpg(self.pid, signal.SIGKILL)
                    await asyncio.sleep(0.01)


async def wait_for_port(port: int, child: Child, *, timeout_s: float = 30.0) -> None:
    """Until the child listens. Raises RuntimeError with its last words if it ends or takes too long."""
    started = time.monotonic()
    while True:
        if child.ended:
            raise RuntimeError(f"{child.name} ended at its start:\n{child.tail()}")
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            return
        if time.monotonic() - started > timeout_s:
            raise RuntimeError(f"{child.name} does not listen on port {port}:\n{child.tail()}")
        await asyncio.sleep(0.02)
