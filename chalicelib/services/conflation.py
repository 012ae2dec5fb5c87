"""Slower rates: at each tick, the newest value of every topic that changed since the last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from chalicelib.errors import StoreDownError
from chalicelib.ports import Audience, Flushed, JobQueue, Retries, Stream, Tick, TickQueue
from chalicelib.services.fanout import build_jobs, encode_jobs, names_of

log = structlog.get_logger()

GRACE_S = 5.0


class Conflation:
    """Flush what the ticks announce.

    Guarantees: a flush that stops half way is sent again with the same offsets; at most one update per topic, rate and
    interval; a slot whose tick was lost is taken by the next tick of its rate or by the sweep.
    """

    def __init__(
        self,
        *,
        stream: Stream,
        audience: Audience,
        jobs: JobQueue,
        ticks: TickQueue,
        retries: Retries,
        frame_bytes: int,
        posts_per_job: int,
    ) -> None:
        self._stream = stream
        self._audience = audience
        self._jobs = jobs
        self._ticks = ticks
        self._retries = retries
        self._limits = {"frame_bytes": frame_bytes, "posts_per_job": posts_per_job}

    def flush(self, tick: Tick) -> int:
        """Send what is due; returns the number of changes. Raises StoreDownError if any of it must be tried again."""
        sent = 0
        while True:
            flushed = self._stream.flush(tick)
            self._send(tick, flushed)
            sent += len(flushed.changes)
            if not flushed.more:
                return sent

    def _send(self, tick: Tick, flushed: Flushed) -> None:
        if flushed.next_tick is not None:
            self._ticks.send([flushed.next_tick])
        if not flushed.changes:
            return
        recipients = self._audience.recipients(names_of(flushed.changes))
        jobs = build_jobs(flushed.changes, recipients, sources={}, **self._limits)
        if self._jobs.send(encode_jobs(jobs)):
            raise StoreDownError("the deliveries queue did not take every job")
        self._stream.flushed(tick, flushed.changes)
        log.info(
            "slot_flushed",
            rate_s=tick.rate_s,
            slot=tick.slot,
            count=len(flushed.changes),
            changes=[f"{change.topic}@{change.offset}" for change in flushed.changes],
            jobs=[job.id for job in jobs],
        )

    def retry_soon(self, delays_s: Mapping[str, int]) -> None:
        """Bring failed tick messages (by receipt handle) back: a slot is shorter than a visibility timeout."""
        self._retries.soon(delays_s)

    def overdue(self) -> Sequence[Tick]:
        """The slots whose tick was lost. Raises StoreDownError."""
        return self._stream.overdue(GRACE_S)

    def sweep(self) -> Sequence[Tick]:
        """Flush every overdue slot. Raises StoreDownError at the end if any could not be."""
        overdue = self.overdue()
        failed: StoreDownError | None = None
        for tick in overdue:
            log.warning("slot_overdue", rate_s=tick.rate_s, slot=tick.slot)
            try:
                self.flush(tick)
            except StoreDownError as error:  # one slot must not keep the others waiting
                failed = error
        if failed is not None:
            raise failed
        return overdue
