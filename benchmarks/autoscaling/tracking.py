"""Target tracking as Application Auto Scaling does it: two alarms on a metric of a minute, and a sum.

The alarm to add needs three datapoints above the target, that to take away fifteen below nine tenths of it. Capacity
becomes what would bring the metric to the target: current * metric / target, rounded up.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from benchmarks.autoscaling.plan import Policy

TO_ADD = 3  # datapoints
TO_TAKE_AWAY = 15
LOW = 0.9  # of the target
LATE_MIN = 1  # CloudWatch has a minute's value about a minute after its end


@dataclass
class Tracking:
    """One policy on a clock of minutes. ``hour`` is the hour of the day, UTC, with which it begins."""

    policy: Policy
    hour: int = 14
    wanted: int = 0
    _values: deque[float | None] = field(default_factory=lambda: deque(maxlen=TO_TAKE_AWAY + LATE_MIN))
    _added_at: float = -math.inf
    _taken_at: float = -math.inf

    def __post_init__(self) -> None:
        self.wanted = self.policy.least[self.hour]

    def minute(self, value: float | None, number: int) -> int:
        """The environments wanted after minute ``number``, whose metric was ``value`` (None: nobody called)."""
        self._values.append(value)
        known = list(self._values)[:-LATE_MIN]
        least = self.policy.least[(self.hour + number // 60) % 24]
        self.wanted = self._bounded(self._tracked(known, number * 60), least)
        return self.wanted

    def _tracked(self, known: list[float | None], now_s: float) -> int:
        policy = self.policy
        recent = [value for value in known[-TO_ADD:] if value is not None and value > policy.target]
        if len(recent) == TO_ADD and now_s - self._added_at >= policy.out_cooldown_s:
            self._added_at = now_s
            return max(self.wanted, math.ceil(self.wanted * recent[-1] / policy.target - 1e-9))
        long = [value for value in known[-TO_TAKE_AWAY:] if value is not None and value < LOW * policy.target]
        if len(long) == TO_TAKE_AWAY and now_s - max(self._added_at, self._taken_at) >= policy.in_cooldown_s:
            self._taken_at = now_s
            return min(self.wanted, math.ceil(self.wanted * max(long) / policy.target - 1e-9))
        return self.wanted

    def _bounded(self, count: int, least: int) -> int:
        return max(least, min(self.policy.most, count))
