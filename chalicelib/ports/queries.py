"""What answering queries needs: the database, the answers given before, and a bound on how many are under way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:  # no other function loads what plans are made of
    from chalicelib.domain.plans import Plan


@dataclass(frozen=True, slots=True)
class Rows:
    """One page: values in the order of the plan's outputs; exact numbers as Decimal or as decimal text.

    ``ends`` are the values of the plan's order in the last row, if more rows follow it; ``more`` says that they do.
    """

    values: Sequence[Sequence[Any]]
    more: bool = False
    ends: Sequence[Any] | None = None


class Queries(Protocol):
    def run(self, plan: Plan) -> Rows:
        """Raises QueryTooSlowError if the database ended it, StoreDownError if it could not be asked."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it was given, and when what it says was true (Unix milliseconds)."""

    body: str
    made_ms: int


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of an answer. ``fresh``: it is ``kept``. ``wait``: somebody is making it. ``full``: as many as may
    be are in the making. ``make``: the caller is to, and then to ``keep`` it with ``version`` or to ``give_up``."""

    state: Literal["fresh", "wait", "full", "make"]
    kept: Kept | None = None
    version: str = ""


class Results(Protocol):
    """Answers by the digest of their plan: for each at most one caller makes it at a time, and of all, of those of
    one party, and of those of all who are anonymous, at most so many are in the making."""

    def find(
        self, key: str, scopes: Sequence[str], *, owner: str, party: str, lease_ms: int, is_anonymous: bool = False
    ) -> Found:
        """An answer is fresh until data of one of the scopes has arrived after it was begun.

        Who is told to make it has ``lease_ms`` for that; then another may be.
        """
        ...

    def keep(self, key: str, body: str, *, owner: str, version: str, made_ms: int) -> bool:
        """False if it is too large to be kept. The lease ends either way, and the place is free."""
        ...

    def give_up(self, key: str, *, owner: str) -> None:
        """End the lease, and free the place, if they are still the owner's."""
        ...

    def stale(self, key: str) -> Kept | None:
        """The last answer, however old, if it is still kept."""
        ...


class DataVersions(Protocol):
    def arrived(self, topics: Collection[str]) -> None:
        """Rows of these topics were committed: answers made of them before are no longer fresh."""
        ...
