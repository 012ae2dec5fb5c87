"""The end of a stack's update: aliases move, and rollback triggers are watched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from localcloud.account.clock import Clock
from localcloud.account.ministack.codedeploy.service import CodeDeploy
from localcloud.account.ministack.operation import Operation, OperationError, Shift
from localcloud.account.ministack.rollback import RollbackConfiguration, read
from tests.unit.localcloud.account.fake_functions import FakeFunctions

MOMENT = Clock(minute_s=0.02)
NEVER = Clock(minute_s=3600)
UPDATE = {"ApplicationName": "app", "DeploymentGroupName": "group"}


class Rig:
    """An operation with its aliases and what it tells."""

    def __init__(
        self,
        *,
        clock: Clock = MOMENT,
        state: Callable[[str], str | None] = lambda _: "OK",
        triggers: tuple[str, ...] = (),
    ) -> None:
        self.functions = FakeFunctions("1")
        self.told: list[tuple[str, str, str]] = []
        codedeploy = CodeDeploy(clock=clock, functions=self.functions, alarm_state=state)
        self.group: dict[str, Any] = {"DeploymentConfigName": "CodeDeployDefault.LambdaCanary10Percent5Minutes"}
        codedeploy.groups["app", "group"] = self.group
        self.operation = Operation(
            rollback=RollbackConfiguration(triggers, 5),
            codedeploy=codedeploy,
            alarm_state=state,
            clock=clock,
            told=lambda *event: self.told.append(event),
        )

    def add(self, name: str = "Alias", update: dict[str, str] = UPDATE) -> None:
        versions = {"was": "1", "before": "1", "after": "2"}
        self.operation.add(Shift(logical_id=name, function="f", alias="live", update=lambda: update, **versions))

    @property
    def statuses(self) -> list[str]:
        return [status for _, status, _ in self.told]


def test_an_alias_is_told_to_begin_and_to_have_moved() -> None:
    rig = Rig()
    rig.add()
    assert rig.operation.holds("Alias")
    rig.operation.settle()
    assert rig.statuses == ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]
    assert rig.functions.at == "2"
    assert not rig.operation.holds("Alias")


def test_an_alarm_of_the_group_fails_the_update_and_names_the_alias() -> None:
    rig = Rig(state=lambda _: "ALARM")
    rig.group["AlarmConfiguration"] = {"Alarms": [{"Name": "errors"}], "Enabled": True}
    rig.add()
    with pytest.raises(OperationError, match=r"\[Alias\]"):
        rig.operation.settle()
    assert rig.statuses[-1] == "UPDATE_FAILED"
    assert "errors" in rig.told[-1][2]
    assert rig.functions.at == "1"


def test_a_group_whose_alarms_are_off_is_stopped_by_none() -> None:
    rig = Rig(state=lambda _: "ALARM")
    rig.group["AlarmConfiguration"] = {"Alarms": [{"Name": "errors"}], "Enabled": "false"}
    rig.add()
    rig.operation.settle()
    assert rig.functions.at == "2"


def test_one_alias_that_fails_stops_the_others() -> None:
    rig = Rig(clock=NEVER, state=lambda name: "ALARM" if name == "errors" else "OK")
    rig.operation.codedeploy.groups["app", "bad"] = {"AlarmConfiguration": {"Alarms": [{"Name": "errors"}]}}
    rig.add("Good")
    rig.add("Bad", {**UPDATE, "DeploymentGroupName": "bad"})
    with pytest.raises(OperationError):
        rig.operation.settle()
    assert rig.operation.failed == ["Bad", "Good"]
    assert rig.functions.weights == {}


def test_a_rollback_trigger_in_alarm_stops_the_shift() -> None:
    rig = Rig(clock=NEVER, triggers=("burning",))
    rig.operation.alarm_state = lambda _: "ALARM" if rig.functions.weights else "OK"
    rig.add()
    with pytest.raises(OperationError, match="burning"):
        rig.operation.settle()
    assert (rig.functions.at, rig.functions.weights) == ("1", {})
    assert "burning" in rig.operation.reason


def test_a_rollback_trigger_is_watched_after_all_has_moved() -> None:
    rig = Rig(triggers=("burning",))
    looks = iter(range(1000))

    def state(_: str) -> str:
        return "ALARM" if rig.functions.at == "2" and next(looks) > 1 else "OK"

    rig.operation.alarm_state = state
    rig.add()
    with pytest.raises(OperationError, match="burning"):
        rig.operation.settle()
    assert rig.statuses[-1] == "UPDATE_COMPLETE"


def test_a_rollback_trigger_that_does_not_exist_fails_the_update() -> None:
    rig = Rig(state=lambda _: None, triggers=("lost",))
    with pytest.raises(OperationError, match="lost does not exist"):
        rig.operation.settle()


def test_a_group_that_there_is_not_fails_the_update_by_name() -> None:
    rig = Rig()
    rig.add(update={**UPDATE, "DeploymentGroupName": "other"})
    with pytest.raises(OperationError, match="other"):
        rig.operation.settle()
    assert rig.statuses == ["UPDATE_FAILED"]


def test_rollback_triggers_are_read_from_a_request() -> None:
    asked = {
        "RollbackConfiguration.RollbackTriggers.member.1.Arn": ["arn:aws:cloudwatch:r:1:alarm:one"],
        "RollbackConfiguration.RollbackTriggers.member.2.Arn": ["arn:aws:cloudwatch:r:1:alarm:two"],
        "RollbackConfiguration.MonitoringTimeInMinutes": ["10"],
    }
    assert read(asked) == RollbackConfiguration(("one", "two"), 10)


def test_a_request_that_says_nothing_of_triggers_keeps_those_of_before() -> None:
    assert read({"StackName": ["s"]}) is None


def test_an_update_that_somebody_cancels_sends_the_traffic_back() -> None:
    rig = Rig(clock=NEVER)
    rig.operation.cancelled = lambda: bool(rig.functions.weights)
    rig.add()
    with pytest.raises(OperationError, match="User Initiated"):
        rig.operation.settle()
    assert (rig.functions.at, rig.functions.weights) == ("1", {})


def test_an_update_can_be_cancelled_while_its_triggers_are_watched() -> None:
    rig = Rig(triggers=("quiet",))
    rig.operation.cancelled = lambda: rig.functions.at == "2"
    rig.add()
    with pytest.raises(OperationError, match="User Initiated"):
        rig.operation.settle()
    assert rig.statuses[-1] == "UPDATE_COMPLETE"
