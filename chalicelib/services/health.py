"""Health: whether every source is still polled with success, so that a dead poller shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from chalicelib.ports import FEED_KINDS, FeedKind, FeedState, IngestStore

GRACE = timedelta(seconds=300)  # five runs of the poller: one failed poll is no illness


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """One source: ``age_s`` is the time since the last good poll, ``records`` what that one had."""

    status: Literal["ok", "stale", "never"]
    age_s: float | None
    records: int
    next_poll: datetime | None


@dataclass(frozen=True, slots=True)
class HealthReport:
    """``degraded`` as soon as one source is not ok; what was published before is streamed all the same."""

    status: Literal["ok", "degraded"]
    sources: Mapping[FeedKind, SourceHealth]


class CheckHealth:
    """Judge every source by what ingest remembers of it and the clock.

    A source is ``stale`` 300 s after it was due again, ``never`` if no poll of it has succeeded yet. Nothing has to run
    for that: a poller that is gone shows too. Raises StoreDownError if the store that the socket needs does not answer.
    """

    def __init__(self, *, store: IngestStore, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    def run(self) -> HealthReport:
        now = self._now()
        sources = {kind: _judged(self._store.feed_state(kind), now) for kind in FEED_KINDS}
        well = all(source.status == "ok" for source in sources.values())
        return HealthReport("ok" if well else "degraded", sources)


def _judged(state: FeedState, now: datetime) -> SourceHealth:
    if state.last_success is None:
        return SourceHealth("never", None, state.count, state.next_poll)
    due = max(state.next_poll or state.last_success, state.last_success)
    age_s = round(max(0.0, (now - state.last_success).total_seconds()), 1)
    return SourceHealth("stale" if now > due + GRACE else "ok", age_s, state.count, state.next_poll)
