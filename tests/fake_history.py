"""History as it is said to be, by computing everything again from every observation: slow, and plain to read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from chalicelib.domain.observations import Observation
from chalicelib.errors import DefiStreamError, StoreDownError
from chalicelib.ports import Candle, Interval, MonthlyTable, Point, Recorded

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class FakeHistory:
    """ports.HistoryWriter and ports.HistoryReader. ``fails``: errors to raise, one a call, before it works."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str], Observation] = {}
        self.fails: list[DefiStreamError] = []
        self.refused: dict[str, DefiStreamError] = {}  # by id: what can never be kept

    def record(self, observations: Sequence[Observation]) -> Recorded:
        if self.fails:
            raise self.fails.pop(0)
        for observation in observations:
            if observation.id in self.refused:
                raise self.refused[observation.id]
        before = len(self.seen)
        for observation in observations:
            self.seen.setdefault((observation.topic, observation.id), observation)
        new = len(self.seen) - before
        return Recorded(new=new, known=len(observations) - new)

    def newest(self, topic: str) -> datetime | None:
        if self.fails:
            raise self.fails.pop(0)
        return max((seen.observed_at for seen in self._of(topic)), default=None)

    def candles(
        self, topic: str, interval: Interval, *, start: datetime, end: datetime, limit: int
    ) -> Sequence[Candle]:
        return [each for each in candles(self._of(topic), interval) if start <= each.start < end][:limit]

    def raw(
        self, topic: str, *, start: datetime, end: datetime, limit: int, after: tuple[datetime, str] | None = None
    ) -> Sequence[Point]:
        points = [
            Point(seen.observed_at, seen.id, seen.value, seen.confidence, seen.source)
            for seen in sorted(self._of(topic), key=lambda seen: (seen.observed_at, seen.id))
            if start <= seen.observed_at < end
        ]
        return [point for point in points if after is None or (point.observed_at, point.id) > after][:limit]

    def _of(self, topic: str) -> list[Observation]:
        return [seen for (of, _), seen in self.seen.items() if of == topic]


def newest_first(observations: Iterable[Observation]) -> list[Observation]:
    return sorted(observations, key=lambda seen: (seen.observed_at, seen.value, seen.id), reverse=True)


def candles(observations: Iterable[Observation], minutes: int) -> list[Candle]:
    buckets: defaultdict[datetime, list[Observation]] = defaultdict(list)
    for seen in observations:
        buckets[seen.observed_at - (seen.observed_at - EPOCH) % timedelta(minutes=minutes)].append(seen)
    return [_candle(start, buckets[start]) for start in sorted(buckets)]


def _candle(start: datetime, observations: Sequence[Observation]) -> Candle:
    values = [seen.value for seen in newest_first(observations)]
    average = (sum(values, Decimal(0)) / len(values)).quantize(Decimal("1e-10"))
    return Candle(start, values[-1], max(values), min(values), values[0], average, len(values))


class FakeArchive:
    """ports.RawArchive."""

    def __init__(self) -> None:
        self.kept: dict[str, list[bytes]] = {}
        self.down = False

    def keep(self, records: Sequence[bytes], *, message_id: str, sent_at: datetime) -> None:
        if self.down:
            raise StoreDownError("the archive took nothing")
        self.kept[message_id] = list(records)


class FakeMonths:
    """ports.Months. ``busy``: tables that somebody reads."""

    def __init__(self) -> None:
        self.opened: list[datetime] = []
        self.retired: dict[str, datetime] = {}
        self.busy: set[str] = set()
        self.grace: timedelta | None = None

    def open(self, months: Sequence[datetime]) -> None:
        self.opened += months

    def retire(self, table: MonthlyTable, before: datetime) -> Sequence[str]:
        if table in self.busy:
            raise StoreDownError("lock timeout")
        self.retired[table] = before
        return [f"{table}_2020_01"]

    def drop_retired(self, grace: timedelta) -> Sequence[str]:
        self.grace = grace
        return ["observations_2019_01"]
