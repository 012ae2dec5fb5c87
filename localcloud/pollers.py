"""SQS event sources: the pollers with which Lambda reads a queue and invokes a function.

A message is deleted when its function answered for it, else it is left alone and comes back when its visibility
time-out ends; the queue's own redrive policy decides when it is a dead letter.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from localcloud.eventsource import EventSourceError, Message, done_of, faults_of, split, to_event
from localcloud.functions import FunctionSpec
from localcloud.sqs import RECEIVE_MOST, SqsClient, SqsError, SteadyQueue, nap

_log = logging.getLogger(__name__)


class Invoke(Protocol):
    """What a poller needs of the runtime: Runtime.invoke."""

    def __call__(self, function: str, event: Any) -> Awaitable[Any]: ...


@dataclass(slots=True)
class Counts:
    """What a poller has done: messages received, deleted, left to come back; invocations and failed ones."""

    received: int = 0
    deleted: int = 0
    left: int = 0
    invocations: int = 0
    errors: int = 0


class Poller:
    """One event source mapping.

    It receives only while fewer than ``slots`` batches are at work, so that no message's visibility runs out
    in a line of our own. A long poll lasts ``wait_s`` (1 to 20) and is never broken off by ``pause`` or in the grace
    of ``stop``: SQS would hand its next message to a connection that is gone, and hide it for the visibility time-out.
    """

    def __init__(
        self,
        spec: FunctionSpec,
        *,
        sqs: SqsClient,
        invoke: Invoke,
        region: str,
        slots: int,
        reports_failures: bool,
        wait_s: int = 1,
    ) -> None:
        self.counts = Counts()
        self._spec = spec
        self._sqs = sqs
        self._invoke = invoke
        self._region = region
        self._free = asyncio.Semaphore(min(slots, spec.maximum_concurrency or slots))
        self._reports_failures = reports_failures
        self._wait_s = wait_s
        self._queue: SteadyQueue
        self._arn = ""
        self._open = asyncio.Event()
        self._open.set()
        self._receiving = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._work: set[asyncio.Task[None]] = set()

    @property
    def queue(self) -> str:
        """The queue's name."""
        return (self._spec.queue or "").rpartition(":")[2]

    @property
    def in_flight(self) -> int:
        """Batches at work."""
        return len(self._work)

    async def check(self) -> None:
        """Find the queue. Raises EventSourceError, as creating the mapping would."""
        assert self._spec.queue is not None  # noqa: S101 - only specs with a queue get a poller
        try:
            url, attributes = await self._sqs.queue(self._spec.queue)
        except SqsError as error:
            raise EventSourceError(f"{self._spec.name}: queue {self._spec.queue}: {error}") from error
        self._arn = attributes["QueueArn"]
        if faults := faults_of(self._spec, attributes):
            raise EventSourceError(f"{self._spec.name}: " + "; ".join(faults))
        self._queue = SteadyQueue(self._sqs, url, stopping=self._stopping)

    def start(self) -> None:
        """Poll, after ``check``, until ``stop``."""
        self._loop = asyncio.create_task(self._poll(), name=f"poll {self._spec.name}")

    async def stop(self, grace_s: float = 10.0) -> None:
        """Take no more messages and let the batches at work end, for at most ``grace_s``; no task is left.

        What does not end in time is cancelled: its messages come back when their visibility runs out.
        """
        self._stopping.set()
        self._open.set()
        ends = asyncio.get_running_loop().time() + grace_s
        for tasks in (
            {self._loop} if self._loop else set(),
            self._work,
        ):  # in this order: the loop may hand over a last batch
            if tasks:
                await asyncio.wait(tasks, timeout=max(0.0, ends - asyncio.get_running_loop().time()))
        leftover = [task for task in (self._loop, *self._work) if task is not None and not task.done()]
        for task in leftover:
            task.cancel()
        await asyncio.gather(*leftover, return_exceptions=True)

    async def pause(self) -> None:
        """No message is taken from the queue once this returns (at most ``wait_s`` later); work goes on."""
        self._open.clear()
        async with self._receiving:
            pass

    def resume(self) -> None:
        self._open.set()

    async def _poll(self) -> None:
        while not self._stopping.is_set():
            await self._free.acquire()
            try:
                batches = await self._gather()
            except BaseException:
                self._free.release()
                raise
            for index, batch in enumerate(batches):
                if index:
                    await self._free.acquire()
                task = asyncio.create_task(self._process(batch), name=f"batch of {self._spec.name}")
                self._work.add(task)
                task.add_done_callback(self._work.discard)
            if not batches:
                self._free.release()

    async def _gather(self) -> list[list[Message]]:
        """What one invocation takes: a receive's messages or, with a window, what comes until it closes."""
        messages = await self._receive(self._wait_s)
        if messages and self._spec.window_s:
            loop = asyncio.get_running_loop()
            closes = loop.time() + self._spec.window_s
            while len(messages) < self._spec.batch_size and loop.time() < closes and not self._stopping.is_set():
                left_s = closes - loop.time()
                messages += await self._receive(min(self._wait_s, int(left_s)), self._spec.batch_size - len(messages))
                if left_s < 1:  # too short for a long poll
                    await nap(self._stopping, min(0.05, left_s))
        return list(split(messages, most=self._spec.batch_size))

    async def _receive(self, wait_s: int, most: int = RECEIVE_MOST) -> list[Message]:
        await self._open.wait()
        async with self._receiving:
            if self._stopping.is_set() or not self._open.is_set():
                return []
            messages = await self._queue.receive(most=min(most, self._spec.batch_size), wait_s=wait_s)
        await self._queue.recover()
        self.counts.received += len(messages)
        return messages

    async def _process(self, batch: list[Message]) -> None:
        try:
            event = to_event(batch, queue_arn=self._arn, region=self._region)
            outcome = await self._invoke(self._spec.name, event)
            self.counts.invocations += 1
            if outcome.error is None:
                done = done_of(batch, outcome.payload, reports_failures=self._reports_failures)
            else:
                self.counts.errors += 1
                done = []
            self.counts.left += len(batch) - len(done)
            deleted = await self._queue.delete([message["ReceiptHandle"] for message in done])
            self.counts.deleted += deleted  # not in one line: that would read the count before it waits
        except Exception:  # noqa: BLE001 - one bad batch must not end the mapping; it comes back
            _log.exception("%s: a batch was left in its queue", self._spec.name)
        finally:
            self._free.release()


class Pollers:
    """The event source mappings of all functions that have a queue.

    ``slots`` is a function's number of workers; ``reports_failures`` names the functions whose mapping has
    ReportBatchItemFailures.
    """

    def __init__(
        self,
        specs: Iterable[FunctionSpec],
        *,
        sqs_url: str,
        region: str,
        invoke: Invoke,
        slots: Mapping[str, int],
        reports_failures: Iterable[str],
        credentials: tuple[str, str] = ("test", "test"),
        wait_s: int = 1,
    ) -> None:
        self._sqs = SqsClient(sqs_url, region=region, access_key=credentials[0], secret_key=credentials[1])
        reporting = frozenset(reports_failures)
        self.by_function = {
            spec.name: Poller(
                spec,
                sqs=self._sqs,
                invoke=invoke,
                region=region,
                slots=slots.get(spec.name, 10),
                reports_failures=spec.name in reporting,
                wait_s=wait_s,
            )
            for spec in specs
            if spec.queue is not None
        }

    async def start(self) -> None:
        """Start all or none. Raises EventSourceError with every mapping that Lambda would refuse."""
        await self._sqs.open()
        refused = []
        try:
            for poller in self.by_function.values():
                try:
                    await poller.check()
                except EventSourceError as error:
                    refused.append(str(error))
            if refused:
                raise EventSourceError("\n".join(refused))
        except BaseException:
            await self._sqs.close()
            raise
        for poller in self.by_function.values():
            poller.start()

    async def stop(self, grace_s: float = 10.0) -> None:
        await asyncio.gather(*(poller.stop(grace_s) for poller in self.by_function.values()))
        await self._sqs.close()

    async def pause(self) -> None:
        """No message is taken from any queue once this returns."""
        await asyncio.gather(*(poller.pause() for poller in self.by_function.values()))

    def resume(self) -> None:
        for poller in self.by_function.values():
            poller.resume()
