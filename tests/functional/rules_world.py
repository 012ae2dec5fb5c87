"""Alert rules on a real Redis, with their queue in memory and time in the test's hands."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from chalicelib.adapters.redis.client import Redis
from chalicelib.adapters.redis.lag import RedisSourceLag
from chalicelib.adapters.redis.rule_sets import moment
from chalicelib.adapters.redis.rules import RedisRuleIndex
from chalicelib.domain.alerts import Alert, Changed
from chalicelib.domain.observations import Observation, observation_id
from chalicelib.domain.rules import Rule
from chalicelib.ports.alerts import Due
from chalicelib.protocol.envelopes import encode, encode_observations
from chalicelib.protocol.signals import RecheckMessage
from chalicelib.services.evaluate import EvaluateReport, EvaluateRules
from chalicelib.services.event_clock import EventClock
from chalicelib.services.judgement import JudgeRules
from chalicelib.services.lifecycle import Lifecycle
from chalicelib.services.process import Message
from chalicelib.services.rule_index import KeepIndex
from tests.fake_alerts import FakeAlertStates, FakeRuleStore, FakeTimers
from tests.fakes import FakeClock, FakeDeadLetters, FakeRetries

_ids = itertools.count()


class Heard:
    """ports.AlertStream: what was published, each alert's state once, in the order in which it came first."""

    def __init__(self) -> None:
        self.published: list[Alert] = []
        self.alerts: dict[tuple[str, str], Alert] = {}

    def publish(self, alerts: Sequence[Alert]) -> None:
        self.published += alerts
        for alert in alerts:
            self.alerts.setdefault((alert.id, alert.state), alert)

    def of(self, rule_id: str) -> list[tuple[str, datetime]]:
        return [(alert.state, alert.at) for alert in self.alerts.values() if alert.rule == rule_id]


class Worker:
    """One process's services; ``wrap`` puts something between them and one of their ports."""

    def __init__(self, world: RulesWorld, wrap: Callable[[str, Any], Any] = lambda name, port: port) -> None:
        clock = world.event_clock
        index = wrap("index", _index(world, clock))
        states, timers = wrap("states", world.states), wrap("timers", world.timers)
        stream = wrap("stream", world.heard)
        life = Lifecycle(states=states, timers=timers, stream=stream, clock=clock, now=world.clock)
        self.index, self.life, self.retries = index, life, FakeRetries()
        self.dead_letters = FakeDeadLetters()
        self.keeper = KeepIndex(rules=world.store, index=index, timers=timers, now=world.clock)
        self.evaluate = EvaluateRules(
            index=index,
            keeper=self.keeper,
            judge=JudgeRules(index=index, life=life),
            timers=timers,
            dead_letters=self.dead_letters,
            retries=self.retries,
            clock=clock,
            now=world.clock,
        )

    def run(self, *bodies: bytes, receives: int = 1) -> EvaluateReport:
        messages = [Message(f"m{number}", body.decode(), f"m{number}", receives) for number, body in enumerate(bodies)]
        return self.evaluate.run(messages)


class RulesWorld:
    """A store, states, a queue of what is due, and workers; nothing happens before the test says so."""

    def __init__(self, url: str, at: datetime, *, speed: float = 1.0) -> None:
        self.clock, self.speed = FakeClock(at), speed
        self.redis = Redis(url)
        self.event_clock = EventClock(RedisSourceLag(self.redis), now=self.clock, speed=speed)
        self.store, self.states, self.timers, self.heard = FakeRuleStore(), FakeAlertStates(), FakeTimers(), Heard()
        self.worker = Worker(self)
        self.worker.keeper.rebuild()

    def make(self, *rules: Rule) -> None:
        """As the API does."""
        for rule in rules:
            self.store.create(rule, limit=10**6)
        self.worker.index.put(rules)
        for rule in rules:
            recheck = RecheckMessage(rules=[rule.id], cause=f"rule:{rule.id}:1")
            self.timers.put([Due(recheck.cause, "alerts", encode(recheck), self.clock())])

    def change(self, rule: Rule) -> Rule:
        newer = replace(rule, version=rule.version + 1, updated_at=self.clock())
        cause = f"rule:{newer.id}:{newer.version}"
        assert self.store.replace(newer)
        self.worker.life.apply(newer, Changed(id=cause, at=self.event_clock()))
        self.worker.index.put([newer])
        recheck = RecheckMessage(rules=[rule.id], cause=cause)
        self.timers.put([Due(recheck.cause, "alerts", encode(recheck), self.clock())])
        return newer

    def observe(self, topic: str, value: str | Decimal, at: datetime | None = None) -> EvaluateReport:
        """Something is seen, now or at a time that becomes now; it succeeds."""
        self.clock.at = at or self.clock.at
        report = self.worker.run(*bodies(seen(topic, value, self.clock.at)))
        assert not report.failed
        return report

    def wait(self, until: datetime, *, inclusive: bool = True) -> None:
        """Let time pass: what falls stale is looked at, then what is due, each at its moment."""
        while True:
            moments = [due.at for due in self.timers.due if due.queue == "alerts"] + self._stale()
            at = max(min(moments, default=until + timedelta(1)), self.clock.at)
            if at > until or (at == until and not inclusive):
                break
            self.clock.at = at
            self.worker.keeper.sweep()
            self.settle()
        self.clock.at = max(self.clock.at, until)

    def play(self, recording: Sequence[Observation]) -> None:
        """Each observation comes when its turn is at this world's speed, years after it was made; the sweep and the
        queue have a turn each second."""
        begun = self.clock.at
        for each in recording:
            until = begun + (each.observed_at - recording[0].observed_at) / self.speed
            while self.clock.at < until:
                self.clock.at = min(until, self.clock.at + timedelta(seconds=1))
                self.worker.keeper.sweep()
                self.settle()
            assert not self.worker.run(*bodies(each)).failed

    def settle(self) -> None:
        """Whatever of the queue is due by now: second looks before timers."""
        while due := [due for due in self.timers.due if due.queue == "alerts" and due.at <= self.clock.at]:
            first = min(due, key=lambda each: (b'"recheck"' not in each.body, each.at))
            self.timers.due.remove(first)
            assert not self.worker.run(first.body).failed

    def _stale(self) -> list[datetime]:
        found = self.redis.call(lambda client: client.zrange("stale", 0, 0, withscores=True))
        return [self.event_clock.ours(moment(int(score))) for _, score in found]


def _index(world: RulesWorld, clock: EventClock) -> RedisRuleIndex:
    return RedisRuleIndex(world.redis, clock=clock, now=world.clock, token=f"worker {next(_ids)}")


def seen(topic: str, value: str | Decimal, at: datetime) -> Observation:
    return Observation(observation_id(topic, at.isoformat(), Decimal(value)), topic, Decimal(value), at)


def bodies(*observations: Observation) -> list[bytes]:
    """A message each."""
    return [body for each in observations for body in encode_observations([each])]
