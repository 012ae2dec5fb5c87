"""When a rule would have fired: its life over the history that is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from heapq import merge
from operator import attrgetter

from chalicelib.domain.alerts import Alert
from chalicelib.domain.months import first_kept
from chalicelib.domain.observations import plain
from chalicelib.domain.replays import Replay, Seen
from chalicelib.domain.rules import Rule, stale_leaves, topics_of, windows_of
from chalicelib.errors import BadRuleError
from chalicelib.ports import INTERVALS, Candle, HistoryReader, Interval
from chalicelib.protocol.alerts import DryRunAnswer, DryRunBody, FiredBody, IntervalText
from chalicelib.protocol.pushes import rfc3339
from chalicelib.protocol.rule_reading import read_dry_run, rule_of, time_of

DEFAULT_RANGE = timedelta(days=7)
LONGEST_RANGE = timedelta(days=366)
LEAD_IN = timedelta(hours=25)  # before the rule's time: what is observed once a day is known when it begins
MAX_OBSERVATIONS = 20_000
MAX_FIRED = 1000
POINTS_OF_CANDLE = 4
FINE_FROM: Interval = 60  # minutes: candles of this width and wider are kept for ever
TIME_S = 10.0  # of the 29 that the gateway waits for an answer
_CHECK_EVERY = 500
_NAMES: dict[Interval, IntervalText] = {1: "1m", 5: "5m", 60: "1h", 1440: "1d"}
_ZERO = datetime(1970, 1, 1, tzinfo=UTC)


class DryRun:
    """Guarantees: the rule lives as it would have lived, its timers with it, over every observation that is kept; where
    those are too many, or no longer kept, over the candles of the finest width that is neither. A rule that is muted,
    disabled or expires is tried as if it were not.
    """

    def __init__(
        self,
        *,
        reader: HistoryReader,
        now: Callable[[], datetime],
        months: int,
        fine_months: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """For how many months single observations, and candles of less than an hour, are kept; 0: for ever."""
        self._reader, self._now, self._monotonic = reader, now, monotonic
        self._months, self._fine_months = months, fine_months

    def run(self, body: bytes, *, user: str) -> DryRunAnswer:
        """Raises TooLargeError, NotJsonError, BadRuleError (with a pointer) and StoreDownError."""
        asked = read_dry_run(body)
        now = self._now()
        rule = rule_of(asked.rule, id="ru_trial", user=user, now=now, clock=_ZERO, pointer="/rule")
        rule = replace(rule, enabled=True, muted_until=None, expires_at=None)
        start, end = _range(asked, now)
        window = timedelta(seconds=max((over_s for _, over_s in windows_of(rule.when)), default=0))
        first = max(start - window - LEAD_IN, _ZERO)
        past, interval = self._past(rule, first, end)
        return self._replay(rule, past, interval, start, end)

    def _past(self, rule: Rule, first: datetime, end: datetime) -> tuple[list[list[Seen]], Interval | None]:
        """Each topic's observations, and of which candles they were made (None: they are what was observed)."""
        topics = topics_of(rule)
        if self._is_kept(first, self._months):
            raw = self._observations(topics, first, end)
            if raw is not None:
                return raw, None
        interval = self._interval(rule, len(topics), first, end)
        limit = MAX_OBSERVATIONS // POINTS_OF_CANDLE
        begin = _floor(first, interval)
        found = [self._reader.candles(topic, interval, start=begin, end=end, limit=limit) for topic in topics]
        return [
            [seen for candle in candles for seen in _of_candle(candle, interval, topic) if first <= seen.at < end]
            for topic, candles in zip(topics, found, strict=True)
        ], interval

    def _observations(self, topics: Sequence[str], first: datetime, end: datetime) -> list[list[Seen]] | None:
        """None if they are too many."""
        room = MAX_OBSERVATIONS
        found = []
        for topic in topics:
            points = self._reader.raw(topic, start=first, end=end, limit=room + 1)
            room -= len(points)
            if room < 0:
                return None
            found.append([Seen(point.observed_at, topic, point.value) for point in points])
        return found

    def _interval(self, rule: Rule, topics: int, first: datetime, end: datetime) -> Interval:
        """The finest for whose candles there is room. Raises BadRuleError if nobody could tell by it what is stale."""
        candles = MAX_OBSERVATIONS // POINTS_OF_CANDLE // topics
        are_fine_kept = self._is_kept(first, self._fine_months)
        fits = [
            minutes
            for minutes in INTERVALS
            if (minutes >= FINE_FROM or are_fine_kept) and (end - first) / timedelta(minutes=minutes) < candles
        ]
        chosen = fits[0] if fits else INTERVALS[-1]
        if any(leaf.over_s < 120 * chosen for leaf in stale_leaves(rule.when)):
            raise BadRuleError(
                f"of so long a time only what each {_NAMES[chosen]} brought can be looked at, which does not tell what "
                "was stale: ask for a shorter or a later one",
                pointer="/from",
            )
        return chosen

    def _is_kept(self, first: datetime, months: int) -> bool:
        return not months or first >= first_kept(self._now(), months)

    def _replay(
        self, rule: Rule, past: list[list[Seen]], interval: Interval | None, start: datetime, end: datetime
    ) -> DryRunAnswer:
        replay = Replay(rule, start)
        reached, last, observations = end, start, 0
        for seen in self._in_time(merge(*past, key=attrgetter("at"))):
            if seen is None or len(replay.alerts) >= 2 * MAX_FIRED:
                reached = max(start, last)
                break
            replay.observe(seen)
            last = seen.at
            observations += seen.at >= start
        replay.finish(reached)
        return DryRunAnswer(
            from_=rfc3339(start),
            to=rfc3339(reached),
            interval="raw" if interval is None else _NAMES[interval],
            observations=observations,
            fired=_fired(replay.alerts)[:MAX_FIRED],
            truncated=reached < end,
        )

    def _in_time(self, past: Iterator[Seen]) -> Iterator[Seen | None]:
        """What there is, and None as soon as it takes too long."""
        until = self._monotonic() + TIME_S
        for index, seen in enumerate(past):
            if index % _CHECK_EVERY == 0 and self._monotonic() >= until:
                yield None
            yield seen


def _range(asked: DryRunBody, now: datetime) -> tuple[datetime, datetime]:
    """Raises BadRuleError."""
    end = min(time_of(asked.to, "/to") or now, now)
    start = time_of(asked.from_, "/from") or max(end - DEFAULT_RANGE, _ZERO)
    if start >= end:
        raise BadRuleError("from is not before to, or not in the past", pointer="/from")
    if end - start > LONGEST_RANGE:
        raise BadRuleError(f"at most {LONGEST_RANGE.days} days at once: give a later from", pointer="/from")
    return start, end


def _floor(at: datetime, minutes: int) -> datetime:
    return at - (at - _ZERO) % timedelta(minutes=minutes)


def _of_candle(candle: Candle, minutes: int, topic: str) -> list[Seen]:
    """A candle does not say whether its lowest or its highest came first: one that rises is taken to have fallen
    before, one that falls to have risen."""
    rises = candle.close >= candle.open
    values = (candle.open, *((candle.low, candle.high) if rises else (candle.high, candle.low)), candle.close)
    quarter = timedelta(minutes=minutes) / POINTS_OF_CANDLE
    shown = values if candle.samples > 1 else values[:1]
    return [Seen(candle.start + index * quarter, topic, value) for index, value in enumerate(shown)]


def _fired(alerts: Sequence[Alert]) -> list[FiredBody]:
    resolved = {alert.id: alert.at for alert in alerts if alert.state == "resolved"}
    return [
        FiredBody(
            at=rfc3339(alert.at),
            topic=alert.topic,
            value=None if alert.value is None else plain(alert.value),
            resolved_at=rfc3339(resolved[alert.id]) if alert.id in resolved else None,
        )
        for alert in alerts
        if alert.state == "firing"
    ]
