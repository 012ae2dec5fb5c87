"""What a store must be able to do so that it can be backed up and restored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, Self

from scripts.backups import census
from scripts.backups.census import Census

NAMES = ("postgresql", "redis", "dynamodb", "s3")
Candidate = Mapping[str, Any]  # the new resource, as JSON: what its store needs to find it again


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One store as of one moment. ``moment`` is UTC in ISO 8601: what was written before it comes back, nothing later.

    ``where`` is for the store itself; ``census`` is None where what is kept cannot be looked into until it is restored,
    and lacks the collections that are ``uncounted``, because they changed while they were counted.
    """

    store: str
    moment: str
    where: Mapping[str, Any] = field(default_factory=dict)
    census: Census | None = None
    uncounted: tuple[str, ...] = ()
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "store": self.store,
            "moment": self.moment,
            "where": dict(self.where),
            "census": census.as_json(self.census),
            "uncounted": list(self.uncounted),
            "seconds": self.seconds,
        }

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Self:
        return cls(
            **{**document, "census": census.of_json(document["census"]), "uncounted": tuple(document["uncounted"])}
        )


class Store(Protocol):
    """Every method may be called again after an interruption, with the same arguments. All raise StackError."""

    name: str

    def back_up(self, backup: str) -> Kept:
        """A copy of everything as of one moment; what is written meanwhile is not held up."""
        ...

    def at(self, moment: datetime) -> Kept | None:
        """The store as of a past moment, without a backup; None if it can only go back to one."""
        ...

    def restore(self, kept: Kept, name: str) -> Candidate:
        """Bring it back as something new that is called by ``name``; what serves is not touched."""
        ...

    def census(self, candidate: Candidate) -> Census | None:
        """What the new resource holds; None if it cannot be looked into from here."""
        ...

    def switch(self, candidate: Candidate) -> str:
        """Have the new resource serve. Returns what became of the one that served, which is kept."""
        ...

    def discard(self, candidate: Candidate) -> None:
        """Remove a new resource that does not serve, or what is left of it."""
        ...
