"""The live path with its queues in memory and its Redis real, so that a test may choose every interleaving."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from chalicelib.adapters.redis.client import Redis
from chalicelib.adapters.redis.stream import RedisAudience, RedisStream
from chalicelib.adapters.redis.subscriptions import RedisSubscriptions
from chalicelib.domain.changes import Change, Due
from chalicelib.domain.filters import Group
from chalicelib.domain.observations import Observation, observation_id
from chalicelib.domain.topics import matches
from chalicelib.ports import Flushed, Sequenced, Session, Tick
from chalicelib.protocol.commands import FilterSpec, Position, Subscribe
from chalicelib.protocol.envelopes import DeliveryJob, ObservationMessage, decode, encode, encode_observations
from chalicelib.services.conflation import Conflation
from chalicelib.services.process import Message, ProcessObservations, ProcessReport
from chalicelib.services.subscribe import SubscribeTopics
from chalicelib.settings import DEFAULT_THRESHOLDS, DEFAULT_TIERS, RATES
from tests.functional.model import ModelClient, updates_of

START = datetime.now(UTC).replace(second=0, microsecond=0)
ENDS_MS = int(START.timestamp() * 1000) + 7_200_000
SESSION = Session("user", "enterprise", ENDS_MS, ENDS_MS)
RECEIVES_MAX = 3


@dataclass
class Poison:
    """A record that no retry can cure, as it stands in its message, and a word of its reason."""

    raw: bytes
    reason: str


POISONS = (
    Poison(b'{"id":"x","topic":"price:ethereum","value":"NaN","observed_at":"2026-01-01T00:00:00Z"}', "out of range"),
    Poison(b'{"id":"x","topic":"price:ethereum","value":"ten","observed_at":"2026-01-01T00:00:00Z"}', "not a decimal"),
    Poison(b'{"id":"x","topic":"prices","value":"1","observed_at":"2026-01-01T00:00:00Z"}', "not a topic"),
    Poison(b'{"id":"x","topic":"price:a","value":"1","observed_at":"2026-01-01T00:00:00"}', "time zone"),
    Poison(b'{"id":"","topic":"price:a","value":"1","observed_at":"2026-01-01T00:00:00Z"}', "1 to 64"),
    Poison(b'[1,{"a":null}]', "not an observation"),
    Poison(b'{"id":"x","topic":"price:\\u0000a","value":"1","observed_at":"2026-01-01T00:00:00Z"}', "not a topic"),
)


class Interruptible:
    """ports.Stream that lets something else happen after each step, and keeps what was decided."""

    def __init__(self, stream: RedisStream, world: World) -> None:
        self._stream = stream
        self._world = world

    def sequence(self, observations: Sequence[Observation]) -> Sequenced:
        sequenced = self._stream.sequence(observations)
        self._world.sequenced.append({seen.id for seen in observations})
        self._world.record([change for change in sequenced.changes if change is not None])
        self._world.interrupted()
        return sequenced

    def flush(self, tick: Tick) -> Flushed:
        flushed = self._stream.flush(tick)
        self._world.record(flushed.changes, tick)
        self._world.interrupted()
        return flushed

    def flushed(self, tick: Tick, changes: Sequence[Change]) -> None:
        self._stream.flushed(tick, changes)

    def overdue(self, grace_s: float) -> Sequence[Tick]:
        return self._stream.overdue(grace_s)


@dataclass
class Truth:
    """What was decided of one topic: every change, and every offset told to each slower rate and rung."""

    epoch: str
    changes: dict[int, Change] = field(default_factory=dict)
    slow: dict[str, dict[int, tuple[float, int | None]]] = field(default_factory=dict)  # pair -> offset -> when, prev

    def due(self, group: Group) -> set[int]:
        if group.rate_s:
            return set(self.slow.get(f"{group.rate_s}|{group.rung}", ()))
        return {offset for offset, change in self.changes.items() if not isinstance(change.due(group), Due)}


class World:
    """Two workers of each kind, queues that repeat and reorder as they are told to, and clients."""

    def __init__(self, url: str) -> None:
        self.now = START
        store = Redis(url)
        store.call(lambda client: client.flushall())
        self._redis = RedisStream(
            store,
            thresholds=DEFAULT_THRESHOLDS,
            now=lambda: self.now,
            log_entries=200,
            log_seconds=900,
            applied_seconds=3600,
        )
        self.events: list[Message] = []
        self.jobs: list[bytes] = []
        self.ticks: list[Tick] = []
        self.buried: list[tuple[bytes, str]] = []
        self.dead: list[str] = []
        self.sequenced: list[set[str]] = []
        self.truth: dict[str, Truth] = {}
        self.interrupt: Callable[[], None] | None = None
        self.clients: dict[str, ModelClient] = {}
        self._messages = 0
        stream = Interruptible(self._redis, self)
        audience = RedisAudience(store, now=lambda: self.now)
        limits = {"frame_bytes": 1024, "posts_per_job": 3}  # small, so that there are many frames and jobs
        queues = {"jobs": JobList(self.jobs), "ticks": TickList(self.ticks)}
        self.workers = [
            ProcessObservations(
                stream=stream,
                audience=audience,
                dead_letters=Cemetery(self.buried),
                retries=NoRetries(),
                now=lambda: self.now,
                **queues,
                **limits,
            )
            for _ in range(2)
        ]
        self.conflation = Conflation(stream=stream, audience=audience, retries=NoRetries(), **queues, **limits)
        self.subscriptions = RedisSubscriptions(store, now=lambda: self.now)
        self._subscribe = SubscribeTopics(
            subscriptions=self.subscriptions,
            jobs=JobList(self.jobs),
            tiers=DEFAULT_TIERS,
            coins=["a", "b"],
            frame_bytes=1024,
        )

    def record(self, changes: Sequence[Change], tick: Tick | None = None) -> None:
        at = self.now.timestamp() if tick is None else tick.rate_s * tick.slot
        for change in changes:
            truth = self.truth.setdefault(change.topic, Truth(change.epoch))
            assert truth.epoch == change.epoch
            if tick is None:
                assert truth.changes.setdefault(change.offset, change) == change
            for pair, prev in change.slow.items():
                told = truth.slow.setdefault(pair, {}).setdefault(change.offset, (at, prev))
                assert told[1] == prev

    def interrupted(self) -> None:
        meanwhile, self.interrupt = self.interrupt, None
        if meanwhile is not None:
            meanwhile()

    # --- the queue of events -------------------------------------------------------------------------

    def publish(self, seen: Sequence[Observation | Poison]) -> None:
        records = [
            record.raw if isinstance(record, Poison) else bytes(decode(ObservationMessage, only(record)).records[0])
            for record in seen
        ]
        self.put(encode(ObservationMessage(records=[msgspec.Raw(raw) for raw in records])).decode())

    def put(self, body: str) -> None:
        self._messages += 1
        self.events.append(Message(f"m{self._messages}", body))

    def process(self, messages: Sequence[Message], worker: int, *, keep: bool) -> ProcessReport:
        """Hand messages to a worker; those it failed come back, as do all if ``keep`` (the deletion was lost)."""
        report = self.workers[worker].run(messages)
        for message in messages:
            if message not in self.events:
                continue  # the other worker had it too, and was done first
            failed = message.id in report.failed
            if failed or not keep:
                self.events.remove(message)
            if failed and message.receives == RECEIVES_MAX:
                self.dead.append(message.body)
            elif failed:
                self.events.append(Message(message.id, message.body, receives=message.receives + 1))
        return report

    # --- the other queues ----------------------------------------------------------------------------

    def deliver(self, index: int, *, keep: bool = False, lose: bool = False) -> None:
        """One job to its connections, again later if ``keep``; if ``lose``, what its clients can notice is lost."""
        body = self.jobs[index] if keep else self.jobs.pop(index)
        for connections, updates in updates_of(decode(DeliveryJob, body)):
            snapshot = any(update["snapshot"] for update in updates)
            for connection in connections:
                client = self.clients[connection]
                if lose and not snapshot and all(update["topic"] in client.lines for update in updates):
                    client.lossy = True
                else:
                    client.receive([update for update in updates if self.covering(connection, update["topic"])])

    def due_ticks(self) -> list[int]:
        return [index for index, tick in enumerate(self.ticks) if tick.rate_s * tick.slot <= self.now.timestamp()]

    def tick(self, index: int, *, keep: bool) -> None:
        self.conflation.flush(self.ticks[index] if keep else self.ticks.pop(index))

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    # --- clients -------------------------------------------------------------------------------------

    def client(self, connection: str) -> ModelClient:
        return self.clients.setdefault(connection, ModelClient(connection))

    def subscribe(self, connection: str, topic: str, rate: str, rung: str, *, snapshot: bool = True) -> dict[str, Any]:
        """Join without ``since``; the reply's topics."""
        return self._ask(connection, Subscribe(topics=[topic], rate=rate, filter=_filter(rung), snapshot=snapshot))

    def resume(self, connection: str, since: dict[str, tuple[str, int]], *, snapshot: bool) -> None:
        """Every subscription again, as it is, with ``since`` for the topics that it covers."""
        for name, group in self.subscriptions.subscribed(connection).items():
            covered = {topic: Position(*at) for topic, at in since.items() if self.covering(connection, topic) == name}
            if covered:
                rate = next(rate for rate, seconds in RATES.items() if seconds == group.rate_s)
                self._ask(
                    connection,
                    Subscribe(topics=[name], rate=rate, filter=_filter(group.rung), since=covered, snapshot=snapshot),
                )

    def covering(self, connection: str, topic: str) -> str | None:
        """The most specific subscription that covers a topic."""
        names = self.subscriptions.subscribed(connection)
        return topic if topic in names else next((name for name in names if matches(name, topic)), None)

    def _ask(self, connection: str, command: Subscribe) -> dict[str, Any]:
        topics: dict[str, Any] = self._subscribe.run(connection, SESSION, command)["topics"]
        return topics


def only(seen: Observation) -> bytes:
    (body,) = encode_observations([seen])
    return body


def seen(topic: str, value: Decimal, second: int) -> Observation:
    at = START + timedelta(seconds=second)
    return Observation(observation_id(topic, str(second), value), topic, value, at)


def _filter(rung: str) -> FilterSpec | None:
    return FilterSpec(min_change_pct=rung) if rung else None


class JobList:
    """ports.JobQueue."""

    def __init__(self, bodies: list[bytes]) -> None:
        self._bodies = bodies

    def send(self, bodies: Sequence[bytes], *, delay_s: int = 0) -> list[int]:
        self._bodies.extend(bodies)
        return []


class TickList:
    """ports.TickQueue."""

    def __init__(self, ticks: list[Tick]) -> None:
        self._ticks = ticks

    def send(self, ticks: Sequence[Tick]) -> None:
        self._ticks.extend(ticks)


class Cemetery:
    """ports.DeadLetters."""

    def __init__(self, buried: list[tuple[bytes, str]]) -> None:
        self._buried = buried

    def bury(self, record: bytes, *, reason: str, message_id: str) -> None:
        self._buried.append((record, reason))


class NoRetries:
    """ports.Retries: the queue of a World hands out at once what failed."""

    def soon(self, delays_s: Any) -> None:
        pass
