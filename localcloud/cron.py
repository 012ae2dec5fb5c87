"""EventBridge's schedule expressions: ``rate(5 minutes)`` and ``cron(0 12 ? * MON-FRI *)``, in UTC.

The cron dialect is EventBridge's: minutes, hours, day of month, month, day of week (1 is Sunday), year, with
``, - * / ? L W #``, and exactly one of the two days is ``?``.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)\Z")
_CRON = re.compile(r"cron\(([^()]+)\)\Z")
_UNITS_S = {"minute": 60, "hour": 3600, "day": 86400}
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_LAST_YEAR = 2199


class ScheduleError(ValueError):
    """EventBridge would refuse this expression."""


def rate_s(expression: str) -> int | None:
    """The period of a ``rate`` in seconds, or None for a ``cron``. Raises ScheduleError."""
    if expression.startswith("cron("):
        Cron.parse(expression)
        return None
    match = _RATE.match(expression)
    if not match or int(match[1]) < 1 or (int(match[1]) == 1) == bool(match[3]):
        raise ScheduleError(f"not a schedule: {expression!r} (rate(1 minute), rate(5 minutes), cron(0 12 * * ? *))")
    return int(match[1]) * _UNITS_S[match[2]]


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed ``cron`` expression."""

    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    years: frozenset[int]
    is_day: Callable[[date], bool]

    @classmethod
    def parse(cls, expression: str) -> Cron:
        """Raises ScheduleError."""
        match = _CRON.match(expression)
        fields = match[1].upper().split() if match else []
        if len(fields) != 6:
            raise ScheduleError(f"not a schedule: {expression!r} (a cron has six fields)")
        if (fields[2] == "?") == (fields[4] == "?"):
            raise ScheduleError(f"{expression!r}: one of day of month and day of week is ?, the other is not")
        try:
            return cls(
                minutes=_values(fields[0], 0, 59),
                hours=_values(fields[1], 0, 23),
                months=_values(fields[3], 1, 12, _MONTHS),
                years=_values(fields[5], 1970, _LAST_YEAR),
                is_day=_day_of_week(fields[4]) if fields[2] == "?" else _day_of_month(fields[2]),
            )
        except (ValueError, KeyError) as error:
            raise ScheduleError(f"{expression!r}: {error}") from error

    def after(self, moment: datetime) -> datetime | None:
        """The first minute after ``moment`` (aware) that matches; None if there is none any more."""
        start = moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        for day in self._days(start.date()):
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    found = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                    if found >= start:
                        return found
        return None

    def _days(self, first: date) -> Iterator[date]:
        day = first
        while day.year <= max(self.years):
            if day.year in self.years and day.month in self.months and self.is_day(day):
                yield day
            day += timedelta(days=1)


def _values(field: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        start = low if span == "*" else _number(first, names)
        open_ended = span == "*" or bool(step)
        end = _number(last, names) if dash else high if open_ended else start
        if not (low <= start <= high and low <= end <= high) or (step and int(step) < 1):
            raise ValueError(f"{part!r} is not within {low} and {high}")
        if start > end:  # FRI-MON goes round
            found.update(range(start, high + 1, int(step or 1)), range(low, end + 1, int(step or 1)))
        else:
            found.update(range(start, end + 1, int(step or 1)))
    return frozenset(found)


def _number(text: str, names: dict[str, int] | None) -> int:
    return names[text] if names and text in names else int(text)


def _day_of_month(field: str) -> Callable[[date], bool]:
    if field == "L":
        return lambda day: day.day == _length(day)
    if field.endswith("W"):
        target = None if field == "LW" else int(field[:-1])
        return lambda day: day.day == _weekday_nearest(day, target or _length(day))
    days = _values(field, 1, 31)
    return lambda day: day.day in days


def _day_of_week(field: str) -> Callable[[date], bool]:
    if "#" in field:
        name, _, nth = field.partition("#")
        number, week = _number(name, _DAYS), int(nth)
        return lambda day: _weekday(day) == number and (day.day - 1) // 7 + 1 == week
    if field.endswith("L"):
        number = _number(field[:-1], _DAYS) if field != "L" else 7
        return lambda day: _weekday(day) == number and (field == "L" or day.day + 7 > _length(day))
    days = _values(field, 1, 7, _DAYS)
    return lambda day: _weekday(day) in days


def _length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _weekday(day: date) -> int:
    return day.isoweekday() % 7 + 1


def _weekday_nearest(day: date, target: int) -> int:
    """The Monday-to-Friday day of this month that is nearest to ``target``."""
    target = min(target, _length(day))
    weekday = day.replace(day=target).isoweekday()
    if weekday == 6:
        return target - 1 if target > 1 else target + 2
    if weekday == 7:
        return target + 1 if target < _length(day) else target - 2
    return target
