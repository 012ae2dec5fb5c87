"""Bring a stack to a template by a change set: propose it, look at it, execute it or throw it away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from scripts.deployment.changes import Change, read_changes
from scripts.deployment.errors import StackError
from scripts.deployment.stack import OnEvent, Stack, StackEvent, StackResource
from scripts.deployment.waiting import Waiting

__all__ = ["ChangeSet", "OnEvent", "Proposal", "StackError", "StackEvent", "StackResource"]

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
_NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")  # CloudFormation's words for it
KEEPS = None  # as a parameter's value: that which the stack has


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change set that can be executed. ``creates`` if there is no stack yet."""

    name: str
    creates: bool
    changes: Sequence[Change]


class ChangeSet:
    """Change sets of one stack of one account. ``every_s`` is how often it is asked how it is getting on."""

    def __init__(self, client: Any, stack: str, *, every_s: float = 3.0, waiting: Waiting | None = None) -> None:
        self.stack = Stack(client, stack, waiting=waiting or Waiting(every_s=every_s))
        self._client = client

    def deploy(
        self, template: Mapping[str, str], parameters: Mapping[str, str], *, on_event: OnEvent = lambda _: None
    ) -> dict[str, str]:
        """Create or update the stack and wait; returns its outputs. Raises StackError.

        ``template`` is ``TemplateURL`` or ``TemplateBody``. That there is nothing to change is success.
        """
        try:
            proposal = self.propose(template, parameters)
            if proposal is not None:
                past = self.execute(proposal)
                self.stack.follow(past, on_event)
            state = self.stack.state()
            return dict(state.outputs) if state else {}
        except (BotoCoreError, ClientError) as error:
            raise StackError(f"stack {self.stack.name}: {error}") from error

    def propose(self, template: Mapping[str, str], parameters: Mapping[str, str | None], **how: Any) -> Proposal | None:
        """The change set, made and not executed; None if there is nothing to change.

        ``how`` are further arguments of CreateChangeSet. Raises StackError if CloudFormation refuses it.
        """
        state = self.stack.state()
        creates = state is None or state.status == "REVIEW_IN_PROGRESS"
        name = f"deploy-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
        self._client.create_change_set(
            StackName=self.stack.name,
            ChangeSetName=name,
            ChangeSetType="CREATE" if creates else "UPDATE",
            Capabilities=CAPABILITIES,
            Parameters=[_parameter(key, value) for key, value in parameters.items()],
            **template,
            **how,
        )
        described = self._made(name)
        if described["Status"] == "FAILED":
            self._client.delete_change_set(StackName=self.stack.name, ChangeSetName=name)
            reason = described.get("StatusReason", "no reason given")
            if any(words in reason for words in _NOTHING_TO_DO):
                return None
            raise StackError(f"no change set for stack {self.stack.name}: {reason}")
        return Proposal(name, creates, read_changes(described["Changes"]))

    def execute(self, proposal: Proposal) -> set[str]:
        """Begin; returns the ids of events that were there before, for ``Stack.follow``."""
        past = set[str]() if proposal.creates else self.stack.past()
        self._client.execute_change_set(StackName=self.stack.name, ChangeSetName=proposal.name)
        return past

    def discard(self, proposal: Proposal) -> None:
        """Throw it away, and the empty stack that it made if there was none."""
        self._client.delete_change_set(StackName=self.stack.name, ChangeSetName=proposal.name)
        state = self.stack.state()
        if state is not None and state.status == "REVIEW_IN_PROGRESS":
            self._client.delete_stack(StackName=self.stack.name)

    def _made(self, name: str) -> dict[str, Any]:
        """Its description, with the changes of all pages, once CloudFormation has worked it out."""
        while True:
            described = self._described(name)
            if described["Status"] in ("CREATE_COMPLETE", "FAILED"):
                break
            self.stack.waiting.pause()
        changes = list(described.get("Changes", []))
        more = described.get("NextToken")
        while more:
            page = self._described(name, NextToken=more)
            changes += page.get("Changes", [])
            more = page.get("NextToken")
        return {**described, "Changes": changes}

    def _described(self, name: str, **page: str) -> dict[str, Any]:
        describe = self._client.describe_change_set
        answer: dict[str, Any] = self.stack.waiting.ask(
            describe, StackName=self.stack.name, ChangeSetName=name, IncludePropertyValues=True, **page
        )
        return answer


def _parameter(key: str, value: str | None) -> dict[str, Any]:
    return {"ParameterKey": key, **({"UsePreviousValue": True} if value is KEEPS else {"ParameterValue": value})}
