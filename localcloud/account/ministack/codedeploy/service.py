"""CodeDeploy's applications, groups, configurations and deployments, and the API over them.

Source: CodeDeploy API Reference. Deployments are made by CloudFormation alone, when it moves an alias.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

from localcloud.account.clock import Clock
from localcloud.account.ministack.codedeploy.deployment import Deployment, Functions, Plan
from localcloud.account.ministack.codedeploy.traffic import steps

NAME = "codedeploy"
TARGET = "CodeDeploy_20141006"


class ApiError(Exception):
    """A request that CodeDeploy refuses; ``code`` is the name of its exception."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True, kw_only=True)
class CodeDeploy:
    """All that there is of CodeDeploy in the account. ``groups`` hold the properties of their resources."""

    clock: Clock
    functions: Functions
    alarm_state: Callable[[str], str | None]
    applications: dict[str, float] = field(default_factory=dict)
    groups: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def deploy(self, update: Mapping[str, Any], *, function: str, alias: str, before: str, after: str) -> Deployment:
        """Begin to move an alias as its ``CodeDeployLambdaAliasUpdate`` says. Raises ApiError, ConfigurationError."""
        application, group = str(update["ApplicationName"]), str(update["DeploymentGroupName"])
        properties = self._group(application, group)
        alarms = properties.get("AlarmConfiguration") or {}
        config = str(properties.get("DeploymentConfigName", "CodeDeployDefault.LambdaAllAtOnce"))
        plan = Plan(
            application=application,
            group=group,
            config=config,
            function=function,
            alias=alias,
            before=before,
            after=after,
            steps=steps(config, self.configs),
            alarms=[alarm["Name"] for alarm in alarms.get("Alarms", ())] if _true(alarms.get("Enabled", True)) else [],
            before_hook=update.get("BeforeAllowTrafficHook"),
            after_hook=update.get("AfterAllowTrafficHook"),
        )
        deployment = Deployment(
            plan=plan, clock=self.clock, functions=self.functions, alarm_state=self.alarm_state, turn=self.turn
        )
        self.deployments[deployment.id] = deployment
        # ministack keeps account and region in the context.
        threading.Thread(target=copy_context().run, args=(deployment.run,), name=deployment.id, daemon=True).start()
        return deployment

    async def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes, _query: object) -> Any:
        """An HTTP request to the service, as ministack hands it over."""
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        answer = getattr(self, _OPERATIONS.get(operation, "_unknown"))
        try:
            status, found = 200, answer(json.loads(body or b"{}"), operation)
        except ApiError as error:
            status, found = 400, {"__type": error.code, "message": str(error)}
        return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(found).encode()

    def _unknown(self, _asked: Mapping[str, Any], operation: str) -> dict[str, Any]:
        raise ApiError("UnknownOperationException", f"{operation} is not answered here")

    def _get(self, asked: Mapping[str, Any], _operation: str) -> dict[str, Any]:
        return {"deploymentInfo": described(self._deployment(asked))}

    def _batch(self, asked: Mapping[str, Any], _operation: str) -> dict[str, Any]:
        found = [self._deployment({"deploymentId": each}) for each in asked.get("deploymentIds", ())]
        return {"deploymentsInfo": [described(deployment) for deployment in found]}

    def _list(self, asked: Mapping[str, Any], _operation: str) -> dict[str, Any]:
        application, group = asked.get("applicationName"), asked.get("deploymentGroupName")
        statuses = asked.get("includeOnlyStatuses")
        found = [
            deployment.id
            for deployment in reversed(list(self.deployments.values()))  # newest first
            if application in (None, deployment.plan.application)
            and group in (None, deployment.plan.group)
            and (not statuses or deployment.status in statuses)
        ]
        return {"deployments": found}

    def _list_targets(self, asked: Mapping[str, Any], _operation: str) -> dict[str, Any]:
        return {"targetIds": [_target_id(self._deployment(asked))]}

    def _get_target(self, asked: Mapping[str, Any], _operation: str) -> dict[str, Any]:
        return {"deploymentTarget": self._target(asked, str(asked.get("targetId")))}

    def _batch_targets(self, asked: Mapping[str, Any], _operation: str) -> dict[str, Any]:
        return {"deploymentTargets": [self._target(asked, name) for name in asked.get("targetIds", ())]}

    def _target(self, asked: Mapping[str, Any], name: str) -> dict[str, Any]:
        deployment = self._deployment(asked)
        if name != _target_id(deployment):
            raise ApiError("DeploymentTargetDoesNotExistException", f"{deployment.id} has no target {name}")
        return {"deploymentTargetType": "LambdaFunction", "lambdaTarget": target(deployment)}

    def _applications(self, _asked: Mapping[str, Any], _operation: str) -> dict[str, Any]:
        return {"applications": sorted(self.applications)}

    def _groups(self, asked: Mapping[str, Any], _operation: str) -> dict[str, Any]:
        application = str(asked.get("applicationName"))
        names = sorted(group for owner, group in self.groups if owner == application)
        return {"applicationName": application, "deploymentGroups": names}

    def _stop(self, asked: Mapping[str, Any], _operation: str) -> dict[str, Any]:
        deployment = self._deployment(asked)
        if deployment.ended is not None:
            raise ApiError("DeploymentAlreadyCompletedException", f"{deployment.id} is {deployment.status}")
        deployment.stop("it was stopped by a user")
        return {"status": "Pending", "statusMessage": "the traffic is sent back"}

    def _put_status(self, asked: Mapping[str, Any], _operation: str) -> dict[str, Any]:
        deployment, status = self._deployment(asked), str(asked.get("status"))
        execution = str(asked.get("lifecycleEventHookExecutionId"))
        if status not in ("Succeeded", "Failed"):
            raise ApiError("InvalidLifecycleEventHookExecutionStatusException", f"{status} is no status")
        if not deployment.put_hook_status(execution, status):
            raise ApiError("InvalidLifecycleEventHookExecutionIdException", f"{execution} is not under way")
        return {"lifecycleEventHookExecutionId": execution}

    def _deployment(self, asked: Mapping[str, Any]) -> Deployment:
        found = self.deployments.get(str(asked.get("deploymentId")))
        if found is None:
            raise ApiError("DeploymentDoesNotExistException", f"there is no deployment {asked.get('deploymentId')}")
        return found

    def _group(self, application: str, group: str) -> dict[str, Any]:
        found = self.groups.get((application, group))
        if found is None:
            raise ApiError("DeploymentGroupDoesNotExistException", f"there is no group {group} of {application}")
        return found


_OPERATIONS = {
    "GetDeployment": "_get",
    "BatchGetDeployments": "_batch",
    "ListDeployments": "_list",
    "ListDeploymentTargets": "_list_targets",
    "GetDeploymentTarget": "_get_target",
    "BatchGetDeploymentTargets": "_batch_targets",
    "ListApplications": "_applications",
    "ListDeploymentGroups": "_groups",
    "StopDeployment": "_stop",
    "PutLifecycleEventHookExecutionStatus": "_put_status",
}


def _target_id(deployment: Deployment) -> str:
    return f"{deployment.plan.function}:{deployment.plan.alias}"


def target(deployment: Deployment) -> dict[str, Any]:
    """A ``LambdaTarget``: the one alias that a deployment moves."""
    plan = deployment.plan
    return {
        "deploymentId": deployment.id,
        "targetId": _target_id(deployment),
        "status": deployment.status,
        "lastUpdatedAt": deployment.ended or deployment.created,
        "lambdaFunctionInfo": {
            "functionName": plan.function,
            "functionAlias": plan.alias,
            "currentVersion": plan.before,
            "targetVersion": plan.after,
            "targetVersionWeight": deployment.shifted_percent / 100,
        },
    }


def described(deployment: Deployment) -> dict[str, Any]:
    """A ``DeploymentInfo``."""
    plan = deployment.plan
    info: dict[str, Any] = {
        "applicationName": plan.application,
        "deploymentGroupName": plan.group,
        "deploymentConfigName": plan.config,
        "deploymentId": deployment.id,
        "status": deployment.status,
        "createTime": deployment.created,
        "startTime": deployment.created,
        "creator": "CloudFormation",
        "computePlatform": "Lambda",
        "deploymentStyle": {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
        "description": (
            f"{plan.function}:{plan.alias} from version {plan.before} to {plan.after}, "
            f"{deployment.shifted_percent} % of it shifted"
        ),
    }
    if deployment.ended is not None:
        info["completeTime"] = deployment.ended
    if deployment.code:
        info["errorInformation"] = {"code": deployment.code, "message": deployment.reason}
        info["rollbackInfo"] = {"rollbackMessage": f"all traffic is back at version {plan.before}"}
    return info


def _true(value: object) -> bool:
    return str(value).lower() == "true"
