"""Whole payloads: taken apart into records that stay undecoded, and dated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from chalicelib.adapters.defillama.fetcher import Page
from chalicelib.adapters.defillama.records import UNUSABLE, Stamp
from chalicelib.errors import SourceError

T = TypeVar("T")

MAX_REST_S = 2 * 3600.0  # no feed is refreshed more rarely; a mad Expires cannot silence one for longer


class _Coins(msgspec.Struct):
    coins: dict[str, msgspec.Raw]


class _Pegged(msgspec.Struct):
    peggedAssets: list[msgspec.Raw]  # noqa: N815  # the source's name


class _Pools(msgspec.Struct):
    data: list[msgspec.Raw]


_coins = msgspec.json.Decoder(_Coins)
_array = msgspec.json.Decoder(list[msgspec.Raw])
_pegged = msgspec.json.Decoder(_Pegged)
_pools = msgspec.json.Decoder(_Pools)


def array(body: bytes) -> list[msgspec.Raw]:
    return _array.decode(body)


def pegged_assets(body: bytes) -> list[msgspec.Raw]:
    return _pegged.decode(body).peggedAssets


def pools(body: bytes) -> list[msgspec.Raw]:
    return _pools.decode(body).data


def coins_by_key(body: bytes) -> dict[str, msgspec.Raw]:
    return _coins.decode(body).coins


def split(take_apart: Callable[[bytes], T], body: bytes, place: str) -> T:
    """A payload's records. Raises SourceError if it is no such payload: an HTML page with status 200, for one."""
    try:
        return take_apart(body)
    except UNUSABLE as error:
        what = "HTML" if body.lstrip()[:1] == b"<" else str(error) or type(error).__name__
        raise SourceError(f"GET {place}: not the JSON expected: {what:.120}", temporary=True) from None


def stamp_of(page: Page, scheduled_at: datetime) -> Stamp:
    return Stamp(page.date or scheduled_at, scheduled_at.astimezone(UTC).isoformat())


def next_poll(now: datetime, rests_s: Sequence[float | None]) -> datetime | None:
    """When the first of several pages may have something new; None: of one of them nobody knows."""
    known = [rest for rest in rests_s if rest is not None]
    if not known or len(known) < len(rests_s):
        return None
    return now + timedelta(seconds=min(MAX_REST_S, *known))
