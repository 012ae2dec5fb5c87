"""ports.Deployments on CodeDeploy.

https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-hooks.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import StoreDownError
from chalicelib.ports import FunctionVersion
from chalicelib.telemetry.outside import CODEDEPLOY, outside


class CodeDeploy:
    """What a deployment is about is read from its targets: GetDeployment leaves the content of an AppSpec out."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def shifting_to(self, deployment: str) -> Sequence[FunctionVersion]:
        ids = self._call("ListDeploymentTargets", self._client.list_deployment_targets, deploymentId=deployment)
        found = self._call(
            "BatchGetDeploymentTargets",
            self._client.batch_get_deployment_targets,
            deploymentId=deployment,
            targetIds=ids["targetIds"],  # one: CloudFormation makes a deployment for each alias
        )
        functions = (target["lambdaTarget"]["lambdaFunctionInfo"] for target in found["deploymentTargets"])
        return [FunctionVersion(each["functionName"], each["targetVersion"]) for each in functions]

    def judge(self, deployment: str, hook: str, *, succeeded: bool) -> None:
        self._call(
            "PutLifecycleEventHookExecutionStatus",
            self._client.put_lifecycle_event_hook_execution_status,
            deploymentId=deployment,
            lifecycleEventHookExecutionId=hook,
            status="Succeeded" if succeeded else "Failed",
        )

    def _call(self, operation: str, method: Callable[..., Any], **parameters: Any) -> Any:
        try:
            with outside(CODEDEPLOY, operation):
                return method(**parameters)
        except (BotoCoreError, ClientError) as error:
            raise StoreDownError(f"CodeDeploy: {operation} failed: {error}") from error
