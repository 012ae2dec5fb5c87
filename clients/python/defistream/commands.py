"""Commands under way and their ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from defistream.errors import CommandError
from defistream.wants import Part

COMMAND_TIMEOUT_S = 10.0
REFRESH_MARGIN_S = 300.0


@dataclass(frozen=True, slots=True)
class Reply:
    """The end of a user's command: its result, or the error."""

    id: int
    result: Mapping[str, Any]
    error: CommandError | None = None


@dataclass(slots=True)
class Pending:
    """A command without its reply. ``internal``: sent by the core itself, so nobody waits for a Reply."""

    body: Mapping[str, Any]
    part: Part | None
    internal: bool
    timeout_at: float
    left: set[str] = field(default_factory=set)  # patterns unsubscribed before the reply came

    @property
    def action(self) -> str:
        return str(self.body["action"])

    def holds(self) -> set[str]:
        return set() if self.part is None else self.part.holds()


def rejected_topics(listed: Any) -> dict[str, str]:
    """Topic to reason, of a reply's ``rejected``: a list of objects or names, or a mapping."""
    items = listed.items() if isinstance(listed, Mapping) else ((entry, entry) for entry in listed or ())
    rejected: dict[str, str] = {}
    for key, error in items:
        topic = key.get("topic") if isinstance(key, Mapping) else key
        if isinstance(error, Mapping):
            nested = error.get("error")
            error = nested if isinstance(nested, Mapping) else error
        rejected[str(topic)] = str(error.get("message", "")) if isinstance(error, Mapping) else ""
    return rejected


def refresh_at(expires: Any, now: float, wall: datetime) -> float | None:
    """When to extend a session that ends at ``expires``: 5 minutes before, or a fifth of a short one."""
    if not isinstance(expires, str):
        return None
    left = (datetime.fromisoformat(expires).astimezone(UTC) - wall).total_seconds()
    return now + max(left - min(REFRESH_MARGIN_S, left / 5), 1.0)
