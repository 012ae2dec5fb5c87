"""History: what was observed, kept and read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, Protocol

from chalicelib.domain.observations import Observation

Interval = Literal[1, 5, 60, 1440]  # minutes
INTERVALS: tuple[Interval, ...] = (1, 5, 60, 1440)


@dataclass(frozen=True, slots=True)
class Recorded:
    """How many observations were new, were there already, and are older than what is kept."""

    new: int = 0
    known: int = 0
    expired: int = 0


class HistoryWriter(Protocol):
    def record(self, observations: Sequence[Observation]) -> Recorded:
        """Keep each once, however often and in whatever order it comes, with its candles and its topic's newest.

        All or nothing. Raises StoreDownError, and PoisonError if one of them can never be kept.
        """
        ...


@dataclass(frozen=True, slots=True)
class Candle:
    """``samples`` observations from ``start`` on; of those of one moment the larger is the later."""

    start: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    average: Decimal
    samples: int


@dataclass(frozen=True, slots=True)
class Point:
    """One observation as it was kept."""

    observed_at: datetime
    id: str
    value: Decimal
    confidence: Decimal | None
    source: str


class HistoryReader(Protocol):
    """One topic's past, oldest first; ``start`` is within, ``end`` is not. A topic never seen has none.

    All raise StoreDownError.
    """

    def newest(self, topic: str) -> datetime | None:
        """When it was last observed."""
        ...

    def candles(
        self, topic: str, interval: Interval, *, start: datetime, end: datetime, limit: int
    ) -> Sequence[Candle]: ...

    def raw(
        self, topic: str, *, start: datetime, end: datetime, limit: int, after: tuple[datetime, str] | None = None
    ) -> Sequence[Point]:
        """``after`` is the time and id of the last point that the caller has."""
        ...


MonthlyTable = Literal["observations", "candles_1", "candles_5"]


class Months(Protocol):
    """The tables that are kept by month."""

    def open(self, months: Sequence[datetime]) -> None:
        """Make room for the months of these moments, where there is none."""
        ...

    def retire(self, table: MonthlyTable, before: datetime) -> Sequence[str]:
        """Take the months that end before this one's beginning out of sight; returns their names."""
        ...

    def drop_retired(self, grace: timedelta) -> Sequence[str]:
        """Delete for good what was retired so long ago; returns its names."""
        ...


class RawArchive(Protocol):
    def keep(self, records: Sequence[bytes], *, message_id: str, sent_at: datetime) -> None:
        """A queue message's records as they came; the same message again changes nothing."""
        ...
