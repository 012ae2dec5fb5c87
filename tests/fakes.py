"""Fakes of the ports that need no shared state: clock, source, queues, keys, secrets, the gateway (see fake_store)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Lock
from typing import Any, cast

import msgspec

from chalicelib.domain.observations import Observation, observation_id
from chalicelib.errors import StoreDownError
from chalicelib.ports import ApiKey, Begun, FeedKind, FeedResult, FeedState, Post, PostResults, Tick
from chalicelib.protocol.envelopes import DeliveryJob, decode
from chalicelib.protocol.pushes import rfc3339
from chalicelib.protocol.signals import AlertBody

Answer = FeedResult | Exception | Callable[[FeedState], FeedResult]


class FakeClock:
    def __init__(self, at: datetime = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **by: float) -> None:
        self.at += timedelta(**by)


def seen(topic: str, value: str, at: datetime, **more: Any) -> Observation:
    return Observation(observation_id(topic, at.isoformat(), Decimal(value)), topic, Decimal(value), at, **more)


def alert_seen(user: str, number: str, at: datetime, *, value: str = "0.97", state: str = "firing") -> Observation:
    """Alert ``al_{number}`` of a user, as the lifecycle publishes it."""
    told = AlertBody(
        id=f"al_{number}",
        rule="ru_1",
        name="USDC loses its peg",
        state=cast(Any, state),
        topic="peg:usd-coin",
        value=value,
        condition="value < 0.98",
        fired_at=rfc3339(at),
        at=rfc3339(at),
    )
    text = msgspec.json.encode(told).decode()
    return Observation(f"al_{number}:{state}", f"alerts:{user}", Decimal(value), at, source="rules", alert=text)


# --- ingest -----------------------------------------------------------------------------------------


class FakeIngestStore:
    """In memory; ``down`` names methods that fail."""

    def __init__(self, wanted: Sequence[str] = ()) -> None:
        self.owner: str | None = None
        self.states: dict[FeedKind, FeedState] = {}
        self.tokens: dict[str, str] = {}
        self.wanted = list(wanted)
        self.down: set[str] = set()

    def acquire(self, owner: str, ttl_s: int) -> bool:
        self._check("acquire")
        if self.owner is not None:
            return False
        self.owner = owner
        return True

    def release(self, owner: str) -> None:
        self._check("release")
        if self.owner == owner:
            self.owner = None

    def feed_state(self, kind: FeedKind) -> FeedState:
        self._check("feed_state")
        return self.states.get(kind, FeedState())

    def save_feed_state(self, kind: FeedKind, state: FeedState) -> None:
        self._check("save_feed_state")
        self.states[kind] = state

    def last_seen(self, topics: Sequence[str]) -> list[str | None]:
        self._check("last_seen")
        return [self.tokens.get(topic) for topic in topics]

    def save_last_seen(self, tokens: Mapping[str, str]) -> None:
        self._check("save_last_seen")
        self.tokens.update(tokens)

    def wanted_coins(self) -> list[str]:
        self._check("wanted_coins")
        return self.wanted

    def _check(self, method: str) -> None:
        if method in self.down:
            raise StoreDownError(f"{method}: the store is down")


class FakePublisher:
    """Keeps what was published; ``fails`` says for which batches the topic takes nothing."""

    def __init__(self) -> None:
        self.batches: list[list[Observation]] = []
        self.fails: Callable[[Sequence[Observation]], bool] = lambda _: False
        self._lock = Lock()

    def publish(self, observations: Sequence[Observation]) -> int:
        if self.fails(observations):
            raise StoreDownError("the topic took nothing")
        with self._lock:
            self.batches.append(list(observations))
        return -(-len(observations) // 100)

    def of(self, prefix: str) -> list[Observation]:
        return [seen for batch in self.batches for seen in batch if seen.topic.startswith(prefix)]

    def figures(self, prefix: str) -> list[tuple[str, str]]:
        return [(seen.topic, str(seen.value)) for seen in self.of(prefix)]


class FakeSource:
    """Answers each feed from ``answers``; a feed without one has nothing."""

    def __init__(self) -> None:
        self.answers: dict[FeedKind, Answer] = {}
        self.asked: list[tuple[FeedKind, FeedState, list[str]]] = []

    def fetch(self, kind: FeedKind, state: FeedState, *, coins: Sequence[str], scheduled_at: datetime) -> FeedResult:
        self.asked.append((kind, state, list(coins)))
        answer = self.answers.get(kind, FeedResult((), state, None))
        if isinstance(answer, Exception):
            raise answer
        return answer(state) if callable(answer) else answer

    @property
    def kinds(self) -> set[FeedKind]:
        return {kind for kind, _, _ in self.asked}


# --- queues -----------------------------------------------------------------------------------------


class FakeJobQueue:
    """Takes every job that ``takes`` allows."""

    def __init__(self) -> None:
        self.jobs: list[DeliveryJob] = []
        self.delays_s: list[int] = []
        self.takes: Callable[[DeliveryJob], bool] = lambda _: True

    def send(self, bodies: Sequence[bytes], *, delay_s: int = 0) -> list[int]:
        refused = []
        for index, body in enumerate(bodies):
            job = decode(DeliveryJob, body)
            if self.takes(job):
                self.jobs.append(job)
                self.delays_s.append(delay_s)
            else:
                refused.append(index)
        return refused

    def frames(self, connection: str) -> list[list[dict[str, Any]]]:
        """The frames of updates that a connection is to get, in order."""
        return [
            [msgspec.json.decode(job.updates[index]) for index in frame.updates]
            for job in self.jobs
            for frame in job.frames
            if connection in frame.to and not bytes(frame.message)
        ]

    def updates(self, connection: str) -> list[dict[str, Any]]:
        return [update for frame in self.frames(connection) for update in frame]

    def messages(self, connection: str) -> list[dict[str, Any]]:
        """The whole messages, notices say."""
        frames = [frame for job in self.jobs for frame in job.frames if connection in frame.to]
        return [msgspec.json.decode(frame.message) for frame in frames if bytes(frame.message)]


class FakeGoneQueue:
    def __init__(self) -> None:
        self.gone: list[str] = []
        self.down = False

    def report(self, connections: Sequence[str]) -> None:
        if self.down:
            raise StoreDownError("the gone queue took nothing")
        self.gone += connections


class FakeTickQueue:
    def __init__(self) -> None:
        self.ticks: list[Tick] = []
        self.down = False

    def send(self, ticks: Sequence[Tick]) -> None:
        if self.down:
            raise StoreDownError("the ticks queue took nothing")
        self.ticks += ticks


class FakeDeadLetters:
    def __init__(self) -> None:
        self.buried: list[tuple[bytes, str, str]] = []
        self.down = False

    def bury(self, record: bytes, *, reason: str, message_id: str) -> None:
        if self.down:
            raise StoreDownError("the dead-letter queue took nothing")
        self.buried.append((record, reason, message_id))


class FakeRetries:
    def __init__(self) -> None:
        self.delays_s: dict[str, int] = {}

    def soon(self, delays_s: Mapping[str, int]) -> None:
        self.delays_s.update(delays_s)


# --- the gateway, keys, secrets ---------------------------------------------------------------------


class FakeConnections:
    """A gateway that knows every connection but those in ``gone`` and has no time for those in ``busy``."""

    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.busy: set[str] = set()
        self.posts: list[Post] = []
        self.asked: list[str] = []

    def post_all(self, posts: Sequence[Post], *, deadline: float, suspects: Set[str] = frozenset()) -> PostResults:
        results = PostResults(
            gone=[post for post in posts if post.connection in self.gone],
            unsent=[post for post in posts if post.connection in self.busy],
        )
        sent = [post for post in posts if post.connection not in self.gone | self.busy]
        self.posts += sent
        results.sent = len(sent)
        results.sent_at = [(post.index, time.monotonic()) for post in sent]
        return results

    def alive(self, connections: Sequence[str]) -> list[bool]:
        self.asked += connections
        return [connection not in self.gone for connection in connections]


class FakeKeyStore:
    def __init__(self, *keys: ApiKey) -> None:
        self.keys = {key.hash: key for key in keys}

    def find(self, key_hash: str) -> ApiKey | None:
        return self.keys.get(key_hash)

    def put(self, key: ApiKey) -> None:
        self.keys[key.hash] = key

    def all(self) -> Sequence[ApiKey]:
        return list(self.keys.values())


class FakeSecrets:
    """Secrets by id, the newest value first."""

    def __init__(self, **secrets: list[str]) -> None:
        self.secrets = secrets

    def values(self, secret_id: str, *, max_age_s: float = 300) -> Sequence[str]:
        if not self.secrets.get(secret_id):
            raise StoreDownError(f"secret {secret_id} has no value")
        return self.secrets[secret_id]


# --- requests ---------------------------------------------------------------------------------------


class FakeRequests:
    """ports.Requests, in memory; ``down`` makes every call fail."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._held: dict[str, tuple[str, str | None, datetime]] = {}
        self.down = False

    def begin(self, key: str, fingerprint: str, *, lease_s: int) -> Begun:
        self._check()
        held = self._held.get(key)
        if held is None or held[2] <= self._now():
            self._held[key] = (fingerprint, None, self._now() + timedelta(seconds=lease_s))
            return Begun("ours")
        if held[0] != fingerprint:
            return Begun("other")
        return Begun("running") if held[1] is None else Begun("done", held[1])

    def done(self, key: str, fingerprint: str, answer: str, *, keep_s: int) -> None:
        self._check()
        if key in self._held and self._held[key][0] == fingerprint:
            self._held[key] = (fingerprint, answer, self._now() + timedelta(seconds=keep_s))

    def give_up(self, key: str, fingerprint: str) -> None:
        self._check()
        if key in self._held and self._held[key][0] == fingerprint:
            del self._held[key]

    def _check(self) -> None:
        if self.down:
            raise StoreDownError("the table of requests is down")
