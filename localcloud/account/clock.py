"""The account's clock: what takes minutes in AWS may take seconds here.

Alarms, canaries and the watch after an update count in minutes. ``minute_s`` real seconds are one of them; thresholds,
statistics and M of N stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

MINUTE_S = 60.0
_POLL_S = (0.02, 1.0)  # between two looks at the alarms: at least, at most


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Runs from ``began``, where it shows the whole minute before it."""

    minute_s: float = MINUTE_S
    began: datetime = field(default_factory=_now)

    @property
    def origin(self) -> datetime:
        """The account's time at ``began``."""
        return self.began.replace(second=0, microsecond=0)

    @property
    def poll_s(self) -> float:
        """A sixtieth of a minute, in real seconds, within reason."""
        return min(max(self.minute_s / 60, _POLL_S[0]), _POLL_S[1])

    def at(self, moment: datetime) -> datetime:
        """The account's time of a real moment; what was before ``began`` counts as then."""
        return self.origin + max(moment - self.began, timedelta()) * (MINUTE_S / self.minute_s)

    def seconds(self, minutes: float) -> float:
        """How long so many of the account's minutes really are."""
        return minutes * self.minute_s

    def until(self, minute: datetime, now: datetime) -> float:
        """Real seconds until the account's clock shows ``minute``; negative once that is over."""
        return (minute - self.at(now)).total_seconds() * (self.minute_s / MINUTE_S)
