"""The sequencer, who listens to it, and the queues around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chalicelib.domain.changes import Change
from chalicelib.domain.filters import Group
from chalicelib.domain.observations import Observation


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


class Catalogue(Protocol):
    def topics(self, pattern: str, *, cursor: int, limit: int) -> tuple[Sequence[tuple[str, str, str]], int]:
        """(topic, value, observed_at) of topics that match, and the next cursor (0: no more)."""
        ...
