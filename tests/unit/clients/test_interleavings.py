"""Whatever the network does to the frames, every due update is observed once or honestly reported lost."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from defistream.core import Core
from defistream.wants import Part, Want, cut_resume
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.clients.model_server import ModelServer

WALL = datetime(2026, 11, 23, tzinfo=UTC)
TOPICS = ["price:a", "price:b", "tvl:protocol:c"]

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(0, 2), st.booleans()),
        st.tuples(st.just("deliver"), st.integers(0, 7)),
        st.tuples(st.just("repeat"), st.integers(0, 7)),
        st.tuples(st.just("drop"), st.integers(0, 7)),
        st.tuples(st.just("wait"), st.sampled_from([0.1, 1.0, 2.5, 11.0])),
        st.tuples(st.sampled_from(["cut", "forget", "new_epoch", "trim"])),
    ),
    max_size=60,
)


# The session is lost, and so is the first notice of it.
NOTICE_LOST = [
    *[("deliver", 0), ("publish", 0, False), ("deliver", 0), ("drop", 0), ("publish", 0, False), ("deliver", 0)],
    *[("wait", 1.0), ("forget",), ("wait", 1.0), ("drop", 0)],
]


class Rig:
    """A core and a model server with a network between that the test plays."""

    def __init__(self, patterns: list[str], want: Want) -> None:
        self.now = 0.0
        self.server = ModelServer(TOPICS)
        self.core = Core(jitter=lambda: 0.5)
        self.seen: Counter[tuple[str, str, int]] = Counter()
        self.last: dict[str, Any] = {}
        self.lost: Counter[str] = Counter()
        self.parts = list(cut_resume(dict.fromkeys(patterns, want), {}, joins=True))
        self.asked: dict[int, tuple[Part, float]] = {}
        self.core.connected(self.now)
        for part in self.parts:
            self.ask(part)
        self.settle()

    def ask(self, part: Part) -> None:
        self.asked[self.core.subscribe(part, self.now)] = (part, self.now + 10.0)

    def settle(self) -> None:
        """Hand over what the core did; a connection it gave up is replaced at once."""
        if self.core.lost is not None:
            self.cut()
        updates, events, replies = self.core.take()
        for reply in replies:
            self.asked.pop(reply.id, None)
        for id, (part, timeout_at) in list(self.asked.items()):
            if timeout_at <= self.now:  # a caller who got no reply asks again
                self.core.abandon(id, self.now)
                del self.asked[id]
                self.ask(part)
        for text in self.core.take_outgoing():
            self.server.command(text)
        for update in updates:
            self.seen[(update.topic, update.epoch, update.offset)] += 1
            if update.topic not in self.last or self.last[update.topic].epoch != update.epoch:
                self.last[update.topic] = update
            self.last[update.topic] = max(self.last[update.topic], update, key=lambda update: update.offset)
        for event in events:
            if event.name in ("not_recovered", "epoch"):
                self.lost[event.topic or ""] += 1

    def cut(self) -> None:
        self.core.disconnected()
        self.server.disconnect()
        self.core.connected(self.now)
        for text in self.core.take_outgoing():
            self.server.command(text)

    def receive(self, index: int, *, keep: bool) -> None:
        if self.server.flying:
            index %= len(self.server.flying)
            frame = self.server.flying[index] if keep else self.server.flying.pop(index)
            self.core.receive(frame, self.now, WALL)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.core.tick(self.now)

    def play(self, operation: tuple[Any, ...]) -> None:
        match operation:
            case ("publish", index, due):
                self.server.publish(TOPICS[index], due=due)
            case ("deliver", index):
                self.receive(index, keep=False)
            case ("repeat", index):
                self.receive(index, keep=True)
            case ("drop", index) if self.server.flying:
                self.server.flying.pop(index % len(self.server.flying))
            case ("wait", seconds):
                self.wait(seconds)
            case ("cut",):
                self.cut()
            case ("forget",):
                self.server.forget()
            case ("new_epoch",):
                self.server.new_epoch()
            case ("trim",):
                self.server.trim()
        self.settle()

    def calm(self) -> None:
        """The network is well again: deliver all, publish once more, let gaps be asked for."""
        self._drain()
        self.wait(121.0)  # a silence in which a session lost unnoticed is found out
        self._drain()
        for name in TOPICS:
            self.server.publish(name, due=True)
        self._drain()

    def _drain(self) -> None:
        for _ in range(12):
            while self.server.flying:
                self.receive(0, keep=False)
                self.settle()
            self.wait(2.5)
            self.settle()


@pytest.mark.parametrize("patterns", [["price:*", "tvl:*"], TOPICS], ids=["wildcards", "topics"])
@given(operations=OPERATIONS, filtered=st.booleans())
@example(operations=[("drop", 0), ("new_epoch",), ("wait", 11.0), ("deliver", 1)], filtered=False)
@example(operations=NOTICE_LOST, filtered=False)
@settings(max_examples=200, deadline=None)
def test_every_due_update_is_observed_once_or_reported_lost(
    patterns: list[str], operations: list[tuple[Any, ...]], filtered: bool
) -> None:
    """Dropped, repeated, reordered frames; cut connections; lost sessions; trimmed logs; new epochs."""
    rig = Rig(patterns, Want(min_change_pct="1") if filtered else Want())
    for operation in operations:
        if operation[0] == "publish" and not filtered:
            operation = (*operation[:2], True)
        rig.play(operation)
    rig.calm()

    assert max(rig.seen.values()) == 1
    for name in TOPICS:
        missing = {key for key in rig.server.due[name] if (name, *key) not in rig.seen}
        unexcused = {key for key in missing - rig.server.excused[name] if key[0] == rig.server.topics[name].epoch}
        assert not unexcused
        assert not missing or rig.lost[name], "lost in silence"
        assert rig.last[name].offset == rig.server.topics[name].offset
        assert rig.last[name].epoch == rig.server.topics[name].epoch


def test_frames_in_order_need_no_resume() -> None:
    rig = Rig(TOPICS, Want())
    for _ in range(5):
        for name in TOPICS:
            rig.server.publish(name, due=True)
    rig.calm()

    assert rig.core.stats.gaps == 0
    assert rig.server.resumes == 0
    assert rig.core.stats.updates == len(TOPICS) * 7  # the snapshot, five, and the one of the calm
