"""Whether somebody changed the stack's resources by hand: CloudFormation would overwrite it, or fail over it.

What the platform itself changes while it runs is no drift: it is in ``OURS`` with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from scripts.deployment.stack import Stack

# By type and beginning of the property's path.
OURS = {
    ("AWS::Lambda::Alias", "/FunctionVersion"): "moved by a rollback",
    ("AWS::Lambda::Alias", "/RoutingConfig"): "moved by CodeDeploy",
    ("AWS::CloudFront::Distribution", "/DistributionConfig/Origins"): "rotate sets the headers of the origin guard",
    ("AWS::WAFv2::WebACL", "/Rules"): "rotate sets the headers of the origin guard",
}
_TOLD = 3  # properties of each; the console has them all
_NOT_HERE = ("UnknownOperation", "InvalidAction", "NotImplemented", "UnsupportedOperation")


@dataclass(frozen=True, slots=True)
class Drifted:
    """A resource that is not as the stack made it; ``properties`` are paths, none if it is gone."""

    logical_id: str
    type: str
    properties: Sequence[str]

    def __str__(self) -> str:
        more = f" and {len(self.properties) - _TOLD} more" if len(self.properties) > _TOLD else ""
        what = ", ".join(self.properties[:_TOLD]) + more if self.properties else "is gone"
        return f"{self.type} {self.logical_id}: {what}"


@dataclass(frozen=True, slots=True)
class DriftReport:
    """``not_made`` says what could not be checked and why; ``blocks`` whether that is for a person to decide."""

    drifted: Sequence[Drifted] = ()
    not_made: str = ""
    blocks: bool = False


def detect(stack: Stack) -> DriftReport:
    """Compare every resource that CloudFormation can compare. Takes minutes on AWS. Never raises for a refusal."""
    ask = stack.waiting.ask
    try:
        begun = ask(stack.client.detect_stack_drift, StackName=stack.name)["StackDriftDetectionId"]
        while True:
            status = ask(stack.client.describe_stack_drift_detection_status, StackDriftDetectionId=begun)
            if status["DetectionStatus"] != "DETECTION_IN_PROGRESS":
                break
            stack.waiting.pause()
        drifted = _drifted(stack)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        return DriftReport(not_made=str(error), blocks=code not in _NOT_HERE)
    # Failed is what it is called if one resource of hundreds could not be read; there are results of all others.
    failed = status["DetectionStatus"] == "DETECTION_FAILED"
    return DriftReport(drifted, not_made=status.get("DetectionStatusReason", "no reason given") if failed else "")


def _drifted(stack: Stack) -> list[Drifted]:
    found: list[Drifted] = []
    page: dict[str, str] = {}
    while True:
        answer = stack.waiting.ask(
            stack.client.describe_stack_resource_drifts,
            StackName=stack.name,
            StackResourceDriftStatusFilters=["MODIFIED", "DELETED"],
            **page,
        )
        found += [each for one in answer["StackResourceDrifts"] if (each := _read(one)) is not None]
        if not answer.get("NextToken"):
            return found
        page = {"NextToken": answer["NextToken"]}


def _read(drift: dict[str, Any]) -> Drifted | None:
    """None if all of it is ours."""
    kind = drift["ResourceType"]
    if drift["StackResourceDriftStatus"] == "DELETED":
        return Drifted(drift["LogicalResourceId"], kind, ())
    paths = [difference["PropertyPath"] for difference in drift.get("PropertyDifferences", [])]
    theirs = [path for path in paths if not _is_ours(kind, path)]
    return Drifted(drift["LogicalResourceId"], kind, theirs) if theirs else None


def _is_ours(kind: str, path: str) -> bool:
    return any(kind == ours and path.startswith(begins) for ours, begins in OURS)
