"""One stack: how it is, what happens to its resources, and what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from scripts.deployment.errors import RolledBackError, StackError
from scripts.deployment.waiting import Waiting

STACK_TYPE = "AWS::CloudFormation::Stack"
_GOOD = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
_TAKEN_BACK = ("ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE")
_BEGINS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "IMPORT_IN_PROGRESS")
_SUMS_UP = "The following resource(s) failed"  # each of them has said so itself
_FOLLOWS_FROM_ANOTHER = "cancelled"  # CloudFormation's word for what it stopped because something else had failed


@dataclass(frozen=True, slots=True)
class StackEvent:
    """What happened to one resource, or to the stack itself."""

    logical_id: str
    type: str
    status: str
    reason: str
    physical_id: str = ""


@dataclass(frozen=True, slots=True)
class StackResource:
    """One resource that the stack holds."""

    logical_id: str
    type: str
    physical_id: str
    status: str = ""


@dataclass(frozen=True, slots=True)
class StackState:
    """The stack as it is now; ``status`` is CloudFormation's word."""

    status: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    role_arn: str | None = None

    @property
    def is_moving(self) -> bool:
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"


def stack_name(stage: str) -> str:
    return f"defi-stream-{stage}"


OnEvent = Callable[[StackEvent], None]


class Stack:
    """One stack of one account. ``waiting`` says how to wait for it."""

    def __init__(self, client: Any, name: str, *, waiting: Waiting | None = None) -> None:
        self.client = client
        self.name = name
        self.waiting = waiting or Waiting()

    def state(self) -> StackState | None:
        """None if there is no such stack."""
        try:
            described = self.waiting.ask(self.client.describe_stacks, StackName=self.name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        given = described.get("Parameters", [])
        return StackState(
            described["StackStatus"],
            {one["ParameterKey"]: one.get("ParameterValue", "") for one in given},
            {one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", [])},
            described.get("RoleARN"),
        )

    def resources(self) -> tuple[StackResource, ...]:
        """What the stack holds now, and what it did not remove."""
        pages = self.client.get_paginator("list_stack_resources").paginate(StackName=self.name)
        return tuple(
            StackResource(
                found["LogicalResourceId"],
                found["ResourceType"],
                found.get("PhysicalResourceId", ""),
                found.get("ResourceStatus", ""),
            )
            for page in pages
            for found in page["StackResourceSummaries"]
        )

    def past(self) -> set[str]:
        """Ids of events by which to know those that come after: the newest page's."""
        return {event["EventId"] for event in next(self._event_pages(), [])}

    def before_this_change(self) -> set[str]:
        """The same as of the moment when the change that is going on began."""
        for page in self._event_pages():
            for place, event in enumerate(page):
                if event["LogicalResourceId"] == self.name and event["ResourceStatus"] in _BEGINS:
                    return {older["EventId"] for older in page[place + 1 :]} or {event["EventId"]}
        return set()

    def follow(self, past: Set[str], on_event: OnEvent, *, on_look: Callable[[], None] = lambda: None) -> StackState:
        """Tell of each resource until the change is over; returns how the stack is then.

        ``past`` are events not to tell. Raises RolledBackError if CloudFormation took the change back, StackError if it
        could do neither, both with the reasons of this change only; StillGoingError if it goes on and cannot be seen.
        """
        seen, failures = set(past), list[str]()
        while True:
            state = self.state()  # before the events: what is told by then is all
            for event in self.waiting.ask(self._fresh, seen=seen):
                on_event(event)
                failures += _failure(event, self.name)
            on_look()
            if state is None or not state.is_moving:
                break
            self.waiting.pause()
        if state is None:
            raise StackError(f"stack {self.name} is gone")
        if state.status not in _GOOD:
            kind = RolledBackError if state.status in _TAKEN_BACK else StackError
            raise kind("\n  ".join([f"stack {self.name} is {state.status}:", *_causes(failures)]))
        return state

    def _fresh(self, *, seen: set[str]) -> list[StackEvent]:
        """Those not seen, oldest first; they are seen then."""
        found = [event for event in reversed(list(self._events(seen))) if event["EventId"] not in seen]
        seen.update(event["EventId"] for event in found)
        return [
            StackEvent(
                event["LogicalResourceId"],
                event["ResourceType"],
                event["ResourceStatus"],
                event.get("ResourceStatusReason", ""),
                event.get("PhysicalResourceId", ""),
            )
            for event in found
        ]

    def _events(self, seen: Set[str]) -> Iterator[Any]:
        """The newest first, to the end of the page on which the first one stands that was seen.

        A stack keeps the events of its whole life: to read all of them at every look would be throttled some day.
        """
        for page in self._event_pages():
            yield from page
            if any(event["EventId"] in seen for event in page):
                return

    def _event_pages(self) -> Iterator[list[Any]]:
        pages = self.client.get_paginator("describe_stack_events").paginate(StackName=self.name)
        return (page["StackEvents"] for page in pages)


def _failure(event: StackEvent, stack: str) -> list[str]:
    if event.logical_id == stack:  # why the whole is taken back, such as an alarm
        own = event.reason and not event.reason.startswith(_SUMS_UP)
        return [event.reason] if own and "ROLLBACK_IN_PROGRESS" in event.status else []
    if event.status.endswith("_FAILED"):
        return [f"{event.logical_id} ({event.type}): {event.reason or event.status}"]
    return []


def _causes(failures: Sequence[str]) -> list[str]:
    """Without those that only follow from another."""
    first = [line for line in failures if _FOLLOWS_FROM_ANOTHER not in line]
    return list(dict.fromkeys(first or failures))
