"""Ingest: say what was seen, every minute. Whether it is a change is decided further on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

import structlog

from chalicelib.domain.observations import Observation, observation_id, plain
from chalicelib.errors import DefiStreamError, SourceError, StoreDownError, TemporaryError
from chalicelib.ports import (
    FEED_KINDS,
    FeedKind,
    FeedResult,
    FeedState,
    IngestStore,
    ObservationPublisher,
    Source,
)
from chalicelib.telemetry import metrics

log = structlog.get_logger()

MAX_COINS = 5_000
CHUNK = 1_000  # observations published before their tokens are saved: what a crash makes us repeat, at most
LEASE_MARGIN_S = 5  # nothing is published this close to the end of the lease
MAX_REST = timedelta(hours=1)  # the longest Retry-After that is believed
SHRINK = 0.5  # of the last good payload
SHRINK_PATIENCE = timedelta(hours=24)
REHEARSAL = "feed:smoke:poll"  # of the topics that nobody subscribes to but those who try a release out

FeedStatus = Literal["polled", "unchanged", "not_due", "shrunken", "failed"]


@dataclass(frozen=True, slots=True)
class FeedReport:
    """One feed's part of a run.

    ``seen`` counts the payload's observations, ``new`` those that differ from the last of their topic,
    ``published`` what was handed over, freshness included, ``unusable`` records that made no sense.
    """

    kind: FeedKind
    status: FeedStatus
    seen: int = 0
    new: int = 0
    published: int = 0
    unusable: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What a run did; ``held``: another run has the lease and this one did nothing."""

    held: bool = False
    published: int = 0
    feeds: tuple[FeedReport, ...] = ()


@dataclass(frozen=True, slots=True)
class _Run:
    scheduled_at: datetime
    coins: Sequence[str]
    publish_until: datetime


class Ingest:
    """Poll every feed that may have something new and publish what is.

    Guarantees:
    - never twice at once: a lease, always given back, and nothing is published when it is about to expire;
    - feeds are polled side by side and published as they come: none delays or stops another. An error that
      nobody foresaw in one is raised after the others have finished;
    - an observation is remembered only after it was published: a crash in between publishes the same ids again;
    - a failed poll changes nothing. Nor does a shrunken one: fewer than half the records, or for TVL less than
      half the sum, of the last good payload. It is refused until the feed recovers, or until 24 hours have
      passed since the last good payload: by then the smaller one is the truth, however often it agreed before.
      Prices are refused only when none comes back: each coin stands for itself and a missing one changes
      nothing;
    - at most one ``feed:{kind}`` observation a run: the age in seconds of the newest data, on our clock.
    """

    def __init__(
        self,
        *,
        source: Source,
        store: IngestStore,
        publisher: ObservationPublisher,
        coins: Sequence[str],
        now: Callable[[], datetime],
        lease_s: int = 55,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._store = store
        self._publisher = publisher
        self._coins = coins
        self._now = now
        self._lease_s = lease_s
        self._monotonic = monotonic

    def run(self, *, scheduled_at: datetime, owner: str) -> IngestReport:
        """One schedule event; ``owner`` names this run, and a retry of the event may bring another.

        Raises StoreDownError if the store cannot even be asked for the lease.
        """
        publish_until = self._now() + timedelta(seconds=self._lease_s - LEASE_MARGIN_S)
        if not self._store.acquire(owner, self._lease_s):
            log.info("ingest", held=True)
            return IngestReport(held=True)
        try:
            run = _Run(scheduled_at, self._wanted(), publish_until)
            with ThreadPoolExecutor(len(FEED_KINDS)) as pool:
                # each in a copy of this context: log lines keep the request's id
                polls = [pool.submit(copy_context().run, self._poll, kind, run) for kind in FEED_KINDS]
            feeds = tuple(poll.result() for poll in polls)
            return IngestReport(published=sum(feed.published for feed in feeds), feeds=feeds)
        finally:
            self._release(owner)

    def rehearse(self) -> IngestReport:
        """What a run needs, without one: its memory is read, and one observation of no client's topic published.

        Raises StoreDownError.
        """
        for kind in FEED_KINDS:
            self._store.feed_state(kind)
        now, coins = self._now(), Decimal(len(self._wanted()))
        token = now.astimezone(UTC).isoformat()
        self._publisher.publish([Observation(observation_id(REHEARSAL, token, coins), REHEARSAL, coins, now)])
        return IngestReport(published=1)

    def _wanted(self) -> list[str]:
        """Settings' coins first; the rest sorted, so that the requests stay the same from poll to poll."""
        return list(dict.fromkeys([*self._coins, *sorted(self._store.wanted_coins())]))[:MAX_COINS]

    def _release(self, owner: str) -> None:
        try:
            self._store.release(owner)
        except StoreDownError as error:
            log.warning("lease not released", error=str(error))  # it expires by itself

    def _poll(self, kind: FeedKind, run: _Run) -> FeedReport:
        started = self._monotonic()
        try:
            report = self._poll_feed(kind, run)
        except DefiStreamError as error:
            report = FeedReport(kind, "failed", error=str(error))
        if report.status != "not_due":
            metrics.record("PollDuration", (self._monotonic() - started) * 1000)
        if report.status in ("failed", "shrunken"):
            metrics.count("PollFailures", Feed=kind)
        write = log.warning if report.status in ("failed", "shrunken") else log.info
        write(
            "feed",
            kind=kind,
            status=report.status,
            seen=report.seen,
            new=report.new,
            unusable=report.unusable,
            error=report.error,
        )
        return report

    def _poll_feed(self, kind: FeedKind, run: _Run) -> FeedReport:
        state = self._store.feed_state(kind)
        if state.next_poll is not None and self._now() < state.next_poll:
            return FeedReport(kind, "not_due", published=self._publish_age(kind, self._held_since(kind), run))
        try:
            result = self._source.fetch(kind, state, coins=run.coins, scheduled_at=run.scheduled_at)
        except SourceError as error:
            if error.retry_after is not None:
                rest = min(MAX_REST, timedelta(seconds=error.retry_after))
                self._store.save_feed_state(kind, replace(state, next_poll=self._now() + rest))
            return FeedReport(
                kind, "failed", published=self._publish_age(kind, self._held_since(kind), run), error=str(error)
            )
        if self._is_shrunken(kind, state, result.state):
            return self._refuse(kind, state, result, run)
        return self._accept(kind, result, run)

    def _is_shrunken(self, kind: FeedKind, last: FeedState, fresh: FeedState) -> bool:
        if last.last_success is None or self._now() - last.last_success >= SHRINK_PATIENCE:
            return False
        if kind == "prices":
            return fresh.count == 0 < last.count
        return fresh.count < last.count * SHRINK or fresh.total < last.total * SHRINK

    def _refuse(self, kind: FeedKind, state: FeedState, result: FeedResult, run: _Run) -> FeedReport:
        # the old ETags stay: the next answer must come whole
        self._store.save_feed_state(kind, replace(state, next_poll=result.state.next_poll))
        fresh = result.state
        return FeedReport(
            kind,
            "shrunken",
            seen=len(result.observations),
            published=self._publish_age(kind, self._held_since(kind), run),
            unusable=result.unusable,
            error=f"{fresh.count} records worth {fresh.total:.0f} after {state.count} worth {state.total:.0f}",
        )

    def _accept(self, kind: FeedKind, result: FeedResult, run: _Run) -> FeedReport:
        new = self._unseen(kind, result.observations)
        for start in range(0, len(new), CHUNK):
            chunk = new[start : start + CHUNK]
            self._publish([seen for seen, _ in chunk], run)
            self._store.save_last_seen({seen.topic: token for seen, token in chunk})
        newest_at = self._newest_at(kind, result) if new else self._held_since(kind)
        published = len(new) + self._publish_age(kind, newest_at, run)
        self._store.save_feed_state(kind, result.state)  # last: until here a retry asks for the whole again
        return FeedReport(
            kind,
            "polled" if result.observations or not result.state.count else "unchanged",
            seen=len(result.observations),
            new=len(new),
            published=published,
            unusable=result.unusable,
        )

    def _unseen(self, kind: FeedKind, observations: Sequence[Observation]) -> list[tuple[Observation, str]]:
        """Observations that differ from the last of their topic, each with the token to remember it by."""
        held = self._store.last_seen([seen.topic for seen in observations])
        tokens = [_token(kind, seen) for seen in observations]
        return [(seen, token) for seen, token, old in zip(observations, tokens, held, strict=True) if token != old]

    def _publish(self, observations: Sequence[Observation], run: _Run) -> None:
        if self._now() >= run.publish_until:
            raise TemporaryError("the lease is about to expire: left for the next run")
        self._publisher.publish(observations)
        metrics.count("ObservationsPublished", len(observations))

    def _newest_at(self, kind: FeedKind, result: FeedResult) -> datetime:
        """When the newest data was made, on our clock: the source's may show another date altogether."""
        now = self._now()
        if kind != "prices":
            return now
        newest = max(seen.observed_at for seen in result.observations)
        made_at = now - max(timedelta(0), (result.source_time or now) - newest)
        return max(made_at, self._held_since(kind) or made_at)

    def _held_since(self, kind: FeedKind) -> datetime | None:
        token = self._store.last_seen([f"feed:{kind}"])[0]
        return datetime.fromisoformat(token) if token else None

    def _publish_age(self, kind: FeedKind, newest_at: datetime | None, run: _Run) -> int:
        """Publish how old the newest data is; nothing if there never was any. Returns the number published."""
        if newest_at is None:
            return 0
        topic = f"feed:{kind}"
        now = self._now()
        age = Decimal(max(0, int((now - newest_at).total_seconds())))
        metrics.record("SourceAge", int(age), Feed=kind)
        token = run.scheduled_at.astimezone(UTC).isoformat()
        self._publish([Observation(observation_id(topic, token, age), topic, age, now)], run)
        self._store.save_last_seen({topic: newest_at.isoformat()})
        return 1


def _token(kind: FeedKind, seen: Observation) -> str:
    """Only prices carry a time of their own: elsewhere the same value is the same observation."""
    return f"{seen.observed_at.isoformat() if kind == 'prices' else ''}|{plain(seen.value)}"
