"""A stack that has been deployed for years."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scripts.changeset import ChangeSet
from scripts.deployment.errors import DetachedError, RolledBackError, StackError, StillGoingError
from scripts.deployment.stack import Stack, StackEvent
from scripts.deployment.waiting import Waiting

PAGE = 100
NAME = "old"


class OldStack:
    """CloudFormation's client for one stack that has ``past`` events; a change set adds ``future`` ones.

    ``faults`` are raised by the first looks at the stack after the change has begun.
    """

    def __init__(
        self,
        *,
        past: int,
        future: Sequence[tuple[str, str]],
        ends: str = "UPDATE_COMPLETE",
        faults: Sequence[Exception] = (),
    ) -> None:
        self.events = [self._event(f"Old{number}", "UPDATE_FAILED") for number in range(past)]
        self.pages_read = 0
        self._status = "UPDATE_COMPLETE"
        self._future, self._ends, self._faults = future, ends, list(faults)
        self._begun = False

    def _event(self, name: str, status: str, reason: str = "") -> dict[str, str]:
        return {
            "EventId": f"{name}-{status}",
            "LogicalResourceId": name,
            "ResourceType": "T",
            "ResourceStatus": status,
            "ResourceStatusReason": reason,
        }

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        if self._begun and self._faults:
            raise self._faults.pop(0)
        return {"Stacks": [{"StackStatus": self._status}]}

    def create_change_set(self, **_: object) -> None: ...

    def describe_change_set(self, **_: object) -> dict[str, str]:
        return {"Status": "CREATE_COMPLETE"}

    def execute_change_set(self, **_: str) -> None:
        self._begun = True
        self.events.append(self._event(NAME, "UPDATE_IN_PROGRESS", "User Initiated"))
        self.events += [self._event(name, "UPDATE_FAILED", reason) for name, reason in self._future]
        if "ROLLBACK" in self._ends:
            self.events.append(self._event(NAME, "UPDATE_ROLLBACK_IN_PROGRESS", "an alarm fired"))
        self._status = self._ends

    def get_paginator(self, operation: str) -> OldStack:
        assert operation == "describe_stack_events"
        return self

    def paginate(self, **_: str) -> Iterator[dict[str, Any]]:
        newest_first = self.events[::-1]
        for start in range(0, len(newest_first), PAGE):
            self.pages_read += 1
            yield {"StackEvents": newest_first[start : start + PAGE]}


def deploy(stack: OldStack, **how: Any) -> list[StackEvent]:
    told: list[StackEvent] = []
    ChangeSet(stack, NAME, waiting=Waiting(every_s=0, **how)).deploy({}, {}, on_event=told.append)
    return told


def names(count: int) -> list[tuple[str, str]]:
    return [(f"New{number}", "") for number in range(count)]


@pytest.mark.parametrize("count", [1, PAGE, 250])
def test_what_a_stack_went_through_before_is_neither_told_nor_read(count: int) -> None:
    stack = OldStack(past=5000, future=names(count))
    assert [event.logical_id for event in deploy(stack)][1:] == [name for name, _ in names(count)]
    assert stack.pages_read <= 2 + count // PAGE + 1


def test_only_failures_of_this_deployment_are_named() -> None:
    stack = OldStack(past=500, future=[("Queue", "")], ends="UPDATE_ROLLBACK_COMPLETE")
    with pytest.raises(RolledBackError) as failed:
        deploy(stack)
    assert "Queue" in str(failed.value)
    assert "Old" not in str(failed.value)


def test_the_cause_is_told_without_what_followed_from_it() -> None:
    future = [("Queue", "no such key"), ("Other", "Resource update cancelled")]
    with pytest.raises(RolledBackError, match="no such key") as failed:
        deploy(OldStack(past=1, future=future, ends="UPDATE_ROLLBACK_COMPLETE"))
    assert "Other" not in str(failed.value)


def test_why_the_whole_stack_went_back_is_told() -> None:
    """An alarm is no resource's failure."""
    with pytest.raises(RolledBackError, match="an alarm fired"):
        deploy(OldStack(past=1, future=[], ends="UPDATE_ROLLBACK_COMPLETE"))


def test_a_stack_that_could_not_be_taken_back_is_not_called_taken_back() -> None:
    with pytest.raises(StackError) as failed:
        deploy(OldStack(past=1, future=[("Queue", "")], ends="UPDATE_ROLLBACK_FAILED"))
    assert not isinstance(failed.value, RolledBackError)


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeStacks")


def test_a_throttled_look_loses_no_event() -> None:
    stack = OldStack(past=10, future=names(3), faults=[refusal("Throttling"), refusal("Throttling")])
    assert len(deploy(stack)) == 4


def test_credentials_that_run_out_meanwhile_leave_the_change_going_on() -> None:
    with pytest.raises(StillGoingError, match="renew them"):
        deploy(OldStack(past=10, future=names(3), faults=[refusal("ExpiredToken")]))


def test_events_of_a_change_are_told_from_its_beginning_to_whoever_comes_later() -> None:
    stack = OldStack(past=300, future=names(3))
    stack.execute_change_set()
    told: list[StackEvent] = []
    following = Stack(stack, NAME, waiting=Waiting(every_s=0))
    following.follow(following.before_this_change(), told.append)
    assert [event.logical_id for event in told] == [NAME, "New0", "New1", "New2"]


def test_ctrl_c_is_not_the_stacks_failure() -> None:
    assert not issubclass(DetachedError, RolledBackError)
    assert DetachedError("").exit_code == 130
