"""Bring a stack to a template by a change set, telling of each resource as CloudFormation does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
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
            seen = set() if status is None else {event["EventId"] for event in self._events()}
            if self._propose(template, parameters, creates=creates):
                self._client.execute_change_set(StackName=self._stack, ChangeSetName=self._name)
                self._follow(seen, on_event)
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

    def _propose(self, template: Mapping[str, str], parameters: Mapping[str, str], *, creates: bool) -> bool:
        """Whether there is anything to change."""
        self._name = f"deploy-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
        self._client.create_change_set(
            StackName=self._stack,
            ChangeSetName=self._name,
            ChangeSetType="CREATE" if creates else "UPDATE",
            Capabilities=CAPABILITIES,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            **template,
        )
        while True:
            described = self._client.describe_change_set(StackName=self._stack, ChangeSetName=self._name)
            if described["Status"] == "CREATE_COMPLETE":
                return True
            if described["Status"] == "FAILED":
                reason = described.get("StatusReason", "no reason given")
                if any(words in reason for words in _NOTHING_TO_DO):
                    return False
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
        for event in reversed(self._events()):  # they come newest first
            if event["EventId"] not in seen:
                seen.add(event["EventId"])
                yield StackEvent(
                    event["LogicalResourceId"],
                    event["ResourceType"],
                    event["ResourceStatus"],
                    event.get("ResourceStatusReason", ""),
                )

    def _events(self) -> list[Any]:
        pages = self._client.get_paginator("describe_stack_events").paginate(StackName=self._stack)
        return [event for page in pages for event in page["StackEvents"]]

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
