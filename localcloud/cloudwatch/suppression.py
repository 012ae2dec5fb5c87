"""When a composite alarm acts, if another alarm suppresses its actions.

Source: CloudWatch User Guide, "Composite alarm action suppression": while the suppressor is in ALARM nothing is done;
before that the alarm waits up to the wait period for the suppressor, and after it for the extension period. Then it
acts on the state that it has, if it has not acted on that state already. That the wait period holds for every change
of state, not for ALARM alone, is a choice: the guide says neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from localcloud.cloudwatch.verdict import State


@dataclass(slots=True, kw_only=True)
class Suppression:
    """``acted_on`` is the state whose actions were performed last."""

    wait: timedelta
    extension: timedelta
    acted_on: State
    _pending: tuple[State, datetime] | None = None
    _released: datetime | None = None
    _suppressing: bool = False

    def held_by(self, at: datetime, state: State, suppressor: State) -> str | None:
        """What holds the actions of ``state`` back at this evaluation; None when they are due or done.

        Call it once an evaluation, and ``act`` on None where ``due`` says so.
        """
        if self._suppressing and suppressor is not State.ALARM:
            self._released = at
        self._suppressing = suppressor is State.ALARM
        if state is self.acted_on:
            self._pending = None
            return None
        if self._pending is None or self._pending[0] is not state:
            self._pending = (state, at)
        if self._suppressing:
            return "Alarm"
        if self._released is not None and at < self._released + self.extension:
            return "ExtensionPeriod"
        if self._released is None or self._released < self._pending[1]:
            return "WaitPeriod" if at < self._pending[1] + self.wait else None
        return None

    def take(self, state: State) -> bool:
        """Whether the actions of ``state`` are still to be performed; they count as performed from now on."""
        due, self.acted_on = state is not self.acted_on, state
        return due
