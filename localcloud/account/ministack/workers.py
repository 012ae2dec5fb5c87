"""A worker that outlives an exception of its handler, as Lambda's do, and an answer that names the exception's class.

ministack ends the worker, and starts the next anew: here a bad version costs what it costs in AWS, an error, and not a
cold start for every call of it.
"""

from __future__ import annotations

import threading
import time
from typing import Any

_ANY = "Runtime.HandlerError"


def install() -> None:
    import ministack.core.lambda_runtime as runtime

    signal, collect, invoke = runtime._signal, runtime._collect, runtime.Worker.invoke
    held = threading.local()  # the process that this thread's invocation would end

    def signalled(process: Any) -> None:
        if getattr(held, "holds", False) and process is not None:
            held.process = process
        else:
            signal(process)

    def collected(process: Any, deadline: float) -> None:
        if getattr(held, "process", None) is not process or process is None:
            collect(process, deadline)

    def invoked(self: Any, *event: Any, **context: Any) -> Any:
        held.holds, held.process = True, None
        try:
            result = invoke(self, *event, **context)
        finally:
            held.holds, process, held.process = False, held.process, None
        if process is None:
            return result
        if result.get("trace") and process.poll() is None:  # the handler raised: the process is as good as before
            self._proc = process
        else:
            signal(process)
            collect(process, time.monotonic() + runtime._REAP_GRACE)
        return result

    runtime._signal, runtime._collect, runtime.Worker.invoke = signalled, collected, invoked


def name_errors() -> None:
    """ministack says Runtime.HandlerError of whatever a handler raises."""
    import ministack.services.lambda_svc as functions

    execute = functions._execute_function_warm

    def executed(function: Any, event: Any, request_id: str) -> Any:
        result = execute(function, event, request_id)
        body = result.get("body")
        if result.get("error") and isinstance(body, dict) and body.get("errorType") == _ANY:
            body["errorType"] = raised(str(body.get("errorMessage", "")), str(result.get("log") or "")) or _ANY
        return result

    functions._execute_function_warm = executed


def raised(message: str, log: str) -> str | None:
    """The class of the exception whose traceback ends a log, without its module; None if none does."""
    line = log.rstrip().removesuffix(message.rstrip()).rpartition("\n")[2]
    name = line.rstrip(": ").rpartition(".")[2]
    return name if name.isidentifier() else None
