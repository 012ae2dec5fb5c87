"""Changes: observations that moved a topic far enough to be told, numbered by the sequencer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto

from chalicelib.domain.filters import Group


class Due(Enum):
    """Says that a change is not for a group (its prev could be None, so None cannot say it)."""

    NO = auto()


@dataclass(frozen=True, slots=True)
class Change:
    """One numbered change of one topic.

    ``prev`` holds, for each filter rung that it passed, the previous offset that passed it; ``slow`` the same for each
    slower "{rate}|{rung}" that it is sent to at once, or that is being flushed. Values are decimal texts, times
    RFC 3339 texts, an ``alert`` JSON.
    """

    topic: str
    epoch: str
    offset: int
    value: str
    previous: str | None
    observed_at: str
    published_at: str
    source: str
    confidence: str | None = None
    chains: tuple[str, ...] = ()
    category: str | None = None
    prev: Mapping[str, int | None] = field(default_factory=dict)
    slow: Mapping[str, int | None] = field(default_factory=dict)
    realtime: bool = True
    alert: str | None = None

    def due(self, group: Group) -> int | Due | None:
        """The offset of the update before this one that was due to the group (None: it is the first), or Due.NO."""
        if not group.admits(self.chains, self.category):
            return Due.NO
        if group.rate_s:
            return self.slow.get(f"{group.rate_s}|{group.rung}", Due.NO)
        if not self.realtime:
            return Due.NO
        if group.rung:
            return self.prev.get(group.rung, Due.NO)
        return self.offset - 1 if self.offset > 1 else None


def change_pct(value: str, previous: str | None) -> str | None:
    """Percent from previous to value with four decimals; None without a previous value or from zero."""
    if previous is None:
        return None
    base = Decimal(previous)
    if not base:
        return None
    percent = (Decimal(value) - base) * 100 / abs(base)
    return format(percent.quantize(Decimal("0.0001")), "f") if abs(percent) < Decimal("1e20") else None
