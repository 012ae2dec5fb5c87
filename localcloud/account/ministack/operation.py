"""The end of a stack's update: traffic moves to the new versions, and the rollback triggers are watched.

ministack brings one resource after the other up to date. Here the aliases that CodeDeploy moves are left where they
are until all else is done, and then move side by side, as they do in AWS. What fails then fails the update, which
CloudFormation rolls back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from localcloud.account.clock import Clock
from localcloud.account.ministack.codedeploy.deployment import Deployment
from localcloud.account.ministack.codedeploy.service import ApiError, CodeDeploy
from localcloud.account.ministack.codedeploy.traffic import ConfigurationError
from localcloud.account.ministack.rollback import RollbackConfiguration

AlarmState = Callable[[str], str | None]
Told = Callable[[str, str, str], None]  # logical id, status, reason


class OperationError(Exception):
    """The operation is to be rolled back; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """An alias that is to move, from the version ``before`` of the stack's last template; ``was`` is where it is.

    ``update`` gives its ``CodeDeployLambdaAliasUpdate`` when all else is up to date.
    """

    logical_id: str
    function: str
    alias: str
    was: str
    before: str
    after: str
    update: Callable[[], Mapping[str, Any]]


@dataclass(slots=True, kw_only=True)
class Operation:
    """One operation on one stack. ``told`` hears of each alias's way; ``failed`` names those that did not move, and
    ``was`` the versions that they were at when it began. ``cancelled`` is asked for as long as it lasts."""

    rollback: RollbackConfiguration
    codedeploy: CodeDeploy
    alarm_state: AlarmState
    clock: Clock
    told: Told
    cancelled: Callable[[], bool] = lambda: False
    shifts: list[Shift] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    was: dict[str, str] = field(default_factory=dict)
    reason: str = ""

    def add(self, shift: Shift) -> None:
        self.shifts.append(shift)
        self.was[shift.logical_id] = shift.was

    def holds(self, logical_id: str) -> bool:
        """Whether this alias is still to move."""
        return any(shift.logical_id == logical_id for shift in self.shifts)

    def settle(self) -> None:
        """Move the aliases and watch. Raises OperationError."""
        try:
            self._check()
            self._move()
            self._monitor()
        except OperationError as error:
            self.reason = str(error)
            raise

    def _move(self) -> None:
        moving = {shift.logical_id: self._begin(shift) for shift in self.shifts}
        trigger = ""
        while moving:
            for logical_id, deployment in list(moving.items()):
                if deployment.ended is not None:
                    del moving[logical_id]
                    self._tell(logical_id, deployment)
            trigger = trigger or self._triggered()
            why = trigger or ("another resource failed" if self.failed else "")
            for deployment in moving.values() if why else ():
                deployment.stop(f"Resource update cancelled: {why}")
            time.sleep(self.clock.poll_s if moving else 0)
        if trigger or self.failed:
            names = ", ".join(sorted(self.failed))
            raise OperationError(trigger or f"The following resource(s) failed to update: [{names}].")

    def _begin(self, shift: Shift) -> Deployment:
        try:
            deployment = self.codedeploy.deploy(
                shift.update(), function=shift.function, alias=shift.alias, before=shift.before, after=shift.after
            )
        except (ApiError, ConfigurationError, KeyError) as error:
            self.told(shift.logical_id, "UPDATE_FAILED", str(error))
            raise OperationError(f"{shift.logical_id}: {error}") from error
        self.told(shift.logical_id, "UPDATE_IN_PROGRESS", f"CodeDeploy {deployment.id} moves it")
        return deployment

    def _tell(self, logical_id: str, deployment: Deployment) -> None:
        self.shifts = [shift for shift in self.shifts if shift.logical_id != logical_id]
        if deployment.succeeded:
            self.told(logical_id, "UPDATE_COMPLETE", "")
            return
        self.failed.append(logical_id)
        self.told(logical_id, "UPDATE_FAILED", f"CodeDeploy {deployment.id} {deployment.status}: {deployment.reason}")

    def _monitor(self) -> None:
        deadline = time.monotonic() + self.clock.seconds(self.rollback.minutes if self.rollback.alarms else 0)
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, self.clock.poll_s))
            self._check()

    def _check(self) -> None:
        if why := self._triggered():
            raise OperationError(why)

    def _triggered(self) -> str:
        """Who asks to roll back, a person or a rollback trigger; empty if none does."""
        if self.cancelled():
            return "User Initiated"  # CloudFormation's words for CancelUpdateStack
        for name in self.rollback.alarms:
            state = self.alarm_state(name)
            if state is None:
                return f"the rollback trigger {name} does not exist"
            if state == "ALARM":
                return f"the rollback trigger {name} is in ALARM"
        return ""
