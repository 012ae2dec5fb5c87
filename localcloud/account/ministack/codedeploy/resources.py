"""CodeDeploy's resource types for ministack's CloudFormation."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.account.ministack.codedeploy.service import CodeDeploy

TYPES = ("AWS::CodeDeploy::Application", "AWS::CodeDeploy::DeploymentConfig", "AWS::CodeDeploy::DeploymentGroup")

Made = tuple[str, dict[str, str]]


def register(table: dict[str, dict[str, Any]], service: CodeDeploy) -> None:
    """CodeDeploy's resource types, in ministack's table."""

    def application(logical_id: str, properties: Mapping[str, Any], stack: str) -> Made:
        name = str(properties.get("ApplicationName") or f"{stack}-{logical_id}")
        service.applications.setdefault(name, time.time())
        return name, {}

    def group(logical_id: str, properties: Mapping[str, Any], stack: str) -> Made:
        name = str(properties.get("DeploymentGroupName") or f"{stack}-{logical_id}")
        service.groups[str(properties["ApplicationName"]), name] = dict(properties)
        return name, {}

    def config(logical_id: str, properties: Mapping[str, Any], stack: str) -> Made:
        name = str(properties.get("DeploymentConfigName") or f"{stack}-{logical_id}")
        service.configs[name] = dict(properties)
        return name, {}

    def forget_group(name: str, properties: Mapping[str, Any]) -> None:
        service.groups.pop((str(properties["ApplicationName"]), name), None)

    def handlers(create: Callable[..., Made], delete: Callable[..., object]) -> dict[str, Any]:
        def update(_physical_id: str, _old: object, new: Mapping[str, Any], stack: str, logical_id: str) -> Made:
            return create(logical_id, new, stack)

        return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}

    table["AWS::CodeDeploy::Application"] = handlers(
        application, lambda name, _properties: service.applications.pop(name, None)
    )
    table["AWS::CodeDeploy::DeploymentGroup"] = handlers(group, forget_group)
    table["AWS::CodeDeploy::DeploymentConfig"] = handlers(
        config, lambda name, _properties: service.configs.pop(name, None)
    )
