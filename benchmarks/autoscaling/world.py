"""A stage under a scenario, tick by tick: who calls what, what Lambda makes of it, and what it costs."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import fmean

from benchmarks.autoscaling.clients import STEPS, Client, Clients
from benchmarks.autoscaling.environments import TICK_S, Environments, Started, ticks
from benchmarks.autoscaling.load import Load, Scenario
from benchmarks.autoscaling.plan import Function, Plan
from benchmarks.autoscaling.queues import Queue
from benchmarks.autoscaling.tracking import Tracking
from scripts.costs.prices import PriceTable

DISCONNECTED_S = 5.0  # in which API Gateway tells of sockets that are gone
POLLED_AT_S = 2  # of a minute: what a poll saw reaches its queues
FLUSH_S = 5  # the rate of a subscriber of the free tier
STATISTICS: Mapping[str, Callable[[list[float]], float]] = {"Maximum": max, "Average": fmean}
SIMULATED = ("authorize", "connect", "message", "disconnect", "app", "process", "record", "tick", "deliver")


@dataclass
class Second:
    """What one function did in a second: the most at work, and the calls by what became of them."""

    busy: int = 0
    provisioned: int = 0
    warm: int = 0
    cold: int = 0
    refused: int = 0
    waiting: int = 0
    age_s: float = 0.0
    worked_s: float = 0.0


@dataclass
class Runner:
    """One function with its environments, its policy and its queue, and what they did in each second."""

    function: Function
    environments: Environments
    tracking: Tracking | None
    queue: Queue | None
    seconds: list[Second] = field(default_factory=list)
    _sampled: list[float] = field(default_factory=list)
    _called: bool = False  # in this minute: Lambda reports nothing of one without a call

    def call(self, count: int, seconds: float, tick: int) -> Started:
        started = self.environments.call(count, seconds, tick)
        now, environments = self.seconds[-1], self.environments
        now.warm += started.warm
        now.cold += started.cold
        now.refused += started.refused
        now.busy = max(now.busy, environments.busy)
        now.worked_s += seconds * (started.warm + started.cold) + environments.cold_s * started.cold
        self._called = True
        return started

    def sample(self) -> None:
        """Once a tick: what the metric's minute is made of."""
        if (utilization := self.environments.utilization) is not None:
            self._sampled.append(utilization)

    def drain(self, seconds: float, tick: int) -> None:
        """Pollers take what waits; ``seconds`` for each message."""
        assert self.queue is not None
        for messages in self.queue.batches(self.environments.busy):
            self.call(1, seconds * messages, tick)
        now = self.seconds[-1]
        now.waiting = max(now.waiting, self.queue.depth)
        now.age_s = max(now.age_s, self.queue.age_s(tick))

    def second(self) -> None:
        environments = self.environments
        now = Second(busy=environments.busy, provisioned=environments.provisioned)
        self.seconds.append(now)

    def minute(self, number: int, tick: int) -> None:
        self.environments.minute()
        if self.tracking is not None:
            wanted, statistic = self.tracking.wanted, STATISTICS[self.tracking.policy.statistic]
            value = statistic(self._sampled) if self._called and self._sampled else None
            if self.tracking.minute(value, number) != wanted:
                self.environments.provision(self.tracking.wanted, tick)
        self._sampled, self._called = [], False


@dataclass
class World:
    """``cold_s`` is what a call waits for a new environment; ``hour`` (UTC) the one in which the run begins."""

    plan: Plan
    scenario: Scenario
    cold_s: float
    seed: int
    hour: int = 14
    scaling: bool = True

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.clients = Clients(self.random, self.plan.socket_requests_per_s)
        self.runners = {name: self._runner(self.plan.functions[name]) for name in SIMULATED}
        self._gone: dict[int, int] = {}

    def run(self, progress: Callable[[float], None] = lambda share: None) -> World:
        per_second = ticks(1)
        for second in range(self.scenario.seconds):
            self._second(second)
            load = self.scenario.at(second)
            for tick in range(second * per_second, (second + 1) * per_second):
                self._tick(tick, load)
            if second % 60 == 59:
                for runner in self.runners.values():
                    runner.minute(second // 60, (second + 1) * per_second)
                progress((second + 1) / self.scenario.seconds)
        return self

    def dollars(self, prices: PriceTable) -> dict[str, float]:
        """What the run cost, by kind. Seconds at work are billed alike, on whatever environment: on the high side."""
        kinds = {
            "at work": ("lambda-arm64-gb-second", lambda second: second.worked_s),
            "kept warm": ("lambda-arm64-provisioned-gb-second", lambda second: second.provisioned),
        }
        return {
            kind: float(prices[name].tiers[0][1])
            * sum(one.function.memory_gb * sum(map(seconds, one.seconds)) for one in self.runners.values())
            for kind, (name, seconds) in kinds.items()
        }

    def _runner(self, function: Function) -> Runner:
        tracking = Tracking(function.policy, self.hour) if function.policy and self.scaling else None
        environments = Environments(function.places, self.cold_s, tracking.wanted if tracking else 0)
        queue = Queue(min(function.pollers, function.places), function.batch) if function.pollers else None
        return Runner(function, environments, tracking, queue)

    def _second(self, second: int) -> None:
        """What comes once a second, or at a second of the minute."""
        tick, load = ticks(1) * second, self.scenario.at(second)
        for runner in self.runners.values():
            runner.second()
        self.clients.arrive(self.scenario.arrive.get(second, 0), tick, returning=True)
        self._leave(self.scenario.lost.get(second, 0), tick)
        if second % 60 == POLLED_AT_S:
            self._put("process", load.messages_per_poll, tick)
            self._put("record", load.messages_per_poll, tick)
        since = second % 60 - POLLED_AT_S
        if since > 0 and since % FLUSH_S == 0 and since // FLUSH_S <= load.flushes_per_minute:
            self._put("tick", 1, tick)
            self._put("deliver", load.jobs_per_flush, tick)

    def _put(self, name: str, count: int, tick: int) -> None:
        queue = self.runners[name].queue
        assert queue is not None
        queue.put(count, tick)

    def _leave(self, count: int, tick: int) -> None:
        for _ in range(count):
            at = tick + ticks(self.random.random() * DISCONNECTED_S)
            self._gone[at] = self._gone.get(at, 0) + 1

    def _tick(self, tick: int, load: Load) -> None:
        self.clients.passes()
        for runner in self.runners.values():
            runner.environments.passes(tick)
        self.clients.arrive(self._chance(load.connects_per_s), tick, within_s=TICK_S)
        for client in self.clients.due(tick):
            self._step(client, tick, load)
        self._others(tick, load)
        for name, runner in self.runners.items():
            if runner.queue is not None:
                runner.drain(load.seconds[name], tick)
            if runner.tracking is not None:
                runner.sample()

    def _others(self, tick: int, load: Load) -> None:
        """Clients that go, and REST, as chance has it."""
        leaving = self._chance(load.connects_per_s) + self._gone.pop(tick, 0)
        if leaving := self.clients.heard(leaving):
            self.runners["disconnect"].call(leaving, load.seconds["disconnect"], tick)
        if requests := self._chance(load.requests_per_s):
            self.runners["app"].call(requests, load.seconds["app"], tick)

    def _chance(self, per_s: float) -> int:
        whole, part = divmod(per_s * TICK_S, 1)
        return int(whole) + (self.random.random() < part)

    def _step(self, client: Client, tick: int, load: Load) -> None:
        name = STEPS[client.step]
        seconds = load.seconds[name]
        started = self.runners[name].call(1, seconds, tick)
        if started.refused:
            self.clients.turned_away(client, tick, "Lambda")
        else:
            self.clients.done(client, tick + ticks(seconds + self.cold_s * started.cold))
