"""The alarms' clock: a short run stretched so that what lasts seconds fills the alarms' minutes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MINUTE_S = 60
MINUTES_WANTED = 6  # data points in a run: twice what an alarm of three periods looks at
LENGTHS_S = (60, 30, 20, 10, 5, 2)


@dataclass(frozen=True, slots=True)
class Clock:
    """``minute_s`` seconds of the run are a minute of the alarms; their first minute begins at ``began``.

    Thresholds, statistics and M of N stay as they are: an alarm that fires in production after two minutes above its
    threshold fires here after ``2 x minute_s`` seconds. So a short run is judged more strictly, never less.
    """

    began: datetime
    minute_s: float

    @property
    def origin(self) -> datetime:
        """The alarms' time at ``began``: a whole minute."""
        return self.began.astimezone(UTC).replace(second=0, microsecond=0)

    def stretched(self, at: datetime) -> datetime:
        """The alarms' time of a moment of the run."""
        return self.origin + (at - self.began) * (MINUTE_S / self.minute_s)

    def moment(self, stretched: datetime) -> datetime:
        """The moment of the run at the alarms' time: the inverse."""
        return self.began + (stretched - self.origin) * (self.minute_s / MINUTE_S)

    def minutes(self, ended: datetime) -> list[datetime]:
        """The ends of the alarms' minutes, in their time, until all of the run up to ``ended`` was looked at."""
        count = -(-(ended - self.began).total_seconds() // self.minute_s)
        return [self.origin + timedelta(minutes=number + 1) for number in range(int(count))]


def fitting_minute_s(run_s: float) -> int:
    """The longest minute, at most a real one, of which a run holds enough; the shortest if none fits."""
    return next((length for length in LENGTHS_S if run_s >= length * MINUTES_WANTED), LENGTHS_S[-1])
