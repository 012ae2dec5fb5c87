"""Health: whether every store answers and every source is still polled with success, so that a dead poller shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import structlog

from chalicelib.errors import StoreDownError
from chalicelib.ports import FEED_KINDS, FeedKind, FeedState, IngestStore

log = structlog.get_logger()

GRACE = timedelta(seconds=300)  # five runs of the poller: one failed poll is no illness
PROBES_S = 10.0  # so long what a store said is told again: whoever asks often must not be its load


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """One source: ``age_s`` is the time since the last good poll, ``records`` what that one had."""

    status: Literal["ok", "stale", "never"]
    age_s: float | None
    records: int
    next_poll: datetime | None


@dataclass(frozen=True, slots=True)
class StoreHealth:
    status: Literal["ok", "down"]
    latency_ms: float | None


@dataclass(frozen=True, slots=True)
class HealthReport:
    """``down``: the store that the socket needs does not answer. ``degraded``: another does not, or a source is not ok;
    what was published before is streamed all the same."""

    status: Literal["ok", "degraded", "down"]
    sources: Mapping[FeedKind, SourceHealth]
    stores: Mapping[str, StoreHealth]


class CheckHealth:
    """Judge every source by what ingest remembers of it and the clock, every other store by asking it for nothing.

    A source is ``stale`` 300 s after it was due again, ``never`` if no poll of it has succeeded yet. Nothing has to run
    for that: a poller that is gone shows too. ``probes`` raise StoreDownError; each is asked once in ten seconds.
    """

    def __init__(
        self,
        *,
        store: IngestStore,
        now: Callable[[], datetime],
        probes: Mapping[str, Callable[[], object]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._now, self._monotonic = store, now, monotonic
        self._probes = probes
        self._probed: dict[str, tuple[float, StoreHealth]] = {}

    def run(self) -> HealthReport:
        sources: dict[FeedKind, SourceHealth] = {}
        redis = self._asked("redis", lambda: sources.update(self._sources()))
        others = {name: self._recently(name, probe) for name, probe in self._probes.items()}
        if redis.status == "down":
            return HealthReport("down", {}, {"redis": redis, **others})
        well = {"ok"} >= {source.status for source in sources.values()} | {store.status for store in others.values()}
        return HealthReport("ok" if well else "degraded", sources, {"redis": redis, **others})

    def _sources(self) -> Mapping[FeedKind, SourceHealth]:
        now = self._now()
        return {kind: _judged(self._store.feed_state(kind), now) for kind in FEED_KINDS}

    def _recently(self, name: str, probe: Callable[[], object]) -> StoreHealth:
        known = self._probed.get(name)
        if known is None or self._monotonic() - known[0] > PROBES_S:
            known = self._probed[name] = (self._monotonic(), self._asked(name, probe))
        return known[1]

    def _asked(self, name: str, probe: Callable[[], object]) -> StoreHealth:
        began = self._monotonic()
        try:
            probe()
        except StoreDownError as error:
            log.warning("store_down", store=name, error=str(error))  # for us: clients are told no address
            return StoreHealth("down", None)
        return StoreHealth("ok", round((self._monotonic() - began) * 1000, 1))


def _judged(state: FeedState, now: datetime) -> SourceHealth:
    if state.last_success is None:
        return SourceHealth("never", None, state.count, state.next_poll)
    due = max(state.next_poll or state.last_success, state.last_success)
    age_s = round(max(0.0, (now - state.last_success).total_seconds()), 1)
    return SourceHealth("stale" if now > due + GRACE else "ok", age_s, state.count, state.next_poll)
