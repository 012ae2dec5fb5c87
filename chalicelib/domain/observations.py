"""Observations: what a source was seen to say."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, InvalidOperation

from chalicelib.errors import PoisonError

# Wider than any figure of the field, narrow enough for the sequencer's doubles and for a bounded text.
MAX_MAGNITUDE = Decimal("1e18")
MIN_EXPONENT = -30
_WIDE = Context(prec=64)  # room for every digit between the two


@dataclass(frozen=True, slots=True)
class Observation:
    """One value of one topic at one time, as its source gave it.

    ``id`` is the same for the same (topic, source time, value), however often and by whomever it is sent.
    ``observed_at`` is aware and in UTC. ``chains`` and ``category`` serve the subscription filters. ``alert`` is what a
    private topic tells, as JSON: such an observation is an event and no reading, so each counts, whenever it comes.
    """

    id: str
    topic: str
    value: Decimal
    observed_at: datetime
    source: str = "defillama"
    confidence: Decimal | None = None
    chains: tuple[str, ...] = ()
    category: str | None = None
    alert: str | None = None


def observation_id(topic: str, time_token: str, value: Decimal) -> str:
    """96 bits of SHA-256 over (topic, source time, value), as 16 URL-safe characters."""
    text = f"{topic}\n{time_token}\n{plain(value)}"
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:12]).decode()


def plain(value: Decimal) -> str:
    """A decimal without exponent, trailing zeros or a negative zero: ``1.50`` and ``15E-1`` are ``1.5``."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def parse_value(raw: str | int | Decimal) -> Decimal:
    """A finite decimal of bounded size.

    Raises PoisonError for anything else.
    """
    try:
        value = Decimal(raw)
    except (InvalidOperation, TypeError, ValueError) as error:
        raise PoisonError(f"not a decimal: {raw!r:.60}") from error
    if not value.is_finite() or value.copy_abs() > MAX_MAGNITUDE:  # abs() would overflow on 1e999999999
        raise PoisonError(f"out of range: {raw!r:.60}")
    if int(value.as_tuple().exponent) < MIN_EXPONENT:
        value = value.quantize(Decimal(1).scaleb(MIN_EXPONENT), context=_WIDE)
    return value
