"""One deployment of CodeDeploy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from localcloud.account.clock import Clock
from localcloud.account.ministack.codedeploy.deployment import Deployment, Plan
from localcloud.account.ministack.codedeploy.traffic import Step
from tests.unit.localcloud.account.fake_functions import FakeFunctions

MOMENT = Clock(minute_s=0.001)  # a minute, and a hook's hour, is over at once
NEVER = Clock(minute_s=3600)


def deployment(functions: FakeFunctions, *, clock: Clock = MOMENT, state: Any = None, **plan: Any) -> Deployment:
    given = {"steps": (Step(10, 1),), "alarms": ("errors",), **plan}
    return Deployment(
        plan=Plan(
            application="app", group="group", config="own", function="f", alias="live", before="1", after="2", **given
        ),
        clock=clock,
        functions=functions,
        alarm_state=state or (lambda _: "OK"),
    )


def saying(status: str) -> Callable[[FakeFunctions], Deployment]:
    """A deployment whose hook tells that."""

    def made(functions: FakeFunctions) -> Deployment:
        shift = deployment(functions, before_hook="verify")

        def hook(event: Mapping[str, Any]) -> None:
            assert shift.put_hook_status(event["LifecycleEventHookExecutionId"], status)

        functions.hook = hook
        return shift

    return made


def test_a_part_of_the_traffic_moves_first_and_then_all() -> None:
    functions = FakeFunctions("1")
    shift = deployment(functions)
    shift.run()
    assert shift.succeeded
    assert functions.routes == [("1", {"2": 0.1}), ("2", {})]


def test_an_alarm_during_the_shift_sends_the_traffic_back() -> None:
    functions = FakeFunctions("1")
    shift = deployment(functions, clock=NEVER, state=lambda _: "ALARM" if functions.weights else "OK")
    shift.run()
    assert (shift.status, shift.code) == ("Stopped", "ALARM_ACTIVE")
    assert "errors" in shift.reason
    assert (functions.at, functions.weights) == ("1", {})


def test_an_alarm_that_is_on_already_lets_nothing_move() -> None:
    functions = FakeFunctions("1")
    shift = deployment(functions, state=lambda _: "ALARM")
    shift.run()
    assert shift.status == "Stopped"
    assert all(not weights for _, weights in functions.routes)


def test_a_hook_that_is_content_lets_the_traffic_move() -> None:
    functions = FakeFunctions("1")
    shift = saying("Succeeded")(functions)
    shift.run()
    assert shift.succeeded


def test_a_hook_that_is_not_content_lets_nothing_move() -> None:
    functions = FakeFunctions("1")
    shift = saying("Failed")(functions)
    shift.run()
    assert (shift.status, shift.code) == ("Failed", "HOOK_FAILED")
    assert functions.routes == [("1", {})]


def test_a_hook_that_tells_nothing_is_waited_for_and_then_a_failure() -> None:
    functions = FakeFunctions("1")
    shift = deployment(functions, before_hook="verify")
    shift.run()
    assert (shift.status, shift.code) == ("Failed", "TIMEOUT")


def test_a_hook_that_raises_is_a_failure_at_once() -> None:
    functions = FakeFunctions("1", hook=lambda _: "it raised")
    shift = deployment(functions, clock=NEVER, before_hook="verify")
    shift.run()
    assert shift.code == "HOOK_FAILED"
    assert "it raised" in shift.reason


def test_a_hook_tells_once() -> None:
    functions = FakeFunctions("1")
    shift = deployment(functions, before_hook="verify")
    told: list[bool] = []

    def hook(event: Mapping[str, Any]) -> None:
        execution = event["LifecycleEventHookExecutionId"]
        told.extend(shift.put_hook_status(execution, status) for status in ("Succeeded", "Failed"))

    functions.hook = hook
    shift.run()
    assert told == [True, False]
    assert shift.succeeded
    assert not shift.put_hook_status("another", "Succeeded")


def test_who_stops_it_sends_the_traffic_back() -> None:
    functions = FakeFunctions("1")
    shift = deployment(functions, clock=NEVER)
    thread = threading.Thread(target=shift.run)
    thread.start()
    shift.stop("a person did")
    thread.join(30)
    assert (shift.status, shift.reason) == ("Stopped", "a person did")
    assert (functions.at, functions.weights) == ("1", {})


def test_an_alias_that_somebody_has_moved_is_left_where_it_is() -> None:
    functions = FakeFunctions("7")
    shift = deployment(functions)
    shift.run()
    assert shift.status == "Failed"
    assert functions.routes == []


def test_whatever_fails_the_alias_is_not_left_between_two_versions() -> None:
    functions = FakeFunctions("1")

    def state(_: str) -> str:
        if functions.weights:
            raise RuntimeError("no answer")
        return "OK"

    shift = deployment(functions, clock=NEVER, state=state)
    shift.run()
    assert shift.status == "Failed"
    assert (functions.at, functions.weights) == ("1", {})


@pytest.mark.parametrize("percents", [(10, 20, 30), (50,)])
def test_each_step_has_its_share(percents: tuple[int, ...]) -> None:
    functions = FakeFunctions("1")
    deployment(functions, steps=[Step(percent, 1) for percent in percents]).run()
    assert [weights["2"] for _, weights in functions.routes[:-1]] == [percent / 100 for percent in percents]


def test_hooks_are_called_one_after_the_other() -> None:
    """All at once they would each take as long as all of them."""
    functions, turn = FakeFunctions("1"), threading.Lock()
    seen: list[bool] = []
    shift = deployment(functions, before_hook="verify")
    shift.turn = turn
    functions.hook = lambda _: seen.append(turn.locked())
    shift.run()
    assert seen == [True]
    assert not turn.locked()
