"""Fakes of what ingest stands on."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Lock

from chalicelib.domain.observations import Observation, observation_id
from chalicelib.errors import StoreDownError
from chalicelib.ports import FeedKind, FeedResult, FeedState

Answer = FeedResult | Exception | Callable[[FeedState], FeedResult]


class FakeClock:
    def __init__(self, at: datetime = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **by: float) -> None:
        self.at += timedelta(**by)


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
        if self.owner not in (None, owner):
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


def seen(topic: str, value: str, at: datetime) -> Observation:
    return Observation(observation_id(topic, at.isoformat(), Decimal(value)), topic, Decimal(value), at)
