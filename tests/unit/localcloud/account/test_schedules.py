"""Scheduled rules where a minute lasts seconds."""

from __future__ import annotations

from localcloud.account.clock import Clock
from localcloud.account.ministack.schedules import LEAST_S, interval_s, one_at_a_time

QUICK = Clock(minute_s=2)
TARGET = {"Arn": "arn:aws:lambda:us-east-1:000000000000:function:poll:live"}
DUE = {"DetailType": "Scheduled Event"}


def test_schedules_keep_the_pace_but_leave_the_machine_some_rest() -> None:
    assert interval_s(60, Clock(minute_s=60)) == 60
    assert interval_s(300, QUICK) == 10
    assert interval_s(60, QUICK) == LEAST_S


def test_a_run_that_is_due_while_the_one_before_goes_on_is_left_out() -> None:
    invoked: list[object] = []
    running = {"poll": 1, "sweep": 0}
    invoke = one_at_a_time(lambda *given: invoked.append(given), lambda: running)
    invoke(TARGET, DUE, "rule")
    assert invoked == []
    running["poll"] = 0
    invoke(TARGET, DUE, "rule")
    assert invoked == [(TARGET, DUE, "rule")]


def test_what_is_not_scheduled_is_never_left_out() -> None:
    invoked: list[object] = []
    invoke = one_at_a_time(lambda *given: invoked.append(given), lambda: {"poll": 1})
    invoke(TARGET, {"DetailType": "Order placed"})
    assert len(invoked) == 1
