"""A function's environments as Lambda keeps them: provisioned ones, those of calls before, and new, cold ones."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field

TICK_S = 1 / 60  # the simulation's step: 0.05 s are three, 0.03 s two
NEW_PER_S = 100  # environments that Lambda adds to one function: 1,000 in 10 seconds
NEW_AT_ONCE = 1000
KEPT_MIN = 5  # minutes that an idle environment is kept: AWS states none, five to fifteen have been seen
STARTING_S = 60.0  # until provisioned environments are ready: AWS says "a minute or two"


@dataclass(frozen=True, slots=True)
class Started:
    """What became of calls: ``warm`` ones found an environment, ``cold`` ones wait for a new one, others got none."""

    warm: int
    cold: int
    refused: int


@dataclass
class Environments:
    """One function's. Ticks must be given in order; the unit of time is a tick of ``TICK_S``.

    Guarantees: never more calls at work than ``places``, never more on provisioned environments than there are.
    """

    places: int
    cold_s: float
    provisioned: int = 0
    _idle: int = 0  # provisioned ones
    _spare: int = 0  # others, of calls before
    _busy: int = 0
    _busy_spare: int = 0
    _leaving: int = 0  # provisioned ones that end with their call
    _tokens: float = NEW_AT_ONCE
    _ends: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    _ready: list[tuple[int, int]] = field(default_factory=list)
    _least_spare: deque[int] = field(default_factory=lambda: deque(maxlen=KEPT_MIN))
    _least: int = 0

    def __post_init__(self) -> None:
        self._idle = self.provisioned

    @property
    def busy(self) -> int:
        return self._busy + self._busy_spare

    @property
    def utilization(self) -> float | None:
        """Of the provisioned ones, as a share of 1; None if there are none."""
        return (self._busy - self._leaving) / self.provisioned if self.provisioned else None

    def passes(self, tick: int) -> None:
        """Calls that end by ``tick`` give their environments back, and what was ordered becomes ready."""
        if tick in self._ends:
            ended, spare = self._ends.pop(tick)
            gone = min(self._leaving, ended)
            self._leaving -= gone
            self._busy -= ended
            self._idle += ended - gone
            self._busy_spare -= spare
            self._spare += spare
        if self._tokens < NEW_AT_ONCE:
            self._tokens = min(NEW_AT_ONCE, self._tokens + NEW_PER_S * TICK_S)
        while self._ready and self._ready[0][0] <= tick:
            self._resize(self._ready.pop(0)[1])

    def minute(self) -> None:
        """Once a minute: of the environments that nobody has needed for long, none is kept."""
        self._least_spare.append(self._least)
        if len(self._least_spare) == KEPT_MIN:
            unused = min(self._least_spare)
            self._spare -= unused
            self._least_spare = deque((each - unused for each in self._least_spare), maxlen=KEPT_MIN)
        self._least = self._spare

    def provision(self, count: int, tick: int) -> None:
        """From now on ``count`` are wanted: more are ready after ``STARTING_S``, fewer are at once."""
        if count > self.provisioned:
            self._ready = [(tick + ticks(STARTING_S), count)]
        else:
            self._ready = []
            self._resize(count)

    def call(self, count: int, seconds: float, tick: int) -> Started:
        """``count`` calls that each take ``seconds`` of an environment that is warm."""
        on_provisioned = min(count, self._idle)
        self._take(on_provisioned, 0, seconds, tick)
        rest = min(count - on_provisioned, self.places - self.provisioned - self._busy_spare - self._leaving)
        on_spare = min(rest, self._spare)
        self._spare -= on_spare
        self._take(0, on_spare, seconds, tick)
        new = max(0, min(rest - on_spare, int(self._tokens)))
        self._tokens -= new
        self._take(0, new, seconds + self.cold_s, tick)
        self._least = min(self._least, self._spare)
        return Started(on_provisioned + on_spare, new, count - on_provisioned - on_spare - new)

    def _take(self, provisioned: int, others: int, seconds: float, tick: int) -> None:
        if provisioned or others:
            end = self._ends[tick + ticks(seconds)]
            end[0] += provisioned
            end[1] += others
            self._idle -= provisioned
            self._busy += provisioned
            self._busy_spare += others

    def _resize(self, count: int) -> None:
        count = min(count, self.places)
        change = count - self.provisioned
        if change < 0:
            at_once = min(-change, self._idle)
            self._leaving += -change - at_once
            self._idle -= at_once
        else:
            self._idle += change
        self.provisioned = count


def ticks(seconds: float) -> int:
    """At least one."""
    return max(1, round(seconds / TICK_S))
