"""What DefiLlama's response headers say about time. Everything odd is read as "not said"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,10})", re.IGNORECASE)


def http_date(text: str | None) -> datetime | None:
    """An HTTP date in UTC; None if there is none or it is not one (``Expires: 0`` is common)."""
    if not text:
        return None
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait by ``Retry-After``, given in seconds or as a date on the source's clock."""
    text = (headers.get("retry-after") or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    until = http_date(text)
    if until is None:
        return None
    return max(0.0, (until - (http_date(headers.get("date")) or now)).total_seconds())


def fresh_for_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds for which asking again gives the same answer; None if the source does not say (RFC 9111, 4.2.1).

    ``max-age`` goes before ``Expires``, which is measured from ``Date``: the source's clock need not be ours.
    ``Age`` is time that a cache on the way has used up.
    """
    match = _MAX_AGE.search(headers.get("cache-control") or "")
    if match:
        lifetime = float(match.group(1))
    else:
        expires = http_date(headers.get("expires"))
        if expires is None:
            return None
        lifetime = (expires - (http_date(headers.get("date")) or now)).total_seconds()
    age = headers.get("age") or ""
    return max(0.0, lifetime - (float(age[:9]) if age.isascii() and age.isdigit() else 0.0))
