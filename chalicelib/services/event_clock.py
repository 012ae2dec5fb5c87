"""The time by which rules are judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.domain.observations import Observation
from chalicelib.domain.topics import kind_of
from chalicelib.ports.alerts import SourceLag


class EventClock:
    """Event time: our own less the source's lag, which is the smallest delay with which any observation has come.

    Guarantees: it only goes forward, never ahead of our own time, and never behind an observation that was heard; while
    the source is silent it goes on as fast as ours, so that silence is noticed.

    A rule lives in event time: ``for``, cool-down, how long a topic is silent, ``expires_at`` and ``muted_until``. Our
    own time counts for when a message is delivered, when a rule was made, and how long after an alert the next step is
    told. On AWS the two differ by seconds. A recording that is played is years behind, and each observation takes event
    time forward by as much as it is played too fast: ``speed`` seconds a second.

    The topics ``feed:*`` are measured by us, at our own time. They are put to event time, and do not move it.
    """

    def __init__(self, lag: SourceLag, *, now: Callable[[], datetime], speed: float = 1.0) -> None:
        self._lag, self._now, self._speed = lag, now, speed

    def __call__(self) -> datetime:
        """What time it is. Raises StoreDownError."""
        return self._now() - self._lag.least()

    def hear(self, observations: Sequence[Observation]) -> Sequence[Observation]:
        """These have come: all of them in event time. Raises StoreDownError."""
        now = self._now()
        delays = [now - seen.observed_at for seen in observations if not _is_ours(seen)]
        if not observations:
            return observations
        lag = self._lag.least(max(timedelta(0), min(delays)) if delays else None)
        return [replace(seen, observed_at=seen.observed_at - lag) if _is_ours(seen) else seen for seen in observations]

    def ours(self, at: datetime) -> datetime:
        """When by our own time event time is expected to reach ``at``; now if it has. Raises StoreDownError."""
        now = self._now()
        return now + max(timedelta(0), at - (now - self._lag.least())) / self._speed


def _is_ours(seen: Observation) -> bool:
    return kind_of(seen.topic) == "feed"
