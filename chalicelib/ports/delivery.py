"""What posting frames needs: the gateway's connections, and the queues of jobs and of those who are gone."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import Protocol


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
