"""``GET /v1/history/{topic}``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from chalice import Blueprint, Response
from msgspec import UNSET, UnsetType

from chalicelib.domain.observations import plain
from chalicelib.errors import WrongTypeError
from chalicelib.handlers.rest.answering import ASKED_AGAIN, Asked, Reply, answered
from chalicelib.protocol.paging import cursor_of, read_cursor, time_of
from chalicelib.protocol.pushes import rfc3339
from chalicelib.protocol.rest import (
    CandleBody,
    CandleHistory,
    Gap,
    HistoryQuery,
    IntervalName,
    Live,
    ObservationBody,
    RawHistory,
)
from chalicelib.services.reading import RAW, Page, PageStart, Width

routes = Blueprint(__name__)

_WIDTHS: Mapping[str, Width] = {"raw": RAW, "1m": 1, "5m": 5, "1h": 60, "1d": 1440}
_NAMES: Mapping[int, IntervalName] = {1: "1m", 5: "5m", 60: "1h", 1440: "1d"}


@routes.route("/history/{topic}", methods=["GET", "OPTIONS"], content_types=[])
def history(topic: str) -> Response:
    """A topic's past, as candles or single observations, and where the live stream joins it."""
    return answered(routes.current_request, "history", _history)


def _history(asked: Asked) -> Reply:
    topic, query = asked.path("topic"), asked.query(HistoryQuery)
    width = None if query.interval is UNSET else _WIDTHS[query.interval]
    cursor = None if query.cursor is UNSET else _page(query.cursor)
    if cursor is not None and width not in (None, cursor.width):
        raise WrongTypeError("this cursor is of another interval")
    page = asked.container.read_history.run(
        topic, start=_time(query.from_, "from"), end=_time(query.to, "to"), width=width, page=cursor
    )
    return Reply(_observations(topic, page) if page.width == RAW else _candles(topic, page), cache=ASKED_AGAIN)


def _time(text: str | UnsetType, name: str) -> datetime | None:
    return None if text is UNSET else time_of(text, name)


def _page(cursor: str) -> PageStart:
    return PageStart(*read_cursor(cursor, tuple(_WIDTHS.values())))


def _next(page: Page) -> str | None:
    following = page.following
    return None if following is None else cursor_of(following.width, following.at.astimezone(UTC), following.id)


def _live(page: Page) -> Live | None:
    return None if page.live is None else Live(page.live.epoch, page.live.offset)


def _told(at: datetime) -> str:
    return rfc3339(at.astimezone(UTC))


def _candles(topic: str, page: Page) -> CandleHistory:
    return CandleHistory(
        topic=topic,
        interval=_NAMES[page.width],
        from_=_told(page.start),
        to=_told(page.end),
        candles=[
            CandleBody(
                start=_told(candle.start),
                open=plain(candle.open),
                high=plain(candle.high),
                low=plain(candle.low),
                close=plain(candle.close),
                average=plain(candle.average),
                samples=candle.samples,
            )
            for candle in page.candles
        ],
        gaps=[Gap(_told(start), _told(end)) for start, end in page.gaps],
        next=_next(page),
        live=_live(page),
    )


def _observations(topic: str, page: Page) -> RawHistory:
    return RawHistory(
        topic=topic,
        interval="raw",
        from_=_told(page.start),
        to=_told(page.end),
        observations=[
            ObservationBody(
                observed_at=_told(point.observed_at),
                id=point.id,
                value=plain(point.value),
                confidence=None if point.confidence is None else plain(point.confidence),
                source=point.source,
            )
            for point in page.points
        ],
        next=_next(page),
        live=_live(page),
    )
