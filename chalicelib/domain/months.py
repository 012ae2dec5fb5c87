"""Calendar months in UTC: what history is kept by."""

from __future__ import annotations

from datetime import UTC, datetime


def month_start(at: datetime, offset: int = 0) -> datetime:
    """The beginning of the month that is ``offset`` months from the one of ``at``."""
    months = at.astimezone(UTC).year * 12 + at.astimezone(UTC).month - 1 + offset
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def first_kept(now: datetime, months: int) -> datetime:
    """The beginning of the oldest of the last ``months`` months, this one included."""
    return month_start(now, 1 - months)
