"""What the REST API reads of the stream, and what it remembers of requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from chalicelib.domain.changes import Change


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a topic's stream: what comes after it is what `since` it brings."""

    epoch: str
    offset: int


class Positions(Protocol):
    """Where topics stand in the stream. Both raise StoreDownError."""

    def newest(self, topics: Sequence[str]) -> Mapping[str, Change]:
        """The newest value of each, at its topic's present offset; those that have none are left out."""
        ...

    def join(self, topic: str, seen: datetime | None) -> Place | None:
        """The place after which come all changes observed later than ``seen`` (None: every one that is still known).

        If one of them is known no more the place is one that cannot be resumed from, and so brings a snapshot. None
        for a topic without changes.
        """
        ...


@dataclass(frozen=True, slots=True)
class Begun:
    """What became of asking to do a request: do it ("ours"), somebody does ("running"), it was done ("done", with its
    ``answer``), or its key belongs to another request ("other")."""

    state: Literal["ours", "running", "done", "other"]
    answer: str = ""


class Requests(Protocol):
    """Requests by their idempotency keys. All methods raise StoreDownError."""

    def begin(self, key: str, fingerprint: str, *, lease_s: int) -> Begun:
        """``fingerprint`` tells one request from another. Who is told "ours" has ``lease_s`` to do it."""
        ...

    def done(self, key: str, fingerprint: str, answer: str, *, keep_s: int) -> None: ...

    def give_up(self, key: str, fingerprint: str) -> None:
        """It failed: let the next with this key do it at once."""
        ...
