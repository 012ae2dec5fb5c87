"""Bring a stage to a release: look before, change, watch, and write down how it went."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from scripts.artifacts import Artifacts
from scripts.changeset import ChangeSet, Proposal
from scripts.deployment import guards, records
from scripts.deployment.account import is_aws, role_for
from scripts.deployment.aliases import Aliases
from scripts.deployment.changes import Change, as_text, counted
from scripts.deployment.console import Console
from scripts.deployment.drift import DriftReport
from scripts.deployment.errors import RefusedError, RolledBackError, StackError, StillGoingError
from scripts.deployment.parameters import decide
from scripts.deployment.records import Record
from scripts.deployment.release import Release
from scripts.deployment.shifting import Shifts
from scripts.deployment.stack import Stack, StackEvent, StackState
from scripts.deployment.waiting import Waiting

SCHEMA = "Custom::DatabaseSchema"
SHIFTING = "TrafficShifting"  # the template's parameter: whether CodeDeploy moves the aliases
VERSION, BUCKET = "Version", "ArtifactBucket"  # parameters that only a deployment knows


class Clients(Protocol):
    """An account, as far as it is needed here."""

    def client(self, service: str) -> Any: ...

    def who(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to deploy. ``parameters`` go over the release's own."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    dry_run: bool = False
    allow_replace: Collection[str] = ()
    accept_drift: bool = False
    monitor_minutes: int = 10
    shifts_traffic: bool = True
    checks_drift: bool = True
    yes: bool = False
    verbose: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of it; ``record`` is None of a dry run."""

    outcome: str
    record: Record | None = None
    changes: Sequence[Change] = ()
    drift: DriftReport | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "version": self.record.version if self.record else None,
            "record": self.record.as_json() if self.record else None,
            "changes": [change.as_json() for change in self.changes],
            "drift": asdict(self.drift) if self.drift else None,
            "outputs": dict(self.outputs),
        }


def stack_name(stage: str) -> str:
    return f"defi-stream-{stage}"


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

    def resume(self) -> Result | None:
        """Follow a change that is going on, or settle one that nobody saw the end of; None if there is neither."""
        state = self.stack.state()
        history = self.artifacts.history(self.stage)
        record = records.unfinished(history)
        if state is not None and state.is_moving:
            what = f"release {record.version}, begun by {record.who}" if record else "begun by another program"
            self.console.step(f"stack {self.stack.name} is {state.status}: {what}; following it")
            return self._followed(record, self.stack.before_this_change(), release=self._release_of(record))
        if record is None:
            return None
        return self._settled(record, state)

    def deploy(self, release: Release, options: Options, *, record: Record | None = None) -> Result:
        """The stage runs the release when this returns. ``record`` is one that was begun before.

        The stack must not be moving. Nothing is changed by a dry run.
        """
        try:
            return self._deploy(release, options, record)
        except (BotoCoreError, ClientError) as error:
            raise StackError(f"stack {self.stack.name}: {error}") from error

    def _deploy(self, release: Release, options: Options, record: Record | None) -> Result:
        state = guards.usable(self.stack, self.stack.state(), console=self.console, may_delete=options.yes)
        template = release.stage(self.stage)
        guards.made_for(release, aws=is_aws(self.stack.client))
        self.artifacts.check(release, self.stage)
        drift = self._before_an_update(state, options) if state is not None else None
        proposal = self._propose(release, options, state)
        changes = proposal.changes if proposal else ()
        self._show(proposal, options)
        if options.dry_run:
            if proposal:
                self.changes.discard(proposal)
            return Result(outcome="dry-run", changes=changes, drift=drift, outputs=state.outputs if state else {})
        if proposal:
            self._must_be_allowed(proposal, options)
        record = record or self.begin(release, records.DEPLOY)
        self.artifacts.keep(record)
        self.console.step(f"release {release.version} to {self.stack.name}, template {template.sha256[:12]}")
        past = self.changes.execute(proposal) if proposal else self.stack.past()
        result = self._followed(record, past, release=release)
        return replace(result, changes=changes, drift=drift)

    def begin(self, release: Release, kind: str) -> Record:
        """A record of what is about to be done, with what serves now."""
        before = self.aliases().serving() if self.stack.state() else {}
        history = self.artifacts.history(self.stage)
        who = self.account.who()
        return records.begin(release, stage=self.stage, kind=kind, who=who, history=history, before=before)

    def aliases(self) -> Aliases:
        return Aliases(self.account.client("lambda"), self.stack.resources())

    @property
    def changes(self) -> ChangeSet:
        return ChangeSet(self.stack.client, self.stack.name, waiting=self.stack.waiting)

    # --- before ---

    def _before_an_update(self, state: StackState, options: Options) -> DriftReport | None:
        if options.shifts_traffic:
            guards.on_stack_versions(self.stack, self.aliases())
        if options.monitor_minutes and not options.dry_run:
            guards.not_in_alarm(self.account.client("cloudwatch"), state)
        if not options.checks_drift:
            return None
        refuses = not (options.accept_drift or options.dry_run)
        return guards.not_drifted(self.stack, console=self.console, refuses=refuses)

    def _propose(self, release: Release, options: Options, state: StackState | None) -> Proposal | None:
        template = release.stage(self.stage)
        declared = self.artifacts.template(template.key).get("Parameters", {})
        ours = {VERSION: release.version, BUCKET: self.artifacts.bucket}
        if state is not None:
            ours[SHIFTING] = "true" if options.shifts_traffic else "false"
        known = {name: value for name, value in ours.items() if name in declared}
        values = decide(declared, {**template.parameters, **known, **options.parameters}, self.stack, state)
        self.console.step("change set")
        url = self.artifacts.url(template.key)
        return self.changes.propose({"TemplateURL": url}, values, **self._how(options, state))

    def _how(self, options: Options, state: StackState | None) -> dict[str, Any]:
        """Of a change set: in whose name, and what takes it back."""
        how: dict[str, Any] = {}
        if state is None:
            return how  # there is no alarm yet, and no role
        ids = {one.logical_id: one.physical_id for one in self.stack.resources()}
        role = role_for(self.account.who(), self.stack.name, ids)
        if role:
            how["RoleARN"] = role
        alarm = state.outputs.get(guards.ALARM)
        watched = [{"Arn": alarm, "Type": "AWS::CloudWatch::CompositeAlarm"}] if alarm else []
        minutes = options.monitor_minutes
        # Said even if it is nothing: CloudFormation would go by what the last change was told.
        how["RollbackConfiguration"] = {
            "RollbackTriggers": watched if minutes else [],
            "MonitoringTimeInMinutes": minutes if watched else 0,
        }
        return how

    def _show(self, proposal: Proposal | None, options: Options) -> None:
        if proposal is None:
            self.console.step("nothing to change")
            return
        self.console.title(f"{'New stack' if proposal.creates else 'Changes of'} {self.stack.name}:")
        folded = proposal.creates and not options.verbose  # of a new stack everything is added
        for line in [] if folded else as_text(proposal.changes, verbose=options.verbose):
            self.console.line(line)
        self.console.line(counted(proposal.changes))
        if not proposal.creates:
            guards.told_unpublished(proposal.changes, console=self.console)

    def _must_be_allowed(self, proposal: Proposal, options: Options) -> None:
        try:
            guards.nothing_lost(proposal.changes, options.allow_replace, console=self.console)
            if not options.yes and not self.console.agrees(f"Change {self.stack.name} like this?"):
                raise RefusedError("not agreed to; nothing was changed")
        except BaseException:
            self.changes.discard(proposal)
            raise

    # --- while and after ---

    def _followed(self, record: Record | None, past: set[str], *, release: Release | None) -> Result:
        """Until the change is over; the record says then how."""
        keeper = _Keeper(record, release)
        shifts = Shifts(self.stack, self.account.client("lambda"), self.account.client("codedeploy"), self.console.step)

        def on_event(event: StackEvent) -> None:
            self.console.event(event)
            keeper.event(event, self.stack.name)
            shifts.event(event)

        try:
            state = self.stack.follow(past, on_event, on_look=shifts.look)
        except StillGoingError as error:
            raise type(error)(
                f"{error}\nCloudFormation goes on by itself; the same command again follows it"
            ) from error
        except StackError as error:
            outcome = records.ROLLED_BACK if isinstance(error, RolledBackError) else records.FAILED
            self._keep(keeper.record, outcome, reason=str(error))
            raise
        kept = self._keep(keeper.applied(), records.DEPLOYED)
        return Result(outcome=records.DEPLOYED, record=kept, outputs=state.outputs)

    def _settled(self, record: Record, state: StackState | None) -> Result | None:
        """Of a change that ended while nobody looked."""
        took = state is not None and state.parameters.get(VERSION) == record.version
        if not took or state is None:
            self.console.step(f"release {record.version}, begun {record.started}, was never made or was taken back")
            self._keep(record, records.ROLLED_BACK, reason="seen later")
            return None
        self.console.step(f"release {record.version}, begun {record.started}, is deployed by now")
        keeper = _Keeper(record, self._release_of(record))
        return Result(
            outcome=records.DEPLOYED, record=self._keep(keeper.applied(), records.DEPLOYED), outputs=state.outputs
        )

    def _release_of(self, record: Record | None) -> Release | None:
        return self.artifacts.release(record.version) if record else None

    def _keep(self, record: Record | None, outcome: str, *, reason: str = "") -> Record | None:
        if record is None:
            return None
        after = self.aliases().serving() if self.stack.state() else {}
        ended = record.ended(outcome, reason=reason, after=after)
        self.artifacts.keep(ended)
        return ended


class _Keeper:
    """Knows whether the release's schema was applied, which no taking back undoes."""

    def __init__(self, record: Record | None, release: Release | None) -> None:
        self.record = record
        self._release = release
        self._goes_back = False

    def event(self, event: StackEvent, stack: str) -> None:
        self._goes_back |= event.logical_id == stack and "ROLLBACK" in event.status
        if event.type == SCHEMA and event.status.endswith("_COMPLETE") and not self._goes_back:
            self.applied()

    def applied(self) -> Record | None:
        if self.record is not None and self._release is not None:
            self.record = self.record.migrated(self._release)
        return self.record
