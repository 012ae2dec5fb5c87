"""What the services need of the world, each named for its job.

Adapters implement these; tests/fakes.py holds a fake of each, and tests/contract runs one suite on both.
Every method may raise ``errors.StoreDownError`` when its outside system cannot be reached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from chalicelib.domain.changes import Change
from chalicelib.domain.filters import Group
from chalicelib.domain.observations import Observation

FeedKind = Literal["prices", "protocols", "chains", "stablecoins", "yields"]
FEED_KINDS: tuple[FeedKind, ...] = ("prices", "protocols", "chains", "stablecoins", "yields")


# --- ingest -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FeedState:
    """What is kept of a feed between two polls.

    ``etags`` holds an ETag per request URL (a feed of many coins takes several requests); ``next_poll`` is when
    the source may have something newer (its Expires, or a Retry-After); ``count`` and ``total`` describe the
    last good payload, for the shrink check.
    """

    etags: Mapping[str, str] = field(default_factory=dict)
    next_poll: datetime | None = None
    last_success: datetime | None = None
    count: int = 0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class FeedResult:
    """One poll of one feed, parsed: ``observations`` is empty when the source says nothing changed (304)."""

    observations: Sequence[Observation]
    state: FeedState
    source_time: datetime | None  # the source's own clock (its Date header)
    unusable: int = 0  # records left out because they made no sense


class Source(Protocol):
    """The outside source of observations."""

    def fetch(self, kind: FeedKind, state: FeedState, *, coins: Sequence[str], scheduled_at: datetime) -> FeedResult:
        """Poll one feed. Raises SourceError; nothing of a failed poll may be used."""
        ...


class IngestStore(Protocol):
    """What ingest remembers between polls."""

    def acquire(self, owner: str, ttl_s: int) -> bool:
        """Take the lease that keeps two polls apart; True if it is ours now."""
        ...

    def release(self, owner: str) -> None:
        """Give the lease back, if it is still ours."""
        ...

    def feed_state(self, kind: FeedKind) -> FeedState: ...

    def save_feed_state(self, kind: FeedKind, state: FeedState) -> None: ...

    def last_seen(self, topics: Sequence[str]) -> list[str | None]:
        """The token saved last for each topic, in order."""
        ...

    def save_last_seen(self, tokens: Mapping[str, str]) -> None: ...

    def wanted_coins(self) -> list[str]:
        """Coins beyond the settings' list that somebody subscribed to, by DefiLlama key."""
        ...


class ObservationPublisher(Protocol):
    def publish(self, observations: Sequence[Observation]) -> int:
        """Publish to the ``observations`` topic; returns the number of messages.

        Raises StoreDownError if any message was not taken: the caller publishes all again (ids are idempotent).
        """
        ...


# --- deliver ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Post:
    """One body for one connection; ``body`` is shared between the posts of a frame."""

    connection: str
    body: bytes
    index: int  # the caller's mark: which frame of its jobs this is


@dataclass(slots=True)
class PostResults:
    """How a set of posts ended; every post is in exactly one of these or was sent."""

    sent: int = 0
    gone: list[Post] = field(default_factory=list)  # 410
    unsent: list[Post] = field(default_factory=list)  # out of time, throttled or failing: try later
    refused: list[tuple[Post, int]] = field(default_factory=list)  # 400, 403, 413: no retry cures it
    retries: int = 0
    throttled: int = 0  # answers 429
    sent_at: list[tuple[int, float]] = field(default_factory=list)  # a post's index and time.monotonic() of its 2xx


class Connections(Protocol):
    """The gateway's ``@connections`` API."""

    def post_all(self, posts: Sequence[Post], *, deadline: float, suspects: Set[str] = frozenset()) -> PostResults:
        """Post every body, retrying 429 and 5xx with full jitter until ``deadline`` (``time.monotonic()``).

        A connection that fails three times while others do not is left, with all its posts; a suspect, one that was
        left before, even when all others fail.
        """
        ...

    def alive(self, connections: Sequence[str]) -> list[bool]:
        """Whether the gateway still knows each connection; unsure counts as alive."""
        ...


class JobQueue(Protocol):
    """The ``deliveries`` queue."""

    def send(self, bodies: Sequence[bytes], *, delay_s: int = 0) -> list[int]:
        """Enqueue encoded DeliveryJobs; returns the indices of those that the queue did not take."""
        ...


class GoneQueue(Protocol):
    """The ``gone`` queue."""

    def report(self, connections: Sequence[str]) -> None: ...


# --- stream -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tick:
    """The end of slot ``slot`` of a slower rate: ``slot * rate_s`` seconds after the Unix epoch."""

    rate_s: int
    slot: int


@dataclass(frozen=True, slots=True)
class Sequenced:
    """What became of observations, in their order: a change (or the change that they were, if seen before) or None."""

    changes: Sequence[Change | None]
    ticks: Sequence[Tick]  # whose leases were taken: they must be sent


@dataclass(frozen=True, slots=True)
class Flushed:
    """``more`` says that other topics are due at the same tick."""

    changes: Sequence[Change]
    next_tick: Tick | None
    more: bool = False


class Stream(Protocol):
    """The sequencer: one order, one offset, one log a topic."""

    def sequence(self, observations: Sequence[Observation]) -> Sequenced:
        """Number what changed. An observation applied before gets its first offset again; an older one is dropped."""
        ...

    def flush(self, tick: Tick) -> Flushed:
        """The newest values due at a tick, a part at a time; the same again until ``flushed``."""
        ...

    def flushed(self, tick: Tick, changes: Sequence[Change]) -> None:
        """These were handed on."""
        ...

    def overdue(self, grace_s: float) -> Sequence[Tick]:
        """Slots that ended more than grace_s ago and were not flushed."""
        ...


Recipients = Mapping[str, Mapping[Group, Sequence[str]]]


class Audience(Protocol):
    def recipients(self, names: Sequence[str]) -> Recipients:
        """Who is subscribed to topics and wildcards: name → group → connections."""
        ...


class TickQueue(Protocol):
    def send(self, ticks: Sequence[Tick]) -> None:
        """Enqueue each for the end of its slot. Raises StoreDownError."""
        ...


class Retries(Protocol):
    def soon(self, delays_s: Mapping[str, int]) -> None:
        """Bring failed messages (by receipt handle) back after so many seconds. Best effort."""
        ...


class DeadLetters(Protocol):
    def bury(self, record: bytes, *, reason: str, message_id: str) -> None:
        """Put one poisoned record on the dead-letter queue of ``events``. Raises StoreDownError."""
        ...


# --- sessions ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a connection belongs to, as the authorizer found; ``session_ms`` is when that ends (Unix milliseconds)."""

    user: str
    tier: str
    session_ms: int


@dataclass(frozen=True, slots=True)
class Session:
    """A connection as the store knows it; times are Unix milliseconds.

    ``rebuilt``: the store had lost it, and its client has not subscribed again since.
    """

    user: str
    tier: str
    session_ms: int
    ends_ms: int
    rebuilt: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """A topic's position and what to send of it. ``recovered`` is None if it was not resumed."""

    topic: str
    epoch: str | None
    offset: int
    recovered: bool | None
    snapshot: Change | None
    missed: Sequence[Change]


@dataclass(frozen=True, slots=True)
class Subscribed:
    """``patterns``: (text, "ok" | "unknown" | "too_many", topics matched now)."""

    patterns: Sequence[tuple[str, str, int]]
    reads: Sequence[Read]


@dataclass(frozen=True, slots=True)
class Active:
    """Open connections, and subscriptions: topics and wildcards, each once a connection."""

    connections: int
    subscriptions: int


class Subscriptions(Protocol):
    def subscribe(
        self,
        connection: str,
        patterns: Mapping[str, str],
        *,
        group: Group,
        ends_ms: int,
        max_topics: int,
        snapshot: bool,
        since: Mapping[str, tuple[str, int]],
    ) -> Subscribed | None:
        """Join and read in one step; None if the connection has ended meanwhile.

        ``patterns`` maps a topic or wildcard to "" (it must exist), "-" (it may come) or a coin to poll from now on.
        """
        ...

    def unsubscribe(self, connection: str, patterns: Sequence[str]) -> Sequence[str]:
        """Leave; none given means all. Returns those that were left."""
        ...

    def subscribed(self, connection: str) -> Mapping[str, Group]: ...


class Sessions(Protocol):
    def open(self, connection: str, session: Session, limit: int) -> Sequence[str] | None:
        """Register, keeping a later session end that was known; None if done.

        Otherwise up to 50 connections that have held their places for half a minute.
        """
        ...

    def get(self, connection: str) -> Session | None: ...

    def ended(self, connection: str) -> bool:
        """Whether it was ended a short while ago."""
        ...

    def extend(self, connection: str, session_ms: int) -> None: ...

    def settled(self, connection: str) -> None:
        """The client of a rebuilt session has subscribed again."""
        ...

    def drop(self, connection: str) -> None:
        """Forget that it was registered, without ending it."""
        ...

    def ending(self, before_ms: int) -> Sequence[str]:
        """Connections that end before a time and were not yet announced."""
        ...

    def announced(self, connections: Sequence[str]) -> None: ...

    def forget(self, connections: Sequence[str]) -> int:
        """End connections, leaving tombstones; returns how many were known."""
        ...

    def active(self) -> Active:
        """How many there are; up to a minute late in forgetting one whose end was not told."""
        ...


class Limits(Protocol):
    def take(self, key: str, per_s: float, burst: float) -> float:
        """Take a token; 0 if there was one, else the seconds until there is."""
        ...

    def charge(self, key: str, per_s: float, burst: float, tokens: float) -> None:
        """Take so many tokens, into debt if need be."""
        ...

    def once(self, key: str, ttl_s: int) -> bool:
        """True the first time within ttl_s."""
        ...


@dataclass(frozen=True, slots=True)
class ApiKey:
    user: str
    tier: str
    name: str
    hash: str
    created_at: str
    revoked_at: str | None = None


class KeyStore(Protocol):
    def find(self, key_hash: str) -> ApiKey | None: ...

    def put(self, key: ApiKey) -> None: ...

    def all(self) -> Sequence[ApiKey]: ...


class Secrets(Protocol):
    def values(self, secret_id: str, *, max_age_s: float = 300) -> Sequence[str]:
        """The live values, the newest first (a rotation keeps the one before alive), read at most so long ago.

        While they cannot be read again the old ones are given.
        """
        ...


@dataclass(frozen=True, slots=True)
class SecretState:
    """What a secret's versions are labelled: version → its labels."""

    rotates: bool  # rotation is turned on
    labels: Mapping[str, Set[str]]

    @property
    def current(self) -> str | None:
        return next((version for version, labels in self.labels.items() if "AWSCURRENT" in labels), None)

    @property
    def pending(self) -> str | None:
        """The version that a rotation has begun and not ended."""
        return next(
            (
                version
                for version, labels in self.labels.items()
                if "AWSPENDING" in labels and "AWSCURRENT" not in labels
            ),
            None,
        )


class SecretVersions(Protocol):
    """A secret while it is rotated. All methods raise StoreDownError."""

    def state(self, secret_id: str) -> SecretState: ...

    def value(self, secret_id: str, version: str) -> str | None:
        """None if this version has no value yet."""
        ...

    def put(self, secret_id: str, version: str, value: str) -> None:
        """Give a pending version its value."""
        ...

    def promote(self, secret_id: str, version: str, *, instead_of: str | None) -> None:
        """Make a version the current one; the one that was is the previous one then."""
        ...


class Edge(Protocol):
    """The header that our CDN sends to origins. All methods raise StoreDownError."""

    def send(self, header: str, value: str) -> None:
        """Have it sent with this value, and have the origins' web ACL accept it. Takes minutes to reach every place."""
        ...

    def sends(self, header: str, value: str) -> bool:
        """Whether every place sends this value and the web ACL accepts it."""
        ...


class Catalogue(Protocol):
    def topics(self, pattern: str, *, cursor: int, limit: int) -> tuple[Sequence[tuple[str, str, str]], int]:
        """(topic, value, observed_at) of topics that match, and the next cursor (0: no more)."""
        ...


# --- the database's schema --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Migration:
    """The revision before and now (None: an empty database); ``ahead``: newer than was asked for, and left so."""

    before: str | None
    after: str | None
    ahead: bool = False


class Schema(Protocol):
    """The schema as a line of revisions. ``deadline`` is of ``time.monotonic()``."""

    def head(self) -> str:
        """The newest revision of this package."""
        ...

    def current(self, *, deadline: float) -> str | None: ...

    def upgrade(self, target: str, *, deadline: float) -> Migration:
        """Forwards to ``target``, all of it or nothing. Raises SchemaError."""
        ...


class CustomResources(Protocol):
    def answer(self, url: str, body: Mapping[str, object]) -> None:
        """Tell CloudFormation what became of its request. Raises StoreDownError if it did not take the answer."""
        ...


# --- releases ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FunctionVersion:
    """A published version of a function, by the function's name."""

    function: str
    version: str


@dataclass(frozen=True, slots=True)
class Invoked:
    """What an invocation came to: ``payload`` is its answer, or the error that the function ended with."""

    payload: Any
    failed: bool
    took_s: float


class Functions(Protocol):
    def invoke(self, function: str, qualifier: str, event: Mapping[str, Any]) -> Invoked:
        """Call a version or an alias and wait for its answer.

        Raises StoreDownError if it could not be called now: it is throttled, starts up, or Lambda cannot be reached.
        """
        ...


class Deployments(Protocol):
    """What shifts an alias from one version to the next."""

    def shifting_to(self, deployment: str) -> Sequence[FunctionVersion]:
        """The versions that a deployment brings in."""
        ...

    def judge(self, deployment: str, hook: str, *, succeeded: bool) -> None:
        """Tell whether it may go on. ``hook`` is the id of this call of the hook."""
        ...
