"""The sequencer against a slow reference in Decimal, over random histories."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chalicelib.adapters.redis.client import Redis
from chalicelib.adapters.redis.stream import RedisStream
from chalicelib.adapters.redis.subscriptions import RedisSubscriptions
from chalicelib.domain.changes import Change
from chalicelib.domain.filters import Group
from chalicelib.domain.observations import Observation, observation_id, plain
from chalicelib.settings import DEFAULT_THRESHOLDS
from tests.functional.model import ReferenceSequencer, Told

START = datetime.now(UTC).replace(microsecond=0)
LOG_ENTRIES = 8
SHARED = [HealthCheck.function_scoped_fixture]  # every example empties the server itself
TOPICS = ("price:ethereum", "tvl:protocol:aave", "peg:usd-coin", "yield:pool", "feed:prices", "alerts:user")
# More digits than a double carries are cut: the script compares in doubles, which no source's noise can notice.
TWELVE_DIGITS = Context(prec=12)

basis_points = st.sampled_from([0, 1, 4, 5, 6, 9, 10, 11, -9, -10, 49, 50, 99, 100, -100, 200, 500, -1000, -9000])
absolutes = st.sampled_from(
    ["0", "-0.00", "1", "-1", "100", "0.000000000001", "1E-30", "1e18", "-1E+18", "999999999999", "20000000000", "9999"]
)
steps = st.sampled_from(["0", "1", "-1", "9999", "10000", "-10000", "10001"])
observe = st.tuples(
    st.just("observe"),
    st.sampled_from(TOPICS),
    st.sampled_from([-2, -1, 0, 0, 1, 1, 1, 3]),
    st.one_of(
        st.tuples(st.just("move"), basis_points),
        st.tuples(st.just("set"), absolutes),
        st.tuples(st.just("add"), steps),
    ),
)
again = st.tuples(st.just("again"), st.integers(0, 30))
resume = st.tuples(st.just("resume"), st.sampled_from(TOPICS), st.integers(-1, 12))
operations = st.lists(
    st.one_of(
        st.lists(st.one_of(observe, observe, observe, again), min_size=1, max_size=12),
        resume,
        st.just(("emptied",)),
        st.just(("replaced",)),
    ),
    min_size=1,
    max_size=14,
)


class Bench:
    """The real stream and the reference, driven with the same history."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.history: list[Observation] = []
        self.second = 0
        self.last: dict[str, Decimal] = {}
        self.reference = ReferenceSequencer(DEFAULT_THRESHOLDS, LOG_ENTRIES)
        self.epochs: dict[str, dict[int, str]] = {}
        self.connect()
        self.store.call(lambda client: client.flushall())
        self.connect()

    def connect(self) -> None:
        self.store = Redis(self.url)
        self.stream = RedisStream(
            self.store,
            thresholds=DEFAULT_THRESHOLDS,
            now=lambda: START,
            log_entries=LOG_ENTRIES,
            log_seconds=900,
            applied_seconds=3600,
        )
        self.subscriptions = RedisSubscriptions(self.store, now=lambda: START)

    def run(self, operation) -> None:
        if isinstance(operation, list):
            self.batch([self.observation(part) for part in operation])
        elif operation[0] == "resume":
            self.resume(operation[1], operation[2])
        elif operation[0] == "emptied":
            self.store.call(lambda client: client.flushall())
            self.reference.emptied()
        else:  # a failover that lost nothing: only the run_id tells
            self.store.call(lambda client: client.hset("fence", "run_id", "another server's"))
            self.connect()
            self.reference.replaced()

    def observation(self, part) -> Observation:
        if part[0] == "again" and self.history:
            return self.history[part[1] % len(self.history)]
        _, topic, seconds, (how, amount) = part if part[0] == "observe" else ("", TOPICS[0], 1, ("set", "1"))
        self.second = max(0, self.second + seconds)
        last = self.last.get(topic, Decimal(1000))
        value = {
            "move": lambda: last + last * Decimal(amount) / 10000,
            "set": lambda: Decimal(amount),
            "add": lambda: last + Decimal(amount),
        }[how]()
        value = TWELVE_DIGITS.plus(max(Decimal("-1e18"), min(Decimal("1e18"), value)))
        self.last[topic] = value
        at = START + timedelta(seconds=self.second)
        seen = Observation(observation_id(topic, str(self.second), value), topic, value, at)
        self.history.append(seen)
        return seen

    def batch(self, observations: list[Observation]) -> None:
        changes = self.stream.sequence(observations).changes
        for seen, change in zip(observations, changes, strict=True):
            self.compare(self.reference.observe(seen), change)

    def compare(self, told: Told | None, change: Change | None) -> None:
        assert (told is None) is (change is None), f"expected {told}, got {change}"
        if told is None or change is None:
            return
        assert (change.topic, change.offset) == (told.topic, told.offset)
        assert (change.value, change.previous) == (plain(told.value), told.previous)
        assert dict(change.prev) == told.prev
        self.same_epoch(told.topic, told.epoch, change.epoch)

    def same_epoch(self, topic: str, number: int, text: str) -> None:
        """The reference's epochs of a topic and the server's map on each other one to one."""
        epochs = self.epochs.setdefault(topic, {})
        assert epochs.setdefault(number, text) == text
        assert len(set(epochs.values())) == len(epochs)

    def resume(self, name: str, back: int) -> None:
        topic = self.reference.look(name)
        offset = 0 if topic is None else max(0, topic.offset - back)
        epoch = self.epochs.get(name, {}).get(topic.epoch, "one never told") if topic else "none"
        subscribed = self.subscriptions.subscribe(
            "c1",
            {name: "-"},
            group=Group(),
            ends_ms=int(START.timestamp() * 1000) + 7_200_000,
            max_topics=10,
            snapshot=False,
            since={name: (epoch, offset)},
        )
        assert subscribed is not None
        (read,) = subscribed.reads
        if topic is None:
            assert (read.epoch, read.offset, read.recovered, read.snapshot) == (None, 0, False, None)
            return
        self.same_epoch(name, topic.epoch, str(read.epoch))
        missing = topic.offset - offset
        whole = epoch == read.epoch and 0 <= missing <= len(topic.log)
        assert (read.offset, read.recovered) == (topic.offset, whole)
        if whole:
            missed = topic.log[len(topic.log) - missing :]
            for told, change in zip(missed, read.missed, strict=True):
                self.compare(told, change)
        else:
            assert read.snapshot is not None
            assert (read.snapshot.value, read.snapshot.offset) == (plain(topic.value), topic.offset)


@pytest.mark.timeout(60)
@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example([[("observe", TOPICS[0], 1, ("set", "1000")), ("again", 0)], ("emptied",), [("again", 0)]])
@example([[("observe", TOPICS[0], 1, ("set", "1"))], ("replaced",), ("resume", TOPICS[0], 0), [("again", 0)]])
@given(operations)
def test_decisions_offsets_and_prevs_are_those_of_the_reference(redis_url, history):
    """Duplicates, reorderings, equal times, zeros, signs, huge values, an emptied and a replaced server."""
    bench = Bench(redis_url)
    for operation in history:
        bench.run(operation)


@pytest.mark.timeout(60)
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=SHARED)
@given(st.lists(basis_points, min_size=30, max_size=120), st.sampled_from(TOPICS))
def test_long_drifts_keep_each_rungs_own_baseline(redis_url, moves, topic):
    bench = Bench(redis_url)
    for start in range(0, len(moves), 20):
        bench.run([("observe", topic, 1, ("move", move)) for move in moves[start : start + 20]])
