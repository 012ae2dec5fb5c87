"""Random interleavings of everything that queues may do: what every client has seen in the end."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from chalicelib.domain.filters import Group
from tests.functional.model import Line
from tests.functional.world import POISONS, World, seen

TOPICS = ("price:a", "price:b")
PATTERNS = ("price:*", *TOPICS)
CLIENTS = ("c1", "c2", "c3", "c4", "c5")
RATES = ("realtime", "1s", "5s")
UNDECODABLE = (
    "",
    "not json",
    '{"records":["\\ud800"]}',
    '{"v":1}',
    '{"records":5}',
    "[]",
    '{"records":[{]}',
    '{"records":[],"v":"one"}',
)

# Shrinking a story of sixty steps takes minutes; the failing one is printed whole.
PHASES = (Phase.explicit, Phase.generate)
# Who is there from the start; two have a wildcard and an exact topic below it.
JOINED = (
    ("c1", "price:*"),
    ("c2", "price:*"),
    ("c3", "price:a"),
    ("c4", "price:*"),
    ("c4", "price:a"),
    ("c5", "price:b"),
    ("c5", "price:*"),
)

index = st.integers(0, 40)
record = st.one_of(
    st.tuples(st.sampled_from(TOPICS), st.sampled_from([-1, 0, 1, 1, 2]), st.sampled_from([0, 3, 12, 60, -12, 130])),
    st.tuples(st.sampled_from(TOPICS), st.sampled_from([0, 1, 1, 2]), st.sampled_from([12, -15, 60, 130])),
    st.sampled_from(POISONS),
)
at_first = st.tuples(*(st.tuples(st.sampled_from(RATES), st.sampled_from(["", "", "0.5", "1"])) for _ in range(7)))
join = st.tuples(
    st.just("join"),
    st.sampled_from(CLIENTS),
    st.sampled_from(PATTERNS),
    st.sampled_from(RATES),
    st.sampled_from(["", "", "0.5", "1"]),
)
process = st.tuples(st.just("process"), st.lists(index, min_size=1, max_size=3), st.integers(0, 1), st.booleans())
step = st.one_of(
    st.tuples(st.just("publish"), st.lists(record, min_size=1, max_size=6)),
    st.tuples(st.just("publish"), st.lists(record, min_size=1, max_size=6)),
    st.tuples(st.just("garbage"), st.sampled_from(UNDECODABLE)),
    process,
    process,
    process,
    st.tuples(st.just("deliver"), index, st.booleans(), st.sampled_from([False, False, False, True])),
    st.tuples(st.just("tick"), index, st.sampled_from(["once", "once", "keep", "lose"])),
    st.tuples(st.just("tick"), index, st.sampled_from(["once", "once", "keep", "lose"])),
    st.tuples(st.just("wait"), st.sampled_from([0.2, 0.9, 1.0, 2.5, 5.0])),
    st.tuples(st.just("wait"), st.sampled_from([0.2, 0.9, 1.0, 2.5, 5.0])),
    st.one_of(
        join,
        st.tuples(st.just("leave"), st.sampled_from(CLIENTS), st.sampled_from(PATTERNS)),
        st.tuples(st.just("resume"), st.sampled_from(CLIENTS), st.booleans()),
    ),
)
# A step may be cut in two after its write to Redis, by the death of its worker or by another step.
meanwhile = st.one_of(st.none(), st.none(), st.none(), st.just("die"), process, join)
steps = st.lists(st.tuples(step, meanwhile), min_size=20, max_size=60)


class WorkerDiedError(BaseException):
    """What the step was doing ends here; what it had taken from a queue comes again."""


class Story:
    """Plays steps on a world and keeps what each client may expect."""

    def __init__(self, url: str) -> None:
        self.world = World(url)
        self.second = 0
        self.value = dict.fromkeys(TOPICS, Decimal(1000))
        self.poison: set[bytes] = set()
        self.undecodable: list[str] = []
        self.due_after: dict[tuple[str, str], int] = {}  # (client, topic) -> nothing up to this offset is due
        self.switched: set[tuple[str, str]] = set()  # left an exact topic for a wildcard: no position was told

    def play(self, what, meanwhile=None) -> None:
        if what[0] == "process" or what[0] == "tick":
            self.world.interrupt = None if meanwhile is None else lambda: self._meanwhile(meanwhile)
        try:
            getattr(self, what[0])(*what[1:])
        except WorkerDiedError:
            pass
        finally:
            self.world.interrupt = None

    def _meanwhile(self, what) -> None:
        if what == "die":
            raise WorkerDiedError
        self.play(what)

    def publish(self, records) -> None:
        batch = []
        for one in records:
            if not isinstance(one, tuple):
                self.poison.add(one.raw)
                batch.append(one)
                continue
            topic, seconds, tenths = one
            self.second = max(0, self.second + seconds)
            self.value[topic] += self.value[topic] * tenths / 1000
            self.value[topic] = self.value[topic].quantize(Decimal("1.000000"))
            batch.append(seen(topic, self.value[topic], self.second))
        self.world.publish(batch)

    def garbage(self, body) -> None:
        self.undecodable.append(body)
        self.world.put(body)

    def process(self, indices, worker, keep) -> None:
        events = self.world.events
        messages = list({events[at % len(events)].id: events[at % len(events)] for at in indices if events}.values())
        if not messages:
            return
        report = self.world.process(messages, worker, keep=keep)
        assert report.failed == {message.id for message in messages if message.body in UNDECODABLE}

    def deliver(self, at, keep, lose) -> None:
        if self.world.jobs:
            self.world.deliver(at % len(self.world.jobs), keep=keep, lose=lose)

    def tick(self, at, how) -> None:
        due = self.world.due_ticks()
        if due and how == "lose":
            self.world.ticks.pop(due[at % len(due)])
        elif due:
            self.world.tick(due[at % len(due)], keep=how == "keep")

    def wait(self, seconds) -> None:
        self.world.pass_s(seconds)

    def join(self, connection, pattern, rate, rung) -> None:
        client = self.world.client(connection)
        covered = {topic: self.world.covering(connection, topic) for topic in TOPICS}
        reply = self.world.subscribe(connection, pattern, rate, rung)
        for topic in TOPICS:
            if self.world.covering(connection, topic) != pattern:
                continue
            self.due_after[connection, topic] = self.offset(topic)
            self.switched.discard((connection, topic))
            if topic == pattern:
                client.joined(topic, reply[topic]["epoch"], reply[topic]["offset"])
            elif covered[topic] != topic:
                client.forget(iter([topic]))

    def leave(self, connection, pattern) -> None:
        client = self.world.client(connection)
        before = {topic: self.world.covering(connection, topic) for topic in TOPICS}
        self.world.subscriptions.unsubscribe(connection, [pattern])
        for topic in TOPICS:
            after = self.world.covering(connection, topic)
            if after != before[topic]:
                self.due_after[connection, topic] = self.offset(topic)
                self.switched.add((connection, topic))
            if after is None:
                client.forget(iter([topic]))

    def resume(self, connection, gaps_only) -> None:
        self.world.resume(connection, self.world.client(connection).since(gaps_only=gaps_only), snapshot=not gaps_only)

    def offset(self, topic) -> int:
        return max(self.world.truth[topic].changes, default=0) if topic in self.world.truth else 0

    # --- the end ---------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Everything arrives and every slot ends."""
        for _ in range(20):
            self.drain()
            self.world.pass_s(13)  # longer than any slot and the sweep's grace
            self.drain()
            if not self.world.conflation.sweep() and not self.world.ticks:
                return
        raise AssertionError("the slower rates never come to rest")

    def reconnect(self) -> None:
        for gaps_only in (True, False):
            for connection in self.world.clients:
                self.resume(connection, gaps_only)
            self.drain()

    def drain(self) -> None:
        world = self.world
        while world.events or world.jobs or world.due_ticks():
            while world.events:
                self.process([0], 0, False)
            for at in reversed(world.due_ticks()):
                world.tick(at, keep=False)
            while world.jobs:
                world.deliver(0)

    def check_queues(self) -> None:
        assert {raw for raw, _ in self.world.buried} == self.poison
        reasons = {poison.raw: poison.reason for poison in POISONS}
        assert all(reasons[raw] in reason for raw, reason in self.world.buried)
        assert sorted(self.world.dead) == sorted(self.undecodable)
        for topic in self.world.truth:
            self.check_slots(topic)

    def check_clients(self, *, recovered: bool) -> None:
        """Before any recovery: those of which nothing was lost. After it: all."""
        for topic in self.world.truth:
            for client in self.world.clients.values():
                name = self.world.covering(client.connection, topic)
                whole = not client.lossy and (client.connection, topic) not in self.switched
                if name is not None and (recovered or whole):
                    group = self.world.subscriptions.subscribed(client.connection)[name]
                    self.check_client(client, topic, group)

    def check_slots(self, topic) -> None:
        """At most one update per topic and interval of a slower rate, each naming the one before it."""
        for pair, told in self.world.truth[topic].slow.items():
            rate = int(pair.partition("|")[0])
            assert [told[offset][1] for offset in sorted(told)] == [None, *sorted(told)][:-1]
            times = [told[offset][0] for offset in sorted(told)]
            assert all(later - earlier >= rate - 0.002 for earlier, later in pairwise(times)), pair

    def check_client(self, client, topic, group: Group) -> None:
        truth = self.world.truth[topic]
        line = client.lines.get(topic) or Line("", "")
        joined_at = self.due_after[client.connection, topic]
        due = {offset for offset in truth.due(group) if offset > joined_at}
        passed = {offset for offset in truth.due(Group(rung=group.rung)) if offset > joined_at}
        assert not line.walk()[1], f"a gap in {sorted(line.links.items())}"
        assert all(value == truth.changes[offset].value for offset, value in line.values.items())
        assert len(client.offsets(topic)) >= len(line.values)
        if passed:
            assert max(line.values, default=0) >= max(passed), "the newest value did not win"
        if not (group.rate_s and client.lossy):  # of a slower rate only the newest value is recovered
            assert due <= line.values.keys(), f"missed {due - line.values.keys()}"


@pytest.mark.timeout(120)
@settings(
    max_examples=150,
    deadline=None,
    phases=PHASES,
    derandomize=True,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
@given(at_first, steps)
def test_every_client_observes_every_due_update_once(redis_url, wanted, story):
    """Whatever is repeated, reordered, lost on the way or cut short: the newest value wins and no chain has a gap."""
    with capture_logs():  # every poisoned record is an error in the log
        told = Story(redis_url)
        for (connection, pattern), (rate, rung) in zip(JOINED, wanted, strict=True):
            told.join(connection, pattern, rate, rung)
        for what, meanwhile_ in story:
            told.play(what, meanwhile_)
        told.settle()
        told.check_queues()
        told.check_clients(recovered=False)
        told.reconnect()
        told.check_clients(recovered=True)
