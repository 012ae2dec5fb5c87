"""A topic's past: candles or single observations, a page at a time, and where the live stream joins them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import structlog

from chalicelib.domain.months import first_kept
from chalicelib.errors import StoreDownError, UnknownTopicError, WrongTypeError
from chalicelib.ports import INTERVALS, Candle, HistoryReader, Interval, Place, Point, Positions
from chalicelib.services.snapshots import check_public

log = structlog.get_logger()

PAGE = 1000
DEFAULT_RANGE = timedelta(days=1)
FINE_FROM: Interval = 60  # minutes: candles of this width and wider are kept for ever
RAW: Literal[0] = 0  # in place of a width: single observations
Width = Interval | Literal[0]  # minutes
_ZERO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PageStart:
    """Where a page begins: at a candle, or after an observation (its time and ``id``)."""

    width: Width
    at: datetime
    id: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """``candles``, and ``gaps`` where there are none; of width RAW ``points``. ``start`` is within, ``end`` is not."""

    width: Width
    start: datetime
    end: datetime
    candles: Sequence[Candle] = ()
    gaps: Sequence[tuple[datetime, datetime]] = ()
    points: Sequence[Point] = ()
    following: PageStart | None = None
    live: Place | None = None


class ReadHistory:
    """Guarantees: pages never overlap nor leave anything out; a subscription from ``live`` on brings all that happened
    since the last page was read; at most 1,000 candles or observations a page.
    """

    def __init__(
        self, *, reader: HistoryReader, positions: Positions, now: Callable[[], datetime], fine_months: int
    ) -> None:
        self._reader, self._positions, self._now = reader, positions, now
        self._fine_months = fine_months

    def run(
        self,
        topic: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        width: Width | None = None,
        page: PageStart | None = None,
    ) -> Page:
        """Without ``start`` the last day, or what is from the newest observation on if that is older. Without
        ``width`` the finest that makes one page. A ``page`` has its own.

        Raises UnknownTopicError, NotAllowedError, WrongTypeError, StoreDownError.
        """
        check_public(topic)
        now = self._now()
        stop = end or now
        begin = start or max(stop - DEFAULT_RANGE, _ZERO)
        if begin >= stop:
            raise WrongTypeError("from is not before to")
        reaches_now = stop >= now
        # In this order: what comes between two of the reads is told twice and not left out.
        seen = self._reader.newest(topic)
        live = self._live(topic, seen) if reaches_now or seen is None else None
        if seen is None and live is None:
            raise UnknownTopicError(f"no topic {topic!r:.150}")
        if start is None:
            begin = self._begin(begin, seen, page)
        chosen = page.width if page else self._width(begin, stop) if width is None else width
        found = self._candles(topic, chosen, begin, stop, page) if chosen else self._points(topic, begin, stop, page)
        return replace(found, live=live) if reaches_now and found.following is None else found

    @staticmethod
    def _begin(begin: datetime, seen: datetime | None, page: PageStart | None) -> datetime:
        """Where nobody said: so early that the newest observation is in it, and as early as the page goes on."""
        begin = begin if seen is None else min(begin, seen)
        return begin if page is None else min(begin, page.at)

    def _live(self, topic: str, seen: datetime | None) -> Place | None:
        try:
            return self._positions.join(topic, seen)
        except StoreDownError:
            if seen is None:
                raise
            log.warning("history_without_the_stream", exc_info=True)
            return None

    def _width(self, begin: datetime, stop: datetime) -> Interval:
        """The finest that makes one page and is still kept."""
        fine_since = first_kept(self._now(), self._fine_months) if self._fine_months else _ZERO
        for minutes in INTERVALS:
            is_kept = minutes >= FINE_FROM or begin >= fine_since
            if is_kept and stop - _floor(begin, minutes) <= PAGE * timedelta(minutes=minutes):
                return minutes
        return INTERVALS[-1]

    def _candles(self, topic: str, interval: Interval, begin: datetime, stop: datetime, page: PageStart | None) -> Page:
        begin = _floor(begin, interval)
        first = max(begin, _floor(page.at, interval)) if page else begin
        found = self._reader.candles(topic, interval, start=first, end=stop, limit=PAGE + 1)
        more = PageStart(interval, found[PAGE].start) if len(found) > PAGE else None
        shown = found[:PAGE]
        until = more.at if more else min(stop, self._now())
        return Page(interval, begin, stop, shown, gaps(shown, interval, first, until), following=more)

    def _points(self, topic: str, begin: datetime, stop: datetime, page: PageStart | None) -> Page:
        after = (page.at, page.id) if page else None
        found = self._reader.raw(topic, start=begin, end=stop, limit=PAGE + 1, after=after)
        last = found[PAGE - 1] if len(found) > PAGE else None
        more = PageStart(RAW, last.observed_at, last.id) if last else None
        return Page(RAW, begin, stop, points=found[:PAGE], following=more)


def _floor(at: datetime, minutes: int) -> datetime:
    return at - (at - _ZERO) % timedelta(minutes=minutes)


def gaps(candles: Sequence[Candle], minutes: int, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Spans of whole intervals, from ``start`` (the beginning of one) to before ``end``, that have no candle."""
    width = timedelta(minutes=minutes)
    found, expected = [], start
    for candle in candles:
        if candle.start > expected:
            found.append((expected, candle.start))
        expected = candle.start + width
    last = _floor(end - timedelta(microseconds=1), minutes) + width
    if expected < last:
        found.append((expected, last))
    return found
