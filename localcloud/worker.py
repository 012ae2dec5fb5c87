"""The process side of the laptop's Lambda: a zygote that imports the app once and forks a worker per request.

The zygote is started as a plain script and imports nothing but the standard library, so that workers see what
Lambda gives them: the app, its dependencies, and no localcloud. It is single-threaded, therefore safe to fork.
Two sockets tie it to its parent: *commands* (one JSON object and two file descriptors for each worker to fork)
and *reports* (frames: ``ready``, ``failed``, ``forked``, ``exited``). When commands ends the parent is gone,
however it went: the zygote kills its workers and leaves.

A worker talks over its own two descriptors: *control* (frames: an invocation, then its answer) and *logs*
(whatever is written to stdout and stderr, ended after each invocation by NUL and the request id).
A frame is a length of four bytes, big-endian, and JSON.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable
from decimal import Decimal
from types import TracebackType
from typing import Any, NoReturn

MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 100  # Lambda's quota for a synchronous answer
_LENGTH = struct.Struct(">I")
_PR_SET_PDEATHSIG = 1


class Context:
    """What Lambda passes as the second argument."""

    identity = None
    client_context = None

    def __init__(self, job: dict[str, Any], request_id: str, deadline_ms: int) -> None:
        self.aws_request_id = request_id
        self.function_name: str = job["function"]
        self.function_version = "$LATEST"
        self.invoked_function_arn: str = job["arn"]
        self.memory_limit_in_mb = str(job["memory_mb"])
        self.log_group_name = f"/aws/lambda/{self.function_name}"
        self.log_stream_name: str = job["log_stream"]
        self._deadline_ms = deadline_ms

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the worker is killed; never below zero."""
        return max(0, self._deadline_ms - time.time_ns() // 1_000_000)


def send_frame(control: socket.socket, data: bytes) -> None:
    control.sendall(_LENGTH.pack(len(data)) + data)


def receive_frame(control: socket.socket) -> bytes | None:
    """The next frame, or None when the other side is gone."""
    head = _receive(control, _LENGTH.size)
    return None if head is None else _receive(control, _LENGTH.unpack(head)[0])


def _receive(control: socket.socket, size: int) -> bytes | None:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        count = control.recv_into(view)
        if not count:
            return None
        view = view[count:]
    return bytes(data)


# --- worker -----------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):  # Lambda's own encoder makes numbers of decimals
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _fault(kind: str, message: str, request_id: str, stack: list[str] | None = None) -> dict[str, Any]:
    return {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": stack or []}


def _stack_below(trace: TracebackType | None) -> list[str]:
    """The frames of the handler and below, as Lambda shows them."""
    return traceback.format_list(traceback.extract_tb(trace)[1:])


def _answer(job: dict[str, Any], event: Any, context: Context) -> str:
    """Run one invocation; JSON with either ``payload`` or ``error``."""
    request_id = context.aws_request_id
    handler = _find_handler(job["handler"])
    if handler is None:
        reason = f"Handler '{job['handler']}' is not in the app"
        return _failed(_fault("Runtime.HandlerNotFound", reason, request_id))
    try:
        result = handler(event, context)
    except Exception as error:  # noqa: BLE001 - the edge of the handler
        fault = _fault(type(error).__name__, str(error), request_id, _stack_below(error.__traceback__))
        return _failed(fault)
    try:
        text = json.dumps(result, default=_plain)
    except Exception as error:  # noqa: BLE001 - a circular or odd result is the handler's fault
        return _failed(_fault("Runtime.MarshalError", f"Unable to marshal response: {error}", request_id))
    if len(text) > MAX_RESPONSE_BYTES:
        reason = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
        return _failed(_fault("Function.ResponseSizeTooLarge", reason, request_id))
    return '{"payload":' + text + "}"


def _failed(fault: dict[str, Any]) -> str:
    trace = "".join(fault["stackTrace"])
    print(f"[ERROR] {fault['errorType']}: {fault['errorMessage']}\n{trace}".rstrip(), file=sys.stderr)
    return json.dumps({"error": fault})


def _find_handler(name: str) -> Callable[[Any, Any], Any] | None:
    module, _, attribute = name.rpartition(".")
    return getattr(sys.modules[module], attribute, None)


def run_worker(job: dict[str, Any], control: socket.socket, logs: socket.socket) -> NoReturn:
    """Serve invocations until the parent closes; never returns into the zygote's stack."""
    status = 1
    try:
        os.dup2(logs.fileno(), 1)
        os.dup2(logs.fileno(), 2)
        logs.close()
        os.environ.update(job["env"])
        if job["record_calls"]:
            runpy.run_path(job["recorder"])["install"](job["record_calls"], job["function"])
        _serve(job, control)
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # noqa: BLE001 - said on the log, where a crash is looked for
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _serve(job: dict[str, Any], control: socket.socket) -> None:
    while (frame := receive_frame(control)) is not None:
        call = json.loads(frame)
        os.environ["_X_AMZN_TRACE_ID"] = call["trace"]
        text = _answer(job, call["event"], Context(job, call["request_id"], call["deadline_ms"]))
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(1, b"\0" + call["request_id"].encode() + b"\n")
        send_frame(control, text.encode())


# --- zygote -----------------------------------------------------------------------------------------


def _die_with(parent: int) -> None:
    """Linux: the kernel kills the worker with its zygote. Elsewhere the zygote does it on its way out."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before we could ask
        os._exit(1)


class Zygote:
    """Forks workers on command and reports how they end."""

    def __init__(self, commands: socket.socket, reports: socket.socket) -> None:
        self._commands = commands
        self._reports = reports
        self._workers: dict[int, int] = {}  # pid -> number
        self._wake, self._woken = socket.socketpair()

    def load(self, modules: list[str]) -> bool:
        """Import the app; False when it cannot be, which the parent is told with its traceback."""
        try:
            for module in modules:
                importlib.import_module(module)
        except BaseException as error:  # noqa: BLE001 - an app may even call sys.exit()
            self._report({"failed": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()})
            return False
        gc.collect()
        gc.freeze()  # shared pages stay shared: a collection in a worker would touch every object
        self._report({"ready": os.getpid()})
        return True

    def run(self) -> None:
        """Serve until the parent closes its commands."""
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        selector = selectors.DefaultSelector()
        selector.register(self._commands, selectors.EVENT_READ)
        selector.register(self._woken, selectors.EVENT_READ)
        try:
            self._watch(selector)
        finally:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            for pid in self._workers:  # none was reaped by us, so none of the numbers is another's
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _watch(self, selector: selectors.BaseSelector) -> None:
        while True:
            for key, _ in selector.select():
                if key.fileobj is self._woken:
                    self._woken.recv(4096)
                    self._reap()
                elif not self._obey(selector):
                    return

    def _obey(self, selector: selectors.BaseSelector) -> bool:
        data, fds, _, _ = socket.recv_fds(self._commands, 65536, 2)
        if not data:
            return False
        ends = [socket.socket(fileno=fd) for fd in fds]
        for end in ends:
            end.set_inheritable(False)
        self._fork(json.loads(data), ends, selector)
        return True

    def _fork(self, job: dict[str, Any], ends: list[socket.socket], selector: selectors.BaseSelector) -> None:
        zygote = os.getpid()
        pid = os.fork()
        if not pid:
            try:
                _die_with(zygote)
                self._forget(selector)
                run_worker(job, *ends)
            finally:
                os._exit(1)  # never up into the zygote's own stack
        self._workers[pid] = job["number"]
        for end in ends:
            end.close()
        self._report({"forked": job["number"], "pid": pid})

    def _forget(self, selector: selectors.BaseSelector) -> None:
        """In a worker: drop what belongs to the zygote, so that an end of file is one for everybody."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        selector.close()
        for end in (self._commands, self._reports, self._wake, self._woken):
            end.close()

    def _reap(self) -> None:
        for pid in list(self._workers):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                self._report({"exited": self._workers.pop(pid), "code": code})

    def _report(self, report: dict[str, Any]) -> None:
        send_frame(self._reports, json.dumps(report).encode())


def main(arguments: list[str]) -> None:
    """``worker.py COMMANDS_FD REPORTS_FD PROJECT_DIR MODULE…``"""
    commands, reports = (socket.socket(fileno=int(fd)) for fd in arguments[:2])
    for end in (commands, reports):
        end.set_inheritable(False)
    sys.path.insert(0, arguments[2])
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    zygote = Zygote(commands, reports)
    try:
        if zygote.load(arguments[3:]):
            zygote.run()
    except (BrokenPipeError, ConnectionResetError):
        pass  # the parent went while we reported: run() has killed the workers


if __name__ == "__main__":
    main(sys.argv[1:])
