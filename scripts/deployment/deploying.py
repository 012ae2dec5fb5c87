"""Bring a stage to a release: look before, change, watch, and write down how it went."""

from __future__ import annotations

from dataclasses import replace

from botocore.exceptions import BotoCoreError, ClientError

from scripts.artifacts import Artifacts
from scripts.deployment import guards, records
from scripts.deployment.account import Clients, is_aws
from scripts.deployment.aliases import Aliases
from scripts.deployment.console import Console
from scripts.deployment.drift import DriftReport
from scripts.deployment.following import Following
from scripts.deployment.options import Options, Result
from scripts.deployment.proposing import Proposing
from scripts.deployment.records import Record
from scripts.deployment.release import Release
from scripts.deployment.stack import Stack, StackState, stack_name
from scripts.deployment.waiting import Waiting, problem


class Deploying:
    """One stage of one account. What goes wrong is raised as scripts.deployment.errors has it."""

    def __init__(
        self, account: Clients, artifacts: Artifacts, stage: str, *, console: Console, waiting: Waiting | None = None
    ) -> None:
        self.account = account
        self.artifacts = artifacts
        self.stage = stage
        self.console = console
        self.stack = Stack(account.client("cloudformation"), stack_name(stage), waiting=waiting or Waiting())
        self.proposing = Proposing(account, artifacts, self.stack, stage=stage, console=console)
        self._following = Following(account, artifacts, self.stack, console=console)

    def resume(self) -> Result | None:
        """Follow a change that is going on, or settle one that nobody saw the end of; None if there is neither."""
        state = self.stack.state()
        record = records.unfinished(self.artifacts.history(self.stage))
        following = self._following
        if state is not None and state.is_moving:
            what = f"release {record.version}, begun by {record.who}" if record else "begun by another program"
            self.console.step(f"stack {self.stack.name} is {state.status}: {what}; following it")
            return following.follow(record, self.stack.before_this_change(), release=following.release_of(record))
        return following.settle(record, state) if record else None

    def deploy(self, release: Release, options: Options, *, record: Record | None = None) -> Result:
        """The stage runs the release when this returns. ``record`` is one that was begun before.

        The stack must not be moving. Nothing is changed by a dry run.
        """
        try:
            return self._deploy(release, options, record)
        except (BotoCoreError, ClientError) as error:
            raise problem(f"stack {self.stack.name}", error) from error

    def _deploy(self, release: Release, options: Options, record: Record | None) -> Result:
        state = guards.usable(self.stack, self.stack.state(), console=self.console, may_delete=options.yes)
        template = release.stage(self.stage)
        guards.made_for(release, aws=is_aws(self.stack.client))
        self.artifacts.check(release, self.stage)
        drift = self._before_an_update(state, options) if state is not None else None
        proposal = self.proposing.propose(release, options, state)
        changes = proposal.changes if proposal else ()
        self.proposing.show(proposal, options)
        if options.dry_run:
            if proposal:
                self.proposing.changes.discard(proposal)
            return Result(outcome="dry-run", changes=changes, drift=drift, outputs=state.outputs if state else {})
        if proposal:
            self.proposing.must_be_allowed(proposal, options, state)
        record = record or self.begin(release, records.DEPLOY)
        self.artifacts.keep(record)
        self.console.step(f"release {release.version} to {self.stack.name}, template {template.sha256[:12]}")
        past = self.proposing.changes.execute(proposal) if proposal else self.stack.past()
        result = self._following.follow(record, past, release=release)
        return replace(result, changes=changes, drift=drift)

    def begin(self, release: Release, kind: str) -> Record:
        """A record of what is about to be done, with what serves now."""
        before = self.aliases().serving() if self.stack.state() else {}
        history = self.artifacts.history(self.stage)
        who = self.account.who()
        return records.begin(release, stage=self.stage, kind=kind, who=who, history=history, before=before)

    def aliases(self) -> Aliases:
        return self._following.aliases()

    def _before_an_update(self, state: StackState, options: Options) -> DriftReport | None:
        if options.shifts_traffic:
            guards.on_stack_versions(self.stack, self.aliases())
        if not options.dry_run and (options.shifts_traffic or options.monitor_minutes):
            guards.not_in_alarm(self.account.client("cloudwatch"), state)
        if not options.checks_drift:
            return None
        refuses = not (options.accept_drift or options.dry_run)
        return guards.not_drifted(self.stack, console=self.console, refuses=refuses)
