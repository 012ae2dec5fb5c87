"""What a release would change in a stage: proposed as a change set, shown, and thrown away unless it is allowed."""

from __future__ import annotations

from typing import Any

from scripts.artifacts import Artifacts
from scripts.changeset import ChangeSet, Proposal
from scripts.deployment import guards
from scripts.deployment.account import Clients, role_for
from scripts.deployment.changes import as_text, counted
from scripts.deployment.console import Console
from scripts.deployment.errors import RefusedError
from scripts.deployment.options import Options
from scripts.deployment.parameters import decide
from scripts.deployment.release import Release
from scripts.deployment.stack import Stack, StackState

VERSION, BUCKET = "Version", "ArtifactBucket"  # parameters that only a deployment knows
SHIFTING = "TrafficShifting"  # whether CodeDeploy moves the aliases


class Proposing:
    """Change sets of one stage, from the releases of one bucket."""

    def __init__(self, account: Clients, artifacts: Artifacts, stack: Stack, *, stage: str, console: Console) -> None:
        self._account = account
        self._artifacts = artifacts
        self._stack = stack
        self._stage = stage
        self._console = console

    @property
    def changes(self) -> ChangeSet:
        return ChangeSet(self._stack.client, self._stack.name, waiting=self._stack.waiting)

    def propose(self, release: Release, options: Options, state: StackState | None) -> Proposal | None:
        """None if there is nothing to change. Raises RefusedError for parameters that AWS would not take."""
        template = release.stage(self._stage)
        declared = self._artifacts.template(template.key).get("Parameters", {})
        ours = {VERSION: release.version, BUCKET: self._artifacts.bucket}
        if state is not None:
            ours[SHIFTING] = "true" if options.shifts_traffic else "false"
        known = {name: value for name, value in ours.items() if name in declared}
        values = decide(declared, {**template.parameters, **known, **options.parameters}, self._stack, state)
        self._console.step("change set")
        url = self._artifacts.url(template.key)
        return self.changes.propose({"TemplateURL": url}, values, **self._how(options, state))

    def show(self, proposal: Proposal | None, options: Options) -> None:
        if proposal is None:
            self._console.step("nothing to change")
            return
        self._console.title(f"{'New stack' if proposal.creates else 'Changes of'} {self._stack.name}:")
        folded = proposal.creates and not options.verbose  # of a new stack everything is added
        for line in [] if folded else as_text(proposal.changes, verbose=options.verbose):
            self._console.line(line)
        self._console.line(counted(proposal.changes))
        if not proposal.creates:
            guards.told_unpublished(proposal.changes, console=self._console)

    def must_be_allowed(self, proposal: Proposal, options: Options, state: StackState | None) -> None:
        """Raises RefusedError, the change set thrown away, unless a person or an option wants what would be lost."""
        try:
            if state is not None:
                guards.within_the_role(proposal.changes, self._role(options) or state.role_arn, stack=self._stack.name)
            guards.nothing_lost(proposal.changes, options.allow_replace, console=self._console)
            if not options.yes and not self._console.agrees(f"Change {self._stack.name} like this?"):
                raise RefusedError("not agreed to; nothing was changed")
        except BaseException:
            self.changes.discard(proposal)
            raise

    def _how(self, options: Options, state: StackState | None) -> dict[str, Any]:
        """Of a change set: in whose name, and what takes it back."""
        how: dict[str, Any] = {}
        role = self._role(options) if state is not None else options.role
        if role:
            how["RoleARN"] = role
        if state is None:
            return how  # there is no alarm yet
        alarm = state.outputs.get(guards.ALARM)
        watched = [{"Arn": alarm, "Type": "AWS::CloudWatch::CompositeAlarm"}] if alarm else []
        minutes = options.monitor_minutes
        # Said even if it is nothing: CloudFormation would go by what the last change was told.
        how["RollbackConfiguration"] = {
            "RollbackTriggers": watched if minutes else [],
            "MonitoringTimeInMinutes": minutes if watched else 0,
        }
        return how

    def _role(self, options: Options) -> str | None:
        """None: the one that the stack remembers, or if it never had any, the caller's own rights."""
        if options.role:
            return options.role
        ids = {one.logical_id: one.physical_id for one in self._stack.resources()}
        return role_for(self._account.who(), self._stack.name, ids)
