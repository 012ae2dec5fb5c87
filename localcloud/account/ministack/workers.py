"""A worker that outlives an exception of its handler, as Lambda's do; ministack ends it, and starts the next anew.

So a bad version costs what it costs in AWS, an error, and not a cold start for every call of it.
"""

from __future__ import annotations

import threading
import time
from typing import Any


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
