"""Calling the Lambda function behind a route, bounded as API Gateway bounds it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

log = logging.getLogger(__name__)


class Invocation(Protocol):
    """How an invocation ended: ``error`` is Lambda's error object when the function failed."""

    @property
    def payload(self) -> Any: ...

    @property
    def error(self) -> Mapping[str, Any] | None: ...


Invoke = Callable[[str, dict[str, Any]], Awaitable[Invocation]]


class IntegrationError(Exception):
    """The function failed; ``str(error)`` is its errorMessage."""


class IntegrationTimeoutError(IntegrationError):
    """The function did not answer in time. It goes on running, as on AWS."""


class Integration:
    """``call`` returns the function's payload, or raises IntegrationError."""

    def __init__(self, invoke: Invoke, timeout_s: float) -> None:
        self._invoke = invoke
        self._timeout_s = timeout_s
        self._running: set[asyncio.Task[Invocation]] = set()

    async def call(self, function: str, event: dict[str, Any]) -> Any:
        task = asyncio.ensure_future(self._invoke(function, event))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        done, _ = await asyncio.wait((task,), timeout=self._timeout_s)
        if not done:
            task.add_done_callback(_forget)
            raise IntegrationTimeoutError(f"{function} did not answer within {self._timeout_s:g} s")
        try:
            invocation = task.result()
        except Exception as error:
            raise IntegrationError(f"{function} could not be invoked: {error!r}") from error
        if invocation.error is not None:
            raise IntegrationError(str(invocation.error.get("errorMessage", "")))
        return invocation.payload

    async def stop(self) -> None:
        """Abandon what is still running."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _forget(task: asyncio.Task[Invocation]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.warning("an abandoned invocation failed: %r", task.exception())
