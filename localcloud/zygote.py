"""The parent's side of the zygote: starts it, has it fork workers, hears how they end.

Every socket is a pair whose far end is handed over as a file descriptor: there is no path to clean up, and
nobody else can connect.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from localcloud.sandbox import MAX_LINE_BYTES, Frames, Sandbox, SandboxDiedError, attach, describe_exit

_WORKER = str(Path(__file__).with_name("worker.py").resolve())


class AppImportError(Exception):
    """The app cannot be imported; the message ends with its traceback."""


class ZygoteProcess:
    """The process that sandboxes are forked from; started anew by the next fork if it is lost."""

    def __init__(
        self, *, project_dir: Path, modules: Sequence[str], env: Mapping[str, str], on_line: Callable[[str], None]
    ) -> None:
        self._arguments = (str(project_dir), *modules)
        self._cwd = project_dir
        self._env = dict(env)
        self._on_line = on_line
        self._process: asyncio.subprocess.Process | None = None
        self._commands: socket.socket | None = None
        self._reports: asyncio.Transport | None = None
        self._reader: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[None] | None = None
        self._forking: asyncio.Future[int] | None = None
        self._sandboxes: dict[int, Sandbox] = {}
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Returns when the app is imported. Raises AppImportError."""
        self._commands, far_commands = socket.socketpair()
        near_reports, far_reports = socket.socketpair()
        self._ready = asyncio.get_running_loop().create_future()
        self._reports = await attach(Frames(self._reported, self._lost), near_reports)
        fds = (far_commands.fileno(), far_reports.fileno())
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", _WORKER, *map(str, fds), *self._arguments),
            pass_fds=fds,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self._cwd,
            env=self._env,
            limit=MAX_LINE_BYTES,
            start_new_session=True,  # a Ctrl-C at the terminal is the parent's to handle
        )
        far_commands.close()
        far_reports.close()
        self._reader = asyncio.create_task(self._read_output(self._process))
        try:
            await self._ready
        except (AppImportError, asyncio.CancelledError):
            self._ready = None
            await self.stop()
            raise

    async def fork(self, job: Mapping[str, Any], sandbox: Sandbox) -> None:
        """Fork a worker and attach ``sandbox`` to it."""
        async with self._lock:  # one command at a time: descriptors then cannot meet the wrong command
            if self._commands is None:
                await self.start()
            control, far_control = socket.socketpair()
            logs, far_logs = socket.socketpair()
            self._sandboxes[sandbox.number] = sandbox
            self._forking = asyncio.get_running_loop().create_future()
            try:
                command = json.dumps({**job, "number": sandbox.number}).encode()
                self._send(command, [far_control.fileno(), far_logs.fileno()])
                sandbox.pid = await self._forking
            except BaseException:
                control.close()
                logs.close()
                raise
            finally:
                self._forking = None
                far_control.close()
                far_logs.close()
            await sandbox.attach(control, logs)

    def _send(self, command: bytes, fds: list[int]) -> None:
        assert self._commands is not None  # noqa: S101 - fork() started it
        try:
            socket.send_fds(self._commands, [command], fds)
        except OSError as error:
            raise SandboxDiedError(f"the zygote is gone: {error}") from error

    async def stop(self, grace_s: float = 2.0) -> None:
        """End the zygote and every worker; none is left when this returns."""
        if _waits(self._ready):
            self._ready.cancel()
        if self._commands is not None:
            self._commands.close()
            self._commands = None
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), grace_s)
            except TimeoutError:
                os.killpg(self._process.pid, signal.SIGKILL)
                await self._process.wait()
        if self._reader is not None:
            await self._reader
        if self._reports is not None:
            self._reports.close()
        last, self._sandboxes = self._sandboxes, {}
        for sandbox in last.values():
            sandbox.exited(None)
        await asyncio.gather(*(sandbox.ended.wait() for sandbox in last.values()))

    def _reported(self, frame: bytes) -> None:
        report = json.loads(frame)
        if "ready" in report and _waits(self._ready):
            self._ready.set_result(None)
        elif "failed" in report and _waits(self._ready):
            self._ready.set_exception(AppImportError(f"{report['failed']}\n{report['trace'].rstrip()}"))
        elif "forked" in report and _waits(self._forking):
            self._forking.set_result(report["pid"])
        elif "exited" in report:
            sandbox = self._sandboxes.pop(report["exited"], None)
            if sandbox is not None:
                sandbox.exited(report["code"])

    def _lost(self) -> None:
        """The zygote is gone: so are its workers, by the kernel or by our hand."""
        if self._commands is not None:
            self._commands.close()
            self._commands = None
        if _waits(self._ready):
            self._ready.set_exception(AppImportError("the process that imports the app was killed"))
        if _waits(self._forking):
            self._forking.set_exception(SandboxDiedError(describe_exit(None)))
        lost, self._sandboxes = self._sandboxes, {}
        for sandbox in lost.values():
            sandbox.kill()
            sandbox.exited(None)

    async def _read_output(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        while line := await process.stdout.readline():
            self._on_line(line.decode(errors="replace").rstrip("\n"))


def _waits(future: asyncio.Future[Any] | None) -> TypeGuard[asyncio.Future[Any]]:
    """Whether somebody still waits for it: a start or a fork may have been given up."""
    return future is not None and not future.done()
