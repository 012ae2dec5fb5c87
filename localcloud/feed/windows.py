"""When each of DefiLlama's answers is renewed, and when the tape's next one is due on a wall clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """One stretch of tape time (unix s) with one answer, sampled at its ``start`` and due to change at its ``end``."""

    start: int
    end: int

    def max_age(self, now: float, speed: float) -> int:
        """Whole wall seconds until the end; 0 when it is nearer than one."""
        return max(0, int((self.end - now) / speed))


@dataclass(frozen=True, slots=True)
class Renewal:
    """An answer is renewed every ``period_s``, ``offset_s`` past the round mark."""

    period_s: int
    offset_s: int = 0

    def window(self, now: float) -> Window:
        start = int((now - self.offset_s) // self.period_s) * self.period_s + self.offset_s
        return Window(start, start + self.period_s)


# As seen on DefiLlama's servers. Stablecoins expire 30 minutes after they were asked for and chains 10, wherever
# their caches happen to be: here on the round marks.
RENEWALS: Mapping[str, Renewal] = {
    "prices": Renewal(300, 20),
    "protocols": Renewal(3600, 20 * 60),
    "chains": Renewal(600),
    "stablecoins": Renewal(1800),
    "yields": Renewal(3600, 22 * 60),
}
