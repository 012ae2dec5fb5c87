"""Bring a stack to a template by a change set, telling of each resource as CloudFormation does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
_NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")  # CloudFormation's words for it


class StackError(RuntimeError):
    """The stack is not what was asked for; the message says which resources failed and why."""


@dataclass(frozen=True, slots=True)
class StackEvent:
    """What happened to one resource."""

    logical_id: str
    type: str
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class StackResource:
    """One resource that the stack holds."""

    logical_id: str
    type: str
    physical_id: str


OnEvent = Callable[[StackEvent], None]


class ChangeSet:
    """One stack of one account. ``every_s`` is how often it is asked how it is getting on."""

    def __init__(self, client: Any, stack: str, *, every_s: float = 3.0) -> None:
        self._client = client
        self._stack = stack
        self._every_s = every_s

    def deploy(
        self, template: Mapping[str, str], parameters: Mapping[str, str], *, on_event: OnEvent = lambda _: None
    ) -> dict[str, str]:
        """Create or update the stack and wait; returns its outputs. Raises StackError.

        ``template`` is ``TemplateURL`` or ``TemplateBody``. That there is nothing to change is success.
        """
        try:
            status = self._status()
            creates = status in (None, "REVIEW_IN_PROGRESS")
            newest = [] if status is None else next(self._event_pages(), [])
            change_set = self._propose(template, parameters, creates=creates)
            if change_set is not None:
                self._client.execute_change_set(StackName=self._stack, ChangeSetName=change_set)
                self._follow({event["EventId"] for event in newest}, on_event)
            return self._outputs()
        except (BotoCoreError, ClientError) as error:
            raise StackError(f"stack {self._stack}: {error}") from error

    def resources(self) -> tuple[StackResource, ...]:
        """What the stack holds now."""
        pages = self._client.get_paginator("list_stack_resources").paginate(StackName=self._stack)
        return tuple(
            StackResource(found["LogicalResourceId"], found["ResourceType"], found["PhysicalResourceId"])
            for page in pages
            for found in page["StackResourceSummaries"]
        )

    def _propose(self, template: Mapping[str, str], parameters: Mapping[str, str], *, creates: bool) -> str | None:
        """The change set's name; None if there is nothing to change."""
        name = f"deploy-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
        self._client.create_change_set(
            StackName=self._stack,
            ChangeSetName=name,
            ChangeSetType="CREATE" if creates else "UPDATE",
            Capabilities=CAPABILITIES,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            **template,
        )
        while True:
            described = self._client.describe_change_set(StackName=self._stack, ChangeSetName=name)
            if described["Status"] == "CREATE_COMPLETE":
                return name
            if described["Status"] == "FAILED":
                reason = described.get("StatusReason", "no reason given")
                if any(words in reason for words in _NOTHING_TO_DO):
                    self._client.delete_change_set(StackName=self._stack, ChangeSetName=name)
                    return None
                raise StackError(f"no change set for stack {self._stack}: {reason}")
            time.sleep(self._every_s)

    def _follow(self, seen: set[str], on_event: OnEvent) -> None:
        failures: list[str] = []
        while True:
            status = self._status()  # before the events: what is told by then is all
            for event in self._fresh(seen):
                on_event(event)
                if event.status.endswith("_FAILED"):
                    failures.append(f"{event.logical_id} ({event.type}): {event.reason or event.status}")
            if status and not status.endswith("_IN_PROGRESS"):
                break
            time.sleep(self._every_s)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise StackError("\n  ".join([f"stack {self._stack} is {status}:", *failures]))

    def _fresh(self, seen: set[str]) -> Iterator[StackEvent]:
        for event in reversed(list(self._events(seen))):  # they come newest first
            if event["EventId"] not in seen:
                seen.add(event["EventId"])
                yield StackEvent(
                    event["LogicalResourceId"],
                    event["ResourceType"],
                    event["ResourceStatus"],
                    event.get("ResourceStatusReason", ""),
                )

    def _events(self, seen: Set[str]) -> Iterator[Any]:
        """The newest first, to the end of the page on which the first one stands that was seen.

        A stack keeps the events of its whole life: to read all of them at every look would be throttled some day.
        """
        for page in self._event_pages():
            yield from page
            if any(event["EventId"] in seen for event in page):
                return

    def _event_pages(self) -> Iterator[list[Any]]:
        pages = self._client.get_paginator("describe_stack_events").paginate(StackName=self._stack)
        return (page["StackEvents"] for page in pages)

    def _status(self) -> str | None:
        try:
            (described,) = self._client.describe_stacks(StackName=self._stack)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return str(described["StackStatus"])

    def _outputs(self) -> dict[str, str]:
        (described,) = self._client.describe_stacks(StackName=self._stack)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
