"""The fake and the real store give the same answers to the same random history."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from typing import Any

import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.domain.changes import Change
from chalicelib.domain.filters import Group
from chalicelib.ports import Tick
from tests.contract.stores import Store, fake_store, redis_store
from tests.fakes import alert_seen, seen

TOPICS = st.sampled_from(["price:a", "price:b", "tvl:protocol:x"])
NAMES = st.sampled_from(["price:a", "price:b", "price:*", "tvl:*", "tvl:protocol:*", "alerts:ann"])
GROUPS = st.builds(Group, rate_s=st.sampled_from([0, 1, 5]), rung=st.sampled_from(["", "1", "5"]))
VALUES = st.sampled_from(["100", "100.05", "100.1", "101", "99", "106", "0", "-3"])
STEPS = st.one_of(
    st.tuples(st.just("see"), TOPICS, VALUES, st.integers(-2, 0)),
    st.tuples(st.just("see"), TOPICS, VALUES, st.just(0)),
    st.tuples(st.just("alert"), st.sampled_from("123"), st.integers(-2, 0)),
    st.tuples(st.just("subscribe"), st.sampled_from("cd"), NAMES, GROUPS, st.booleans()),
    st.tuples(st.just("resume"), st.sampled_from("cd"), NAMES, TOPICS, st.integers(0, 9)),
    st.tuples(st.just("unsubscribe"), st.sampled_from("cd"), NAMES),
    st.tuples(st.just("wait"), st.sampled_from([0.4, 1, 2.5, 5])),
    st.tuples(st.just("flush")),
    st.tuples(st.just("done")),
    st.tuples(st.just("fail over")),
)


class Play:
    """One history on one store; every answer is put in words that do not depend on random epochs."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.epochs: dict[str, list[str]] = defaultdict(list)
        self.ticks: list[Tick] = []

    def step(self, action: str, *args: Any) -> Any:
        return getattr(self, action.replace(" ", "_"))(*args)

    def see(self, topic: str, value: str, age_s: int) -> Any:
        at = self.store.clock.at.replace(microsecond=0)
        observation = seen(topic, value, at.fromtimestamp(at.timestamp() + age_s, at.tzinfo))
        sequenced = self.store.stream.sequence([observation])
        self.ticks += sequenced.ticks
        return [self._told(change) for change in sequenced.changes], sorted(sequenced.ticks, key=str)

    def alert(self, number: str, age_s: int) -> Any:
        observation = alert_seen("ann", number, self.store.clock().replace(microsecond=0) + timedelta(seconds=age_s))
        return [self._told(change) for change in self.store.stream.sequence([observation]).changes]

    def subscribe(self, connection: str, name: str, group: Group, snapshot: bool) -> Any:
        return self._subscribed(connection, name, group=group, snapshot=snapshot)

    def resume(self, connection: str, name: str, topic: str, offset: int) -> Any:
        known = self.epochs[topic]
        return self._subscribed(connection, name, since={topic: (known[-1] if known else "", offset)})

    def _subscribed(self, connection: str, name: str, **more: Any) -> Any:
        subscribed = self.store.subscribe(connection, name, **more)
        assert subscribed is not None
        reads = [
            (
                r.topic,
                self._epoch(r.topic, r.epoch),
                r.offset,
                r.recovered,
                self._told(r.snapshot),
                [*map(self._told, r.missed)],
            )
            for r in sorted(subscribed.reads, key=lambda read: read.topic)
        ]
        return list(subscribed.patterns), reads

    def unsubscribe(self, connection: str, name: str) -> Any:
        left = list(self.store.subscriptions.unsubscribe(connection, [name]))
        return left, self.store.subscriptions.subscribed(connection)

    def wait(self, seconds: float) -> None:
        self.store.clock.forward(seconds=seconds)

    def flush(self) -> Any:
        if not self.ticks:
            return None
        flushed = self.store.stream.flush(self.ticks[0])
        if flushed.next_tick:
            self.ticks.append(flushed.next_tick)
        return sorted(map(self._told, flushed.changes), key=str), flushed.next_tick

    def done(self) -> Any:
        if self.ticks:
            tick = self.ticks.pop(0)
            self.store.stream.flushed(tick, self.store.stream.flush(tick).changes)
        return sorted(self.store.stream.overdue(5.0), key=str)

    def fail_over(self) -> None:
        self.store.fail_over()

    def recipients(self) -> Any:
        found = self.store.audience.recipients(["price:a", "price:b", "price:*", "tvl:*", "tvl:protocol:*"])
        return {name: {group: sorted(to) for group, to in groups.items()} for name, groups in found.items()}

    def _told(self, change: Change | None) -> Any:
        return change and replace(change, epoch=str(self._epoch(change.topic, change.epoch)))

    def _epoch(self, topic: str, epoch: str | None) -> int | None:
        known = self.epochs[topic]
        if epoch and epoch not in known:
            known.append(epoch)
        return known.index(epoch) if epoch else None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(STEPS, max_size=25))
def test_the_fake_answers_as_redis_does(redis_url, history):
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    fake, real = Play(fake_store()), Play(redis_store(redis_url))
    real.store.clock.at = fake.store.clock.at
    for number, step in enumerate(history):
        assert (number, fake.step(*step)) == (number, real.step(*step))
        assert fake.recipients() == real.recipients()
