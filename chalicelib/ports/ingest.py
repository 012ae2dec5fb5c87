"""What ingest needs: the source, what it remembers between polls, and where observations go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from chalicelib.domain.observations import Observation

FeedKind = Literal["prices", "protocols", "chains", "stablecoins", "yields"]

FEED_KINDS: tuple[FeedKind, ...] = ("prices", "protocols", "chains", "stablecoins", "yields")


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
