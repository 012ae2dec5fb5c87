"""How much a topic's value changed within a window: against which earlier value, and how many of those are kept.

A window is cut into sixty buckets of which each keeps its last value. Beyond a window that would need every observation
of a week; so the base is the last value at or before the window's beginning, or, where a later one of that bucket has
taken its place, the last of the bucket before: older by at most a sixtieth of the window than it should be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from chalicelib.domain.rules import EXACT, Measure

BUCKETS = 60  # of one window: 5 s of 5 minutes, a minute of an hour, 2 h 48 min of a week
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sample:
    """The last value of one bucket, and when it was observed."""

    at: datetime
    value: Decimal


def bucket(at: datetime, over_s: int) -> int:
    """The number of the bucket in which a moment lies, counted from 1970-01-01T00:00:00Z."""
    return (at - _EPOCH) // timedelta(seconds=over_s // BUCKETS)


def base(samples: Sequence[Sample], over_s: int, at: datetime) -> Decimal | None:
    """The value that a figure of the moment ``at`` is compared with: the newest sample that is as old as the window.

    ``samples`` are in the order of time. None while none is that old: there is no figure yet.
    """
    begin = at - timedelta(seconds=over_s)
    return next((sample.value for sample in reversed(samples) if sample.at <= begin), None)


def add(samples: Sequence[Sample], over_s: int, seen: Sample) -> tuple[Sample, ...]:
    """``samples`` with an observation that is not older than any, without those that no later figure can need.

    At most ``BUCKETS`` + 2 remain: a window's, the bucket that it ends in, and the base.
    """
    kept = list(samples)
    if kept and bucket(kept[-1].at, over_s) == bucket(seen.at, over_s):
        kept.pop()
    kept.append(seen)
    begin = seen.at - timedelta(seconds=over_s)
    first = max((index for index, sample in enumerate(kept) if sample.at <= begin), default=0)
    return tuple(kept[first:])


def change(value: Decimal, since: Decimal | None, of: Measure) -> Decimal | None:
    """The figure ``of`` a value: itself, its difference to the base, or that in percent of the base's magnitude.

    None without a base, and for percents of nothing.
    """
    if of == "value":
        return value
    if since is None or (of == "change_pct" and not since):
        return None
    difference = EXACT.subtract(value, since)
    if of == "change_abs":
        return difference
    return EXACT.divide(EXACT.multiply(difference, Decimal(100)), since.copy_abs())
