"""ports.HistoryReader on PostgreSQL: one topic's past, by the primary keys alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from chalicelib.adapters.postgres.patience import Row
from chalicelib.adapters.postgres.session import ENDED, PostgresSession
from chalicelib.errors import StoreDownError
from chalicelib.ports import Candle, Interval, Point

_NEWEST = b"""
SELECT observed_at FROM history.latest WHERE entity_id = (SELECT id FROM history.entities WHERE topic = %s)
"""

_CANDLES = b"""
SELECT start, open, high, low, close, round(sum / samples, 30), samples FROM history.candles
WHERE entity_id = (SELECT id FROM history.entities WHERE topic = %s) AND interval = %s AND start >= %s AND start < %s
ORDER BY start LIMIT %s
"""

# The keyset is compared as a row, which is one range of the primary key; an OFFSET would read all that it skips.
_RAW = b"""
SELECT observed_at, id, value, confidence, source FROM history.observations
WHERE entity_id = (SELECT id FROM history.entities WHERE topic = %s) AND observed_at >= %s AND observed_at < %s
  AND (observed_at, id) > (%s, %s)
ORDER BY observed_at, id LIMIT %s
"""


class PostgresHistoryReader:
    """ports.HistoryReader."""

    def __init__(self, session: PostgresSession) -> None:
        self._session = session

    def newest(self, topic: str) -> datetime | None:
        rows = self._rows("latest", _NEWEST, (topic,))
        newest: datetime | None = rows[0][0].astimezone(UTC) if rows else None
        return newest

    def candles(
        self, topic: str, interval: Interval, *, start: datetime, end: datetime, limit: int
    ) -> Sequence[Candle]:
        rows = self._rows("candles", _CANDLES, (topic, interval, start, end, limit))
        return [_candle(row) for row in rows]

    def raw(
        self, topic: str, *, start: datetime, end: datetime, limit: int, after: tuple[datetime, str] | None = None
    ) -> Sequence[Point]:
        begin, last_id = after or (start, "")
        rows = self._rows("observations", _RAW, (topic, max(start, begin), end, begin, last_id, limit))
        return [Point(*row) for row in rows]

    def _rows(self, operation: str, statement: bytes, values: Sequence[object]) -> list[Row]:
        try:
            return self._session.read(operation, statement, values)
        except ENDED as error:
            raise StoreDownError("PostgreSQL took too long") from error


def _candle(row: Row) -> Candle:
    start, first, high, low, last, average, samples = row
    return Candle(start, first, high, low, last, average.normalize(), samples)
