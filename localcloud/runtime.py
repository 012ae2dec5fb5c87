"""The laptop's Lambda: runs the app's handlers in worker processes, one invocation at a time in each.

As on Lambda a worker is started when no idle one is there (a cold start), keeps its module globals between
invocations, is killed when an invocation outlives its function's time-out, and answers errors in Lambda's own
JSON. Unlike Lambda, an invocation beyond a function's maximum of workers waits for its turn (first come, first
served) instead of being refused; the waiting does not count against the time-out.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from localcloud.functions import FunctionSpec
from localcloud.pool import WorkerPool
from localcloud.sandbox import Sandbox, SandboxDiedError
from localcloud.xray.invocations import Tracer
from localcloud.zygote import ZygoteProcess

_log = logging.getLogger(__name__)
_RECORDER = str(Path(__file__).with_name("recorder.py").resolve())
_encode = msgspec.json.Encoder().encode

# What a program needs of the machine; nothing else of the parent's environment reaches a handler, least of all
# the developer's real AWS credentials.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


class UnknownFunctionError(LookupError):
    """No function has this name."""


class RuntimeStoppedError(Exception):
    """The runtime is not running."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """How an invocation ended: ``error`` is None, or Lambda's object with errorType, errorMessage, stackTrace."""

    payload: Any
    error: dict[str, Any] | None
    duration_ms: float
    cold_start: bool
    request_id: str


class Runtime:
    """Runs the functions of one app.

    ``env`` reaches the workers untouched, before the app is imported. ``preload`` names modules that
    every worker finds imported, to make its start cheap. ``max_workers`` bounds a function's worker
    processes (one number for all, or by function; 10 where none is given). ``on_log`` gets every line that a
    function writes to stdout or stderr, always before that invocation's answer; what the app prints at import
    comes under the name ``(import)``. ``record_calls`` names a file for the AWS calls that the functions make (see
    recorder.py). ``tracer`` gives every invocation its trace; without one no invocation is sampled.
    ``on_invocation`` gets every invocation that has ended.
    """

    def __init__(
        self,
        specs: Iterable[FunctionSpec],
        *,
        env: Mapping[str, str],
        project_dir: Path,
        preload: Iterable[str] = (),
        max_workers: Mapping[str, int] | int = 10,
        on_log: Callable[[str, str], None] | None = None,
        region: str = "us-east-1",
        account_id: str = "000000000000",
        record_calls: Path | None = None,
        tracer: Tracer | None = None,
        on_invocation: Callable[[str, Invocation], None] | None = None,
    ) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._pools = {
            name: WorkerPool(_limit(max_workers, name), partial(self._start, spec))
            for name, spec in self._specs.items()
        }
        self._on_log = on_log or (lambda _function, _line: None)
        self._region = env.get("AWS_REGION", region)
        self._account_id = account_id
        self._record_calls = record_calls
        self._tracer = tracer or Tracer()
        self._on_invocation = on_invocation or (lambda _function, _invocation: None)
        self._numbers = 0
        self._running = False
        self._zygote = ZygoteProcess(
            project_dir=project_dir,
            modules=[*sorted({spec.handler.rpartition(".")[0] for spec in self._specs.values()}), *preload],
            env=_environment(env, self._region, project_dir),
            on_line=lambda line: self._on_log("(import)", line),
        )

    @property
    def functions(self) -> Mapping[str, FunctionSpec]:
        return self._specs

    async def start(self) -> None:
        """Import the app. Raises AppImportError with its traceback."""
        await self._zygote.start()
        self._running = True

    async def stop(self) -> None:
        """End every worker, invocations in flight included (they answer Runtime.ExitError)."""
        self._running = False
        await self._zygote.stop()
        for pool in self._pools.values():
            pool.refuse(RuntimeStoppedError("the runtime was stopped"))

    def limit(self, function: str) -> int:
        """The most workers that a function may have."""
        return self._pool(function).limit

    def workers(self, function: str) -> list[int]:
        """The process ids of a function's workers, idle or not."""
        return sorted(sandbox.pid for sandbox in self._pool(function).members)

    def busy(self, function: str | None = None) -> int:
        """How many workers of a function, or of all functions, are at work."""
        return sum(pool.busy for pool in ([self._pool(function)] if function else self._pools.values()))

    async def prewarm(self, function: str, count: int) -> None:
        """Have at least ``count`` workers ready, within the maximum (as provisioned concurrency does)."""
        await self._pool(function).grow(count)

    async def invoke(
        self, function: str, event: Any, *, trace_header: str | None = None, request_id: str | None = None
    ) -> Invocation:
        """Run a function with an event that JSON can carry; ``trace_header`` is its caller's.

        A failing function is an answer (``Invocation.error``), not an exception. Raises UnknownFunctionError
        and RuntimeStoppedError.
        """
        pool = self._pool(function)
        request_id = request_id or str(uuid.uuid4())
        if not self._running:
            raise RuntimeStoppedError("the runtime is not running")
        trace = self._tracer.begin(function, event, arn=self._arn(function), request_id=request_id, header=trace_header)
        sandbox, cold = await pool.acquire()
        started = time.perf_counter()
        trace.work(cold=cold)
        try:
            payload, error = await self._call(self._specs[function], sandbox, event, trace.header, request_id)
        except BaseException:
            sandbox.kill()  # cancelled: the worker is still at it, and must not meet the next event
            raise
        finally:
            pool.release(sandbox)
        trace.end(error)
        done = Invocation(payload, error, (time.perf_counter() - started) * 1000, cold, request_id)
        self._on_invocation(function, done)
        return done

    async def _call(
        self, spec: FunctionSpec, sandbox: Sandbox, event: Any, trace: str, request_id: str
    ) -> tuple[Any, dict[str, Any] | None]:
        deadline_ms = int((time.time() + spec.timeout_s) * 1000)
        call = {"request_id": request_id, "deadline_ms": deadline_ms, "trace": trace, "event": event}
        try:
            async with asyncio.timeout(spec.timeout_s):
                answer = json.loads(await sandbox.call(request_id, _encode(call)))
        except TimeoutError:
            sandbox.kill()
            reason = f"Task timed out after {spec.timeout_s:.2f} seconds"
            return None, self._fault(spec, "Sandbox.Timedout", reason, request_id)
        except SandboxDiedError as error:
            return None, self._fault(spec, "Runtime.ExitError", str(error), request_id)
        return answer.get("payload"), answer.get("error")

    def _fault(self, spec: FunctionSpec, kind: str, reason: str, request_id: str) -> dict[str, Any]:
        """Lambda's answer for a worker that did not answer; its log gets the line that Lambda writes."""
        self._on_log(spec.name, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + f"Z {request_id} {reason}")
        return {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {reason}", "stackTrace": []}

    def _arn(self, function: str) -> str:
        return f"arn:aws:lambda:{self._region}:{self._account_id}:function:{function}"

    def _pool(self, function: str) -> WorkerPool:
        try:
            return self._pools[function]
        except KeyError:
            raise UnknownFunctionError(f"no function {function!r}; there are {sorted(self._pools)}") from None

    async def _start(self, spec: FunctionSpec) -> Sandbox:
        """A new worker. A fork that fails is tried once more, in a new zygote."""
        if not self._running:
            raise RuntimeStoppedError("the runtime is not running")
        try:
            return await self._fork(spec)
        except SandboxDiedError:
            _log.warning("the process that workers are forked from was lost: starting another")
            return await self._fork(spec)

    async def _fork(self, spec: FunctionSpec) -> Sandbox:
        self._numbers += 1
        pool = self._pools[spec.name]
        sandbox = Sandbox(self._numbers, on_line=lambda line: self._on_log(spec.name, line), on_dead=pool.bury)
        await self._zygote.fork(self._job(spec), sandbox)
        return sandbox

    def _job(self, spec: FunctionSpec) -> dict[str, Any]:
        stream = f"{datetime.now(UTC):%Y/%m/%d}/[$LATEST]{secrets.token_hex(16)}"
        return {
            "function": spec.name,
            "handler": spec.handler,
            "memory_mb": spec.memory_mb,
            "arn": self._arn(spec.name),
            "log_stream": stream,
            "recorder": _RECORDER,
            "record_calls": str(self._record_calls) if self._record_calls else None,
            "env": {
                "AWS_LAMBDA_FUNCTION_NAME": spec.name,
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
                "AWS_LAMBDA_LOG_STREAM_NAME": stream,
                "_HANDLER": spec.handler,
            },
        }


def _limit(max_workers: Mapping[str, int] | int, function: str) -> int:
    return max_workers if isinstance(max_workers, int) else max_workers.get(function, 10)


def _environment(env: Mapping[str, str], region: str, project_dir: Path) -> dict[str, str]:
    """The zygote's environment: the machine's, Lambda's own names, then the caller's."""
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "LAMBDA_TASK_ROOT": str(project_dir),
        # HOME is needed, what a developer keeps under ~/.aws is not
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "TZ": ":UTC",
        "PYTHONUTF8": "1",
        **env,
    }
