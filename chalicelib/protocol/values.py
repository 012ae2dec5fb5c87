"""The values of queries: from a client's JSON to what is compared, and from a row to JSON.

Decimals are texts, times are RFC 3339 in UTC, lists are lists of texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from chalicelib.domain.observations import plain
from chalicelib.domain.plans import Scalar
from chalicelib.domain.tables import INTERVALS, FieldKind
from chalicelib.errors import BadQueryError

MAX_TEXT = 256
MAX_WILDCARDS = 8
MAX_NUMBER = Decimal("1e30")
MAX_DECIMALS = 30
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)\Z")
_NUMBER = re.compile(r"[+-]?[0-9]{1,60}(\.[0-9]{1,60})?([eE][+-]?[0-9]{1,4})?\Z")
_BAD_ESCAPE = re.compile(r"(?:[^\\]|\\.)*\\\Z", re.DOTALL)


def value_of(raw: Any, kind: FieldKind, pointer: str) -> Scalar:
    """A value to compare a field of this kind with. Raises BadQueryError."""
    match kind:
        case "number" | "count":
            return _number(raw, pointer)
        case "time":
            return time_value(raw, pointer)
        case "interval":
            if not isinstance(raw, str) or raw not in INTERVALS:
                raise BadQueryError(f"an interval is one of {', '.join(INTERVALS)}", pointer=pointer)
            return INTERVALS[raw]
        case "text" | "list":
            return _text(raw, pointer)


def pattern_of(raw: Any, pointer: str) -> str:
    """A pattern of ``like``. Raises BadQueryError."""
    text = _text(raw, pointer)
    if _BAD_ESCAPE.match(text):
        raise BadQueryError("a pattern cannot end with a backslash that escapes nothing", pointer=pointer)
    if text.count("%") > MAX_WILDCARDS:
        raise BadQueryError(f"a pattern has at most {MAX_WILDCARDS} '%'", pointer=pointer)
    return text


def _text(raw: Any, pointer: str) -> str:
    if not isinstance(raw, str) or len(raw) > MAX_TEXT or "\0" in raw:
        raise BadQueryError(f"expected a text of at most {MAX_TEXT} characters, none of them NUL", pointer=pointer)
    return raw


def _number(raw: Any, pointer: str) -> Decimal:
    wrong = BadQueryError(
        f"expected a number of at most {MAX_NUMBER:e} with at most {MAX_DECIMALS} decimals, as a number or a text",
        pointer=pointer,
    )
    if isinstance(raw, bool) or not isinstance(raw, str | int | Decimal) or not _NUMBER.match(str(raw)):
        raise wrong
    value = Decimal(raw)
    if not value.is_finite() or value.copy_abs() > MAX_NUMBER or -int(value.as_tuple().exponent) > MAX_DECIMALS:
        raise wrong
    return value


def time_value(raw: Any, pointer: str) -> datetime:
    """A time of RFC 3339, in UTC. Raises BadQueryError."""
    wrong = BadQueryError(
        f"expected a time like 2026-11-23T01:02:03Z, from {FIRST.year} to {LAST.year}", pointer=pointer
    )
    if not isinstance(raw, str) or not _TIME.match(raw):
        raise wrong
    try:
        at = datetime.fromisoformat(raw.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise wrong from None
    if not FIRST <= at < LAST:
        raise wrong
    return at


# --- and back ---------------------------------------------------------------------------------------

_INTERVAL_NAMES = {minutes: name for name, minutes in INTERVALS.items()}


def _number_told(value: Decimal | float) -> str:
    text = repr(value) if isinstance(value, float) else str(value)
    if "e" in text or "E" in text:
        return plain(Decimal(text))
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


# What JSON's own texts of a value are not; times of UTC, counts and texts are left to the encoder.
TOLD: Mapping[FieldKind, Callable[[Any], str]] = {"number": _number_told, "interval": _INTERVAL_NAMES.__getitem__}


def told(value: Any, kind: FieldKind) -> Any:
    """A row's value as JSON holds it, or as the encoder makes it of it."""
    return value if value is None or kind not in TOLD else TOLD[kind](value)
