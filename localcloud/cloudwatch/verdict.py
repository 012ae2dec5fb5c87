"""The state of an alarm from the data points of its evaluation range.

Source: CloudWatch User Guide, "Configuring how CloudWatch alarms treat missing data", its two tables and "Avoiding
premature transitions to alarm state". Three things that page leaves open, and what is chosen here:

* How long the range is. Its only figure is 5 periods for 3 evaluation periods, so it is N + 2 for every N.
* Whether an older point that is within the threshold stops the premature alarm. The text says only that none may be
  more recent; the row ``0 - X - -`` of 2 out of 3 is OK, so any such point in the range stops it.
* What ``- - - - X`` is when missing data is missing: too few breaching points, too young for the premature alarm,
  and nothing within the threshold. The page says only that it is not ALARM. Its editions up to July 2019 had this
  row: INSUFFICIENT_DATA, and where missing data is ignored the state that the alarm has. So it is here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum


class State(StrEnum):
    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


class Missing(StrEnum):
    """How an alarm treats missing data points: ``TreatMissingData``."""

    MISSING = "missing"
    IGNORE = "ignore"
    BREACHING = "breaching"
    NOT_BREACHING = "notBreaching"


class Why(Enum):
    """What decided."""

    DATAPOINTS = "as many data points as the alarm asks for"
    FILLED = "too few data points, and what missing ones count as"
    PREMATURE = "a breaching point old enough, and nothing within the threshold"
    UNDECIDED = "too few data points to say, and missing ones count as nothing"
    EMPTY = "no data point in the range"


_RANGE_EXTRA = 2  # the user guide's range is 5 for 3


@dataclass(frozen=True, slots=True)
class Rule:
    """M out of N: ``to_alarm`` breaching of ``periods`` data points, and how missing ones count."""

    periods: int
    to_alarm: int
    missing: Missing = Missing.MISSING

    @property
    def range_slots(self) -> int:
        """The evaluation range, in periods: how far back CloudWatch looks for data points that are not missing."""
        return self.periods + _RANGE_EXTRA


@dataclass(frozen=True, slots=True)
class Verdict:
    """``state`` is None where the alarm keeps the one it has.

    ``evaluated`` are the slots of the range whose points counted, ``filled`` how many missing ones were made up.
    """

    state: State | None
    why: Why
    breaching: int
    evaluated: tuple[int, ...]
    filled: int


def judge(rule: Rule, breaches: Sequence[bool | None]) -> Verdict:
    """The verdict on one evaluation range, oldest first: breaching, within the threshold, or None for missing.

    Points are taken from as far back as needed to have N real ones; only where the range has fewer does it matter how
    missing ones count, and then every real one counts too.
    """
    real = [slot for slot, breach in enumerate(breaches) if breach is not None]
    evaluated = tuple(real[-rule.periods :])
    filled = rule.periods - len(evaluated)
    breaching = sum(breaches[slot] is True for slot in evaluated)

    def verdict(state: State | None, why: Why) -> Verdict:
        return Verdict(state, why, breaching, evaluated, filled)

    if filled and rule.missing in (Missing.BREACHING, Missing.NOT_BREACHING):
        counted = breaching + (filled if rule.missing is Missing.BREACHING else 0)
        return verdict(State.ALARM if counted >= rule.to_alarm else State.OK, Why.FILLED)
    if breaching >= rule.to_alarm:
        return verdict(State.ALARM, Why.DATAPOINTS)
    if breaching < len(evaluated) or not filled:
        return verdict(State.OK, Why.FILLED if filled else Why.DATAPOINTS)
    ignored = rule.missing is Missing.IGNORE
    if not evaluated:
        return verdict(None if ignored else State.INSUFFICIENT_DATA, Why.EMPTY)
    oldest_age = len(breaches) - evaluated[0]  # in periods; the newest is 1
    if oldest_age >= rule.to_alarm:
        return verdict(None if ignored else State.ALARM, Why.PREMATURE)
    return verdict(None if ignored else State.INSUFFICIENT_DATA, Why.UNDECIDED)
