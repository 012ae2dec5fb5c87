"""Back to a release that was: the traffic within a minute, then the stack."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from scripts.deployment import records
from scripts.deployment.deploying import Deploying
from scripts.deployment.errors import RefusedError, RolledBackError, StackError
from scripts.deployment.options import Options, Result
from scripts.deployment.proposing import VERSION
from scripts.deployment.records import Record
from scripts.deployment.schema import why_not_back
from scripts.deployment.shifting import stop
from scripts.deployment.waiting import problem


@dataclass(frozen=True, slots=True)
class Plan:
    """Which release, and which version of each function is to serve."""

    to: Record
    current: Record | None
    versions: dict[str, str]


class GoingBack:
    """Of one stage. What goes wrong is raised as scripts.deployment.errors has it."""

    def __init__(self, deploying: Deploying) -> None:
        self._deploying = deploying
        self._console = deploying.console

    def plan(self, version: str | None) -> Plan:
        """Where to. Changes nothing. Raises RefusedError if there is nothing to go back to, or the schema forbids it.

        Without a version to the release that served before the current one, or, of a release that is being deployed
        or was left half way, to the one that served before it.
        """
        history = self._deploying.artifacts.history(self._deploying.stage)
        current = records.serving(history)
        goal = self._goal(history, current, version)
        why = why_not_back(history[0].line, goal.revision)
        if why:
            raise RefusedError(f"release {goal.version} cannot serve again: {why}.\nDeploy a release that can instead.")
        return Plan(goal, current, goal.serves())

    def run(self, plan: Plan, *, allow_replace: Collection[str] = ()) -> Result:
        """The traffic is back when the aliases have moved; the stack follows, without a canary."""
        try:
            return self._run(plan, allow_replace)
        except (BotoCoreError, ClientError) as error:
            raise problem(f"stack {self._deploying.stack.name}", error) from error

    def _goal(self, history: Sequence[Record], current: Record | None, version: str | None) -> Record:
        if version is not None:
            for record in history:
                if record.version == version and record.outcome == records.DEPLOYED:
                    return record
            raise RefusedError(f"release {version} never served stage {self._deploying.stage}: see scripts.releases")
        begun = records.unfinished(history)
        if begun is not None and begun.kind == records.ROLLBACK:  # go where it was going
            return self._goal(history, current, begun.version)
        goal = current if begun is not None else records.before(history, current.version if current else None)
        if goal is None:
            raise RefusedError(f"stage {self._deploying.stage} has had no other release to go back to")
        return goal

    def _run(self, plan: Plan, allow_replace: Collection[str]) -> Result:
        self._end_what_is_going_on()
        if self._is_there(plan):
            self._console.step(f"release {plan.to.version} serves already")
            return Result(outcome=records.DEPLOYED, record=plan.to)
        artifacts = self._deploying.artifacts
        release = artifacts.release(plan.to.version)
        artifacts.check(release, self._deploying.stage)
        record = self._deploying.begin(release, records.ROLLBACK)
        artifacts.keep(record)
        pointers = self._deploying.aliases().move(plan.versions)
        for pointer in pointers:
            self._console.line(str(pointer))
        self._console.step(f"{len(pointers)} functions serve release {release.version}; now the stack")
        options = Options(
            shifts_traffic=False, checks_drift=False, monitor_minutes=0, yes=True, allow_replace=allow_replace
        )
        try:
            return self._deploying.deploy(release, options, record=record)
        except RefusedError as error:
            artifacts.keep(record.ended(records.FAILED, reason=str(error), after=plan.versions))
            raise StackError(f"the traffic is back at release {release.version}; the stack is not:\n{error}") from error

    def _is_there(self, plan: Plan) -> bool:
        state = self._deploying.stack.state()
        serving = self._deploying.aliases().serving()
        return (
            state is not None
            and state.parameters.get(VERSION) == plan.to.version
            and all(serving.get(function) == version for function, version in plan.versions.items())
        )

    def _end_what_is_going_on(self) -> None:
        stack, account = self._deploying.stack, self._deploying.account
        state = stack.state()
        if state is None:
            raise RefusedError(f"there is no stack {stack.name}")
        if not state.is_moving:
            return
        if state.status == "UPDATE_IN_PROGRESS":
            self._console.step(f"cancel the change of stack {stack.name}")
            stack.client.cancel_update_stack(StackName=stack.name)
        codedeploy = account.client("codedeploy")
        stop(codedeploy, stack.resources(), waiting=stack.waiting, say=self._console.step)
        try:
            self._deploying.resume()
        except RolledBackError:
            self._console.step("the change was taken back")
