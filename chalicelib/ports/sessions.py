"""Connections, what they are subscribed to, and how much they may ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chalicelib.domain.changes import Change
from chalicelib.domain.filters import Group


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
class Listed:
    """A connection with what it is subscribed to: the name of its group by topic or wildcard."""

    connection: str
    session: Session
    subscriptions: Mapping[str, str]


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

    def listed(self) -> Iterator[Sequence[Listed]]:
        """All of them, in parts: each that is open all the while, once; one that comes or goes meanwhile perhaps."""
        ...


@dataclass(frozen=True, slots=True)
class Metered:
    """``wait_s`` is 0 if a token was taken; ``left`` whole tokens are left, and all are again after ``full_s``."""

    wait_s: float
    left: int
    full_s: float


class Limits(Protocol):
    def take(self, key: str, per_s: float, burst: float) -> float:
        """Take a token; 0 if there was one, else the seconds until there is."""
        ...

    def meter(self, key: str, per_s: float, burst: float) -> Metered:
        """``take``, and what is left."""
        ...

    def charge(self, key: str, per_s: float, burst: float, tokens: float) -> None:
        """Take so many tokens, into debt if need be."""
        ...

    def once(self, key: str, ttl_s: int) -> bool:
        """True the first time within ttl_s."""
        ...
