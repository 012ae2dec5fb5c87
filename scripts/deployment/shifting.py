"""Traffic on its way from one version to the next, by CodeDeploy: how far it is, why it went back, how to stop it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from scripts.deployment.aliases import ALIAS, Aliases
from scripts.deployment.stack import Stack, StackEvent, StackResource
from scripts.deployment.waiting import Waiting

_GROUP = "AWS::CodeDeploy::DeploymentGroup"
_APPLICATION = "AWS::CodeDeploy::Application"
_GOING_ON = ["Created", "Queued", "InProgress", "Ready"]
_OVER = ("Succeeded", "Failed", "Stopped")
_ENDED = ("DeploymentAlreadyCompletedException", "DeploymentDoesNotExistException")
_HOOK = re.compile(r"BeforeAllowTraffic|\bhook\b", re.IGNORECASE)  # CodeDeploy says that it failed, and not why
_HOOKS_LOG = "VerifyReleaseLogGroup"
_DEPLOYMENT = re.compile(r"\bd-[A-Z0-9]{9,}\b")

Say = Callable[[str], None]


class Shifts:
    """Tells of the share of each alias that is being moved; to be called with every event, and at every look."""

    def __init__(self, stack: Stack, functions: Any, codedeploy: Any, say: Say) -> None:
        self._stack = stack
        self._functions = functions
        self._codedeploy = codedeploy
        self._say = say
        self._moving: dict[str, StackResource] = {}
        self._told: dict[str, str] = {}
        self._hook_failed = False

    def event(self, event: StackEvent) -> None:
        """An alias that begins to move is looked at until it is there; one that fails says why."""
        if event.type != ALIAS:
            return
        if event.status == "UPDATE_IN_PROGRESS" and event.physical_id:
            self._moving[event.logical_id] = StackResource(event.logical_id, event.type, event.physical_id)
        elif not event.status.endswith("_IN_PROGRESS"):
            self._moving.pop(event.logical_id, None)
        if event.status.endswith("_FAILED"):
            self._explain(event.reason)

    def look(self) -> None:
        """Nothing that goes wrong here ends the deployment: it is only seen less well."""
        try:
            for pointer in Aliases(self._functions, self._moving.values()).read():
                if pointer.weights and self._told.get(pointer.function) != str(pointer):
                    self._told[pointer.function] = str(pointer)
                    self._say(f"shifting {pointer}")
        except (BotoCoreError, ClientError) as error:
            self._moving.clear()
            self._say(f"the shift of traffic cannot be seen: {error}")

    def _explain(self, reason: str) -> None:
        texts = [reason, *self._said(reason)]
        if any(_HOOK.search(text) for text in texts) and not self._hook_failed:
            self._hook_failed = True
            self._point_to_the_log()

    def _point_to_the_log(self) -> None:
        try:
            log = next(one.physical_id for one in self._stack.resources() if one.logical_id == _HOOKS_LOG)
        except (BotoCoreError, ClientError, StopIteration):
            return  # it is only a hint
        self._say(f"what did not answer as it should:  aws logs tail {log} --since 1h --filter-pattern release_judged")

    def _said(self, reason: str) -> Iterator[str]:
        """What CodeDeploy says of the deployments that a reason names; told, unless that has been."""
        for deployment in set(_DEPLOYMENT.findall(reason)):
            try:
                info = self._codedeploy.get_deployment(deploymentId=deployment)["deploymentInfo"]
            except (BotoCoreError, ClientError):
                continue  # the reason itself has been told
            said = info.get("errorInformation", {}).get("message") or info.get("status", "")
            if said not in reason:
                self._say(f"CodeDeploy {deployment}: {said}")
            yield said


def stop(codedeploy: Any, resources: Iterable[StackResource], *, waiting: Waiting, say: Say) -> list[str]:
    """End what CodeDeploy is shifting, with the traffic back where it was; returns the deployments' ids."""
    held = list(resources)
    application = next((one.physical_id for one in held if one.type == _APPLICATION), None)
    groups = [one.physical_id for one in held if one.type == _GROUP and one.physical_id]
    stopped: list[str] = []
    for group in groups if application else []:
        listed = codedeploy.list_deployments(
            applicationName=application, deploymentGroupName=group, includeOnlyStatuses=_GOING_ON
        )
        stopped += listed.get("deployments", [])
    for deployment in stopped:
        say(f"stop CodeDeploy {deployment}")
        _stop(codedeploy, deployment)
    for deployment in stopped:
        while codedeploy.get_deployment(deploymentId=deployment)["deploymentInfo"]["status"] not in _OVER:
            waiting.pause()
    return stopped


def _stop(codedeploy: Any, deployment: str) -> None:
    """It may have ended by itself meanwhile, or by CloudFormation's doing."""
    try:
        codedeploy.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _ENDED:
            raise
