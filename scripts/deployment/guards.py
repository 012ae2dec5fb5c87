"""What must be so before a stack is changed. Each says what to do if it is not."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from scripts.deployment.aliases import Aliases
from scripts.deployment.changes import Change, Fate
from scripts.deployment.console import Console
from scripts.deployment.drift import DriftReport, detect
from scripts.deployment.errors import RefusedError, StackError
from scripts.deployment.release import Release
from scripts.deployment.stack import Stack, StackState
from scripts.deployment.stateful import HOLDS, idle, losses

ALARM = "RollbackAlarmArn"  # the stack's output
_STABLE = (
    "CREATE_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
)


def usable(stack: Stack, state: StackState | None, *, console: Console, may_delete: bool) -> StackState | None:
    """The stack as it can be updated; None if it is to be created. Raises RefusedError for any other."""
    if state is None or state.status == "REVIEW_IN_PROGRESS":
        return None
    if state.status in _STABLE:
        return state
    if state.status == "ROLLBACK_COMPLETE":
        return _deleted(stack, console=console, may_delete=may_delete)
    if state.status == "UPDATE_ROLLBACK_FAILED":
        raise RefusedError(_how_to_unblock(stack))
    raise RefusedError(
        f"stack {stack.name} is {state.status}, which cannot be updated. See what failed with\n"
        f"  aws cloudformation describe-stack-events --stack-name {stack.name}\n"
        f"and delete it when nothing in it is needed."
    )


def made_for(release: Release, *, aws: bool) -> None:
    """That the zip is for the machines that would run it."""
    wanted = "aws" if aws else "local"
    if release.target != wanted:
        raise RefusedError(
            f"release {release.version} was packaged for {release.target}, and here {wanted} runs it: "
            f"its compiled modules would not load. Package it with --target {wanted}"
        )


def _deleted(stack: Stack, *, console: Console, may_delete: bool) -> None:
    """What a failed first deployment leaves, removed if that can lose nothing."""
    left = [one for one in stack.resources() if one.type in HOLDS and one.status != "DELETE_COMPLETE"]
    if left or not may_delete:
        names = f" It still holds {', '.join(one.logical_id for one in left)}." if left else ""
        raise RefusedError(
            f"stack {stack.name} is ROLLBACK_COMPLETE: its first deployment failed, it can only be deleted.{names}\n"
            f"  aws cloudformation delete-stack --stack-name {stack.name}\n"
            f"{'Then' if left else 'Or give --yes to have it deleted; then'} the same command again."
        )
    console.step(f"delete stack {stack.name}, which was never up")
    stack.client.delete_stack(StackName=stack.name)
    while (state := stack.state()) is not None and state.status != "DELETE_COMPLETE":
        if state.status == "DELETE_FAILED":
            raise StackError(f"stack {stack.name} could not be deleted")
        stack.waiting.pause()


def _how_to_unblock(stack: Stack) -> str:
    stuck = [one.logical_id for one in stack.resources() if one.status.endswith("_FAILED")]
    skip = f" --resources-to-skip {' '.join(stuck)}" if stuck else ""
    return (
        f"stack {stack.name} is UPDATE_ROLLBACK_FAILED: {', '.join(stuck) or 'a resource'} could not be taken back. "
        f"Put right what stopped it, then\n"
        f"  aws cloudformation continue-update-rollback --stack-name {stack.name}\n"
        f"or leave those resources as they are, to be put right by the next deployment:\n"
        f"  aws cloudformation continue-update-rollback --stack-name {stack.name}{skip}\n"
        f"When it is UPDATE_ROLLBACK_COMPLETE, the same command again."
    )


def on_stack_versions(stack: Stack, aliases: Aliases) -> None:
    """That aliases point to what the stack thinks. CodeDeploy refuses to shift traffic from any other version."""
    made: dict[str, set[str]] = {}
    for one in stack.resources():
        if one.type == "AWS::Lambda::Version" and one.physical_id:
            function, version = one.physical_id.split(":")[-2:]
            made.setdefault(function, set()).add(version)
    astray = [str(one) for one in aliases.read() if one.version not in made.get(one.function, {one.version})]
    if astray:
        stage = stack.name.rpartition("-")[2]
        raise RefusedError(
            f"aliases were moved, and the stack does not know: {', '.join(astray)}.\n"
            f"A rollback was begun and not ended; end it with\n  python -m scripts.rollback {stage}"
        )


def not_in_alarm(cloudwatch: Any, state: StackState) -> None:
    """That the alarm which takes a release back is not on before there is a release.

    Its parts are those by which CodeDeploy stops a shift, too.
    """
    arn = state.outputs.get(ALARM)
    if not arn:
        return
    name = arn.partition(":alarm:")[2]
    listed = cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=["CompositeAlarm"]).get("CompositeAlarms", [])
    firing = [one.get("StateReason", "") for one in listed if one["StateValue"] == "ALARM"]
    if firing:
        why = f" ({firing[0]})" if firing[0] else ""
        raise RefusedError(
            f"{name} is in ALARM now{why}: every release would be taken back at once. See what is wrong, and try "
            f"again when it is over. A release that puts it right goes --at-once: all traffic, unverified and unwatched"
        )


def not_drifted(stack: Stack, *, console: Console, refuses: bool) -> DriftReport:
    """That nobody changed by hand what the stack made."""
    console.step("drift")
    report = detect(stack)
    if report.not_made:
        console.step(f"drift could not be checked: {report.not_made}")
    for one in report.drifted:
        console.line(f"drifted           {one}")
    if refuses and (report.drifted or report.blocks):
        what = "is not as it was deployed" if report.drifted else "could not be checked for drift"
        raise RefusedError(f"stack {stack.name} {what} (above): put it right, or give --accept-drift to overwrite it")
    return report


def told_unpublished(changes: Sequence[Change], *, console: Console) -> None:
    """A parameter that changes functions of which no new version is published reaches nothing that serves.

    Whether to publish is decided by the packager, with the stage's own values; others given now are not among them.
    """
    published = [one.logical_id for one in changes if one.type == "AWS::Lambda::Version" and one.fate is Fate.ADDED]
    late: set[str] = set()
    for one in changes:
        if one.type == "AWS::Lambda::Function" and not any(name.startswith(f"{one.logical_id}V") for name in published):
            late |= {cause.entity for cause in one.causes if cause.source == "ParameterReference"}
    for name in sorted(late - {"Version", "ArtifactBucket"}):
        console.step(f"{name} reaches no function's alias: put its value into cfn/parameters and package again")


# What ExecutionRole may not change, since it would be widening itself (cfn/deployment.yaml, NeverItself).
_NEVER_ITSELF = re.compile(r"(DeployRole|ExecutionRole|FunctionBoundary|Deploy[A-Z][a-z]+)")


def within_the_role(changes: Sequence[Change], role: str | None, *, stack: str) -> None:
    """That CloudFormation may do it in the name of ``role``; None are the caller's own rights.

    A stack remembers the role of the last change, and a person who names none works in it as well.
    """
    if not role or f":role/{stack}-ExecutionRole-" not in role:
        return
    beyond = [
        one.logical_id
        for one in changes
        if one.fate not in (Fate.TAGGED, Fate.SAME)
        and one.type in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy")
        and _NEVER_ITSELF.fullmatch(one.logical_id)
    ]
    if beyond:
        raise RefusedError(
            f"this changes {', '.join(sorted(beyond))}, and CloudFormation works in the name of ExecutionRole, which "
            f"may not widen itself. A person deploys it with --role: the ARN of a role that may, and that trusts "
            f"cloudformation.amazonaws.com"
        )


def nothing_lost(changes: Sequence[Change], allowed: Collection[str], *, console: Console) -> None:
    """That no stateful resource is replaced or deleted but those allowed."""
    for name in idle(allowed, changes):
        console.step(f"--allow-replace {name}: nothing would replace or delete it")
    lost = losses(changes, allowed=allowed)
    if lost:
        told = "\n  ".join(str(one) for one in lost)
        flags = " ".join(f"--allow-replace {one.change.logical_id}" for one in lost)
        raise RefusedError(f"this would take away what cannot be made again:\n  {told}\nIf that is meant: {flags}")
