"""EventBridge's schedules: fires scheduled functions as Lambda's asynchronous invocations.

A rate fires at once and then every period; a cron expression when it says. An invocation that ends in an error
is tried twice more with the same event and request id, as Lambda does after one and two minutes.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from localcloud.cron import Cron, rate_s
from localcloud.functions import FunctionSpec

_log = logging.getLogger(__name__)
RETRY_DELAYS_S = (60.0, 120.0)  # Lambda's between the attempts of an asynchronous invocation


class Invoke(Protocol):
    """What the scheduler needs of the runtime: Runtime.invoke."""

    def __call__(self, function: str, event: Any, *, request_id: str | None = None) -> Awaitable[Any]: ...


def scheduled_event(function: str, moment: datetime, *, region: str, account_id: str) -> dict[str, Any]:
    """EventBridge's event; ``time`` has whole seconds. The rule has the function's name."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": account_id,
        "time": f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "region": region,
        "resources": [f"arn:aws:events:{region}:{account_id}:rule/{function}"],
        "detail": {},
    }


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Scheduler:
    """Fires every function of ``specs`` that has a schedule.

    ``every`` replaces a function's schedule by a period in seconds, which may be far below EventBridge's minute.
    Such a function is not fired again while it still runs; one on its own schedule is, as on AWS.
    Raises ScheduleError for an expression that EventBridge would refuse, ValueError for a period of no schedule.
    """

    def __init__(
        self,
        specs: Iterable[FunctionSpec],
        *,
        invoke: Invoke,
        region: str,
        account_id: str = "000000000000",
        every: Mapping[str, float] | None = None,
        retry_delays_s: Sequence[float] = RETRY_DELAYS_S,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._schedules = {spec.name: spec.schedule for spec in specs if spec.schedule is not None}
        self._every = dict(every or {})
        self._periods = {name: self._every.get(name) or rate_s(text) for name, text in self._schedules.items()}
        if unknown := self._every.keys() - self._schedules.keys():
            raise ValueError(f"no schedule to replace: {', '.join(sorted(unknown))}")
        self._invoke = invoke
        self._region = region
        self._account_id = account_id
        self._retry_delays_s = tuple(retry_delays_s)
        self._now = now
        self._loops: list[asyncio.Task[None]] = []
        self._runs: dict[asyncio.Task[None], str] = {}
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        for name, text in self._schedules.items():
            period = self._periods[name]
            ticking = self._on_cron(name, Cron.parse(text)) if period is None else self._on_period(name, period)
            self._loops.append(asyncio.create_task(ticking, name=f"schedule {name}"))

    async def stop(self, grace_s: float = 10.0) -> None:
        """Fire and retry no more, let what runs end within ``grace_s``; no task is left."""
        self._stopping.set()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        self._loops.clear()
        if runs := set(self._runs):
            _, late = await asyncio.wait(runs, timeout=grace_s)
            for run in late:
                run.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def fire(self, function: str) -> asyncio.Task[None]:
        """Fire a function now; the task ends with its last attempt."""
        event = scheduled_event(function, self._now(), region=self._region, account_id=self._account_id)
        run = asyncio.create_task(self._run(function, event), name=f"scheduled {function}")
        self._runs[run] = function
        run.add_done_callback(self._runs.pop)
        return run

    async def _on_period(self, name: str, period: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if name not in self._every or name not in self._runs.values():
                self.fire(name)
            missed = max(0, int((loop.time() - due) // period))  # asleep with the laptop: do not catch up
            due += period * (missed + 1)
            await asyncio.sleep(due - loop.time())

    async def _on_cron(self, name: str, cron: Cron) -> None:
        while (due := cron.after(self._now())) is not None:
            # In steps, so that a changed clock or a slept-through laptop is noticed within a minute.
            while (left := (due - self._now()).total_seconds()) > 0:  # noqa: ASYNC110 - time is what is awaited
                await asyncio.sleep(min(left, 60))
            self.fire(name)

    async def _run(self, function: str, event: dict[str, Any]) -> None:
        request_id = str(uuid.uuid4())
        for delay in (*self._retry_delays_s, None):
            try:
                error = (await self._invoke(function, event, request_id=request_id)).error
            except Exception as failure:  # noqa: BLE001 - a firing must not end the schedule
                error = {"errorType": type(failure).__name__, "errorMessage": str(failure)}
            if error is None:
                return
            outcome = "given up" if delay is None else f"again in {delay:g} s"
            _log.warning("%s failed, %s: %s: %s", function, outcome, error["errorType"], error["errorMessage"])
            if delay is None or await self._stopped_within(delay):
                return

    async def _stopped_within(self, delay_s: float) -> bool:
        try:
            await asyncio.wait_for(self._stopping.wait(), delay_s)
        except TimeoutError:
            return False
        return True
