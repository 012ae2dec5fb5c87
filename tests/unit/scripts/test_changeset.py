"""A stack that has been deployed for years."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from scripts.changeset import ChangeSet, StackError, StackEvent

PAGE = 100


class OldStack:
    """CloudFormation's client for one stack that has ``past`` events; a change set adds ``future`` ones."""

    def __init__(self, *, past: int, future: Sequence[str], ends: str = "UPDATE_COMPLETE") -> None:
        self.events = [self._event(f"Old{number}", "UPDATE_FAILED") for number in range(past)]
        self.pages_read = 0
        self._status = "UPDATE_COMPLETE"
        self._future, self._ends = future, ends

    def _event(self, name: str, status: str) -> dict[str, str]:
        return {"EventId": f"{name}-{status}", "LogicalResourceId": name, "ResourceType": "T", "ResourceStatus": status}

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        return {"Stacks": [{"StackStatus": self._status}]}

    def create_change_set(self, **_: object) -> None: ...

    def describe_change_set(self, **_: str) -> dict[str, str]:
        return {"Status": "CREATE_COMPLETE"}

    def execute_change_set(self, **_: str) -> None:
        self.events += [self._event(name, "UPDATE_FAILED") for name in self._future]
        self._status = self._ends

    def get_paginator(self, operation: str) -> OldStack:
        assert operation == "describe_stack_events"
        return self

    def paginate(self, **_: str) -> Iterator[dict[str, Any]]:
        newest_first = self.events[::-1]
        for start in range(0, len(newest_first), PAGE):
            self.pages_read += 1
            yield {"StackEvents": newest_first[start : start + PAGE]}


@pytest.mark.parametrize("count", [1, PAGE, 250])
def test_what_a_stack_went_through_before_is_neither_told_nor_read(count: int) -> None:
    stack, told = OldStack(past=5000, future=[f"New{number}" for number in range(count)]), list[StackEvent]()
    ChangeSet(stack, "old", every_s=0).deploy({}, {}, on_event=told.append)
    assert [event.logical_id for event in told] == [f"New{number}" for number in range(count)]
    assert stack.pages_read <= 2 + count // PAGE + 1


def test_only_failures_of_this_deployment_are_named() -> None:
    stack = OldStack(past=500, future=["Queue"], ends="UPDATE_ROLLBACK_COMPLETE")
    with pytest.raises(StackError) as failed:
        ChangeSet(stack, "old", every_s=0).deploy({}, {})
    assert "Queue" in str(failed.value)
    assert "Old" not in str(failed.value)
