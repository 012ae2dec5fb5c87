"""Scheduled functions are fired as EventBridge and Lambda's asynchronous invocation do."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from localcloud.cron import ScheduleError
from localcloud.functions import FunctionSpec
from localcloud.schedules import Scheduler, scheduled_event

POLL = FunctionSpec("poll", "app.poll", schedule="rate(1 minute)")
NIGHTLY = FunctionSpec("nightly", "app.nightly", schedule="cron(0 3 * * ? *)")


@dataclass
class Answer:
    error: dict | None = None


class Recorder:
    """Stands for the runtime; ``fail`` is how many invocations end in an error."""

    def __init__(self, fail=0):
        self.calls = []
        self.called = asyncio.Condition()
        self.gate = asyncio.Event()
        self.gate.set()
        self._fail = fail

    async def __call__(self, function, event, *, request_id=None):
        async with self.called:
            self.calls.append((function, event, request_id))
            self.called.notify_all()
        await self.gate.wait()
        self._fail -= 1
        return Answer({"errorType": "ValueError", "errorMessage": "no"} if self._fail >= 0 else None)

    async def until(self, count):
        async with asyncio.timeout(5), self.called:
            await self.called.wait_for(lambda: len(self.calls) >= count)


@pytest.fixture
async def scheduler():
    started = []

    async def start(invoke, specs=(POLL,), **options):
        started.append(Scheduler(specs, invoke=invoke, region="eu-west-1", **options))
        await started[-1].start()
        return started[-1]

    yield start
    for one in started:
        await one.stop(grace_s=0.1)


def tasks_of_schedules():
    return [task for task in asyncio.all_tasks() if task.get_name().startswith("schedule")]


def test_the_event_is_eventbridges():
    moment = datetime(2026, 11, 23, 1, 2, 0, 999_999, tzinfo=UTC)
    event = scheduled_event("poll", moment, region="eu-west-1", account_id="123456789012")
    assert event.pop("id") != scheduled_event("poll", moment, region="eu-west-1", account_id="1")["id"]
    assert event == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-11-23T01:02:00Z",
        "region": "eu-west-1",
        "resources": ["arn:aws:events:eu-west-1:123456789012:rule/poll"],
        "detail": {},
    }


async def test_a_rate_fires_at_once_and_functions_without_schedule_never(scheduler):
    invoke = Recorder()
    await scheduler(invoke, [POLL, FunctionSpec("process", "app.process", queue="events")])
    await invoke.until(1)
    assert [call[0] for call in invoke.calls] == ["poll"]


async def test_an_overridden_period_fires_again_and_again(scheduler):
    invoke = Recorder()
    await scheduler(invoke, every={"poll": 0.01})
    await invoke.until(4)
    assert len({event["id"] for _, event, _ in invoke.calls}) == len(invoke.calls)


async def test_an_overridden_schedule_never_overlaps_itself(scheduler):
    invoke = Recorder()
    invoke.gate.clear()
    slow = await scheduler(invoke, every={"poll": 0.005})
    await invoke.until(1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await invoke.until(2)
    invoke.gate.set()
    await invoke.until(2)
    await slow.stop()


async def test_a_failed_invocation_is_tried_twice_more_with_the_same_event(scheduler):
    invoke = Recorder(fail=2)
    one = await scheduler(invoke, specs=[NIGHTLY], retry_delays_s=(0.001, 0.002))
    await one.fire("nightly")
    assert len(invoke.calls) == 3
    assert invoke.calls[0] == invoke.calls[1] == invoke.calls[2]
    assert invoke.calls[0][2] is not None


async def test_after_three_attempts_it_is_given_up(scheduler, caplog):
    invoke = Recorder(fail=99)
    one = await scheduler(invoke, specs=[NIGHTLY], retry_delays_s=(0, 0))
    await one.fire("nightly")
    assert len(invoke.calls) == 3
    assert "given up" in caplog.text


async def test_a_runtime_that_raises_does_not_end_the_schedule(scheduler):
    calls = asyncio.Queue()

    async def invoke(function, event, *, request_id=None):
        calls.put_nowait(function)
        raise ConnectionError

    await scheduler(invoke, every={"poll": 0.01}, retry_delays_s=())
    async with asyncio.timeout(5):
        for _ in range(3):
            await calls.get()


async def test_a_cron_fires_when_it_says(scheduler):
    started = asyncio.get_running_loop().time()

    def now():  # half a second before three, then running
        elapsed = timedelta(seconds=asyncio.get_running_loop().time() - started)
        return datetime(2026, 11, 23, 2, 59, 59, 900_000, tzinfo=UTC) + elapsed

    invoke = Recorder()
    await scheduler(invoke, [NIGHTLY], now=now)
    assert invoke.calls == []
    await invoke.until(1)
    assert invoke.calls[0][1]["time"] == "2026-11-23T03:00:00Z"


async def test_stop_leaves_no_task_and_waits_for_no_retry():
    invoke = Recorder(fail=99)
    one = Scheduler([POLL, NIGHTLY], invoke=invoke, region="eu-west-1")
    await one.start()
    await invoke.until(1)
    async with asyncio.timeout(2):
        await one.stop()
    assert tasks_of_schedules() == []


async def test_stop_cancels_what_does_not_end():
    invoke = Recorder()
    invoke.gate.clear()
    one = Scheduler([POLL], invoke=invoke, region="eu-west-1")
    await one.start()
    await invoke.until(1)
    await one.stop(grace_s=0.01)
    assert tasks_of_schedules() == []


async def test_wrong_schedules_are_refused_before_anything_fires():
    with pytest.raises(ScheduleError):
        Scheduler([FunctionSpec("x", "app.x", schedule="rate(1 minutes)")], invoke=Recorder(), region="r")
    with pytest.raises(ValueError, match="proces"):
        Scheduler([POLL], invoke=Recorder(), region="r", every={"proces": 1})
