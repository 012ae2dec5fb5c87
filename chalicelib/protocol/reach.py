"""How far a query may reach: the tables of many rows must be bounded in time, and buckets in number."""

from __future__ import annotations

from datetime import datetime, timedelta

from chalicelib.domain.plans import Bucket, Either, Plan, pinned, span
from chalicelib.domain.tables import BUCKETS, INTERVALS
from chalicelib.errors import BadQueryError

FEW_TOPICS = 20
# A candle of five minutes stands for up to five observations; the wider ones are few.
_SPARSER = {INTERVALS["1m"]: 1, INTERVALS["5m"]: 5}


def check_reach(plan: Plan, *, now: datetime, days: int, days_of_topics: int, groups: int) -> None:
    """Raises BadQueryError if the plan would read or make too much. ``days`` are of observations."""
    if plan.where == Either():  # nothing passes: nothing is read
        return
    intervals = pinned(plan.where, "interval") if plan.table.name == "candles" else ()
    if intervals is None or len(intervals) > 1:
        example = '{"field":"interval","op":"eq","value":"1h"}'
        raise BadQueryError(
            f"candles of several widths make no answer: ask for one, with {example} under 'and'", pointer="/where"
        )
    sparser = 1 if plan.table.name == "observations" else _SPARSER.get(int(str(intervals[0])) if intervals else 0)
    if sparser is not None:
        topics = pinned(plan.where, "topic")
        is_narrow = topics is not None and len(topics) <= FEW_TOPICS
        _check_days(plan, now, sparser * (days_of_topics if is_narrow else days), sparser * days_of_topics)
    for group in plan.groups:
        if isinstance(group, Bucket):
            _check_buckets(plan, group, now, groups)


def _check_days(plan: Plan, now: datetime, days: int, days_of_topics: int) -> None:
    time = plan.table.time
    low, high = span(plan.where, time)
    if low is None or (high or now) - low > timedelta(days=days):
        more = f" ({days_of_topics} if 'topic' is one of at most {FEW_TOPICS})" if days < days_of_topics else ""
        raise BadQueryError(
            f"{plan.table.name} need {time} bounded, under 'and', to at most {days} days{more}", pointer="/where"
        )


def _check_buckets(plan: Plan, bucket: Bucket, now: datetime, most: int) -> None:
    low, high = span(plan.where, bucket.field)
    width = BUCKETS[bucket.width]
    if low is not None and width is not None and ((high or now) - low).total_seconds() / width > most:
        raise BadQueryError(f"more than {most} buckets: choose wider ones or fewer days", pointer="/group_by")
