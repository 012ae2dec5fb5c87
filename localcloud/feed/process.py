"""The recorded DefiLlama as a process of its own: encoding a window's answers must delay nobody else."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

from localcloud.feed.tape import DEFAULT_START
from localcloud.processes import Child, free_port, wait_for_port

PROJECT = Path(__file__).resolve().parents[2]


class FeedProcess:
    """``python -m localcloud.feed`` on a loopback port; ``log`` is where its output goes."""

    def __init__(self, log: Path, *, speed: float = 3600.0, begins: datetime = DEFAULT_START, port: int = 0) -> None:
        self.port = port or free_port()
        self._log = log
        self._tape = ("--speed", str(speed), "--from", begins.isoformat())
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """The base URL of all of DefiLlama's hosts."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Returns when it accepts connections. Raises RuntimeError with its last words if it cannot."""
        command = (sys.executable, "-m", "localcloud.feed", "--port", str(self.port), *self._tape)
        self._child = await Child.start("feed", command, log=self._log, cwd=PROJECT)
        await wait_for_port(self.port, self._child)

    async def stop(self) -> None:
        if self._child:
            await self._child.stop()
            self._child = None
