"""Secrets that say that they are rotated, where a template says so; nothing here ever asks for a rotation by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KIND = "AWS::SecretsManager::RotationSchedule"


def register(table: dict[str, dict[str, Any]]) -> None:
    """The stand-in of a schedule goes on to be one; a rotation function looks at its secret before it does anything."""
    import ministack.services.secretsmanager as secrets

    own = table[KIND]

    def told(properties: Mapping[str, Any], *, enabled: bool) -> None:
        _, secret = secrets._resolve(str(properties["SecretId"]))
        if secret is not None:
            secret["RotationEnabled"] = enabled
            secret["RotationLambdaARN"] = str(properties.get("RotationLambdaARN", ""))

    def create(logical_id: str, properties: Mapping[str, Any], stack: str) -> Any:
        told(properties, enabled=True)
        return own["create"](logical_id, properties, stack)

    def delete(physical_id: str, properties: Mapping[str, Any]) -> None:
        told(properties, enabled=False)
        own["delete"](physical_id, properties)

    table[KIND] = {**own, "create": create, "delete": delete}
