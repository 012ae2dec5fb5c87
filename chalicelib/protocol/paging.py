"""Cursors of pages: of history their width and where the page begins, of other lists the last place of the page before.

Not signed: they say nothing one may not ask.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.errors import BadQueryError, WrongTypeError
from chalicelib.protocol.values import FIRST, LAST, value_of

_Cursor = tuple[int, datetime, str]


def cursor_of(width: int, at: datetime, last_id: str) -> str:
    return urlsafe_b64encode(msgspec.json.encode((width, at, last_id))).decode().rstrip("=")


def read_cursor(cursor: str, widths: Collection[int]) -> tuple[Any, datetime, str]:
    """Width (one of ``widths``), time and id. Raises WrongTypeError for what is none of ours."""
    wrong = WrongTypeError("a cursor is 'next' of the page before")
    try:
        text = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        width, at, last_id = msgspec.json.decode(text, type=_Cursor)
    except (ValueError, msgspec.MsgspecError):
        raise wrong from None
    if width not in widths or at.tzinfo is None or len(last_id) > 64 or "\0" in last_id:
        raise wrong
    try:
        if not FIRST <= at < LAST:
            raise wrong
    except OverflowError:
        raise wrong from None
    return width, at, last_id


def place_after(place: str | None) -> str | None:
    """The cursor of the page after a place in a list; None after the last."""
    return None if place is None else urlsafe_b64encode(place.encode()).decode().rstrip("=")


def place_of(cursor: str) -> str:
    """The place that a cursor names. Raises WrongTypeError for what is none."""
    try:
        place = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode()
    except ValueError:
        raise WrongTypeError("a cursor is 'next' of the page before") from None
    if not place.isprintable() or not place:
        raise WrongTypeError("a cursor is 'next' of the page before")
    return place


def time_of(text: str, name: str) -> datetime:
    """Raises WrongTypeError, which names the parameter."""
    try:
        at = value_of(text, "time", "")
    except BadQueryError as error:
        raise WrongTypeError(f"{name}: {error}") from error
    assert isinstance(at, datetime)  # noqa: S101 - what a time is
    return at
