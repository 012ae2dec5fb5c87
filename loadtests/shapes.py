"""How many users there are at which time of a run."""

from __future__ import annotations

from dataclasses import dataclass

SHAPES = {
    "steady": "all users at the spawn rate, then for the duration",
    "ramp": "a tenth more users every tenth of the duration",
    "soak": "as steady, with ten times longer stays: to be run for hours",
    "spike": "a fifth of the users, all of them in the middle third of the duration, a fifth again",
    "storm": "as steady; at one third and at two thirds every socket breaks at once and comes back",
}
SPIKE_BASE = 0.2
RAMP_STEPS = 10
STORMS_AT = (1 / 3, 2 / 3)
COMING_S = {"spike": 2.0}  # in which all users come; 20 s in the other shapes
SLOWEST_SPAWN = 5.0


def usual_spawn_rate(shape: str, users: int) -> float:
    """Users a second where none is given: a spike that comes slowly is none."""
    return max(SLOWEST_SPAWN, users / COMING_S.get(shape, 20.0))


@dataclass(frozen=True, slots=True)
class Plan:
    """A shape filled in. Times in seconds, rates in users a second."""

    shape: str
    users: int
    spawn_rate: float
    duration_s: float

    @property
    def coming_s(self) -> float:
        """How long it takes until all users have come, where that is not the load itself."""
        return 0.0 if self.shape in ("ramp", "spike") else self.users / self.spawn_rate

    def users_at(self, elapsed_s: float) -> int:
        """The users wanted after so long under load; at least one."""
        part = min(max(elapsed_s / self.duration_s, 0.0), 1.0)
        if self.shape == "ramp":
            wanted = (int(part * RAMP_STEPS) + 1) / RAMP_STEPS
        elif self.shape == "spike":
            wanted = 1.0 if 1 / 3 <= part < 2 / 3 else SPIKE_BASE
        else:
            wanted = 1.0
        return max(1, round(self.users * min(wanted, 1.0)))

    def storms_by(self, elapsed_s: float) -> int:
        """How many storms should have broken out after so long under load."""
        return sum(elapsed_s >= part * self.duration_s for part in STORMS_AT) if self.shape == "storm" else 0

    @property
    def stays_s(self) -> float:
        """The mean time after which a subscriber leaves and another one comes."""
        return 1200.0 if self.shape == "soak" else 120.0
