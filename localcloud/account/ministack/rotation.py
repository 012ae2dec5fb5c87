"""Secrets that say that they are rotated, where a template says so; and the beginning of a rotation.

Nothing here asks the function: whoever wants a rotation takes that part of Secrets Manager's (scripts.rotate_secrets).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

KIND = "AWS::SecretsManager::RotationSchedule"


def begin_only() -> None:
    """A rotation begins with a pending version without a value; ministack's own ends at once, the value unchanged."""
    import ministack.services.secretsmanager as secrets

    own = secrets._rotate_secret

    def rotate(data: dict[str, Any]) -> Any:
        _, secret = secrets._resolve(data.get("SecretId"))
        before = copy.deepcopy(secret["Versions"]) if secret else {}
        status, headers, body = own(data)
        if status == 200:
            version = json.loads(body)["VersionId"]
            pending = {**secret["Versions"][version], "SecretString": None, "SecretBinary": None}
            begun = {version: {**pending, "Stages": ["AWSPENDING"]}} if data.get("RotateImmediately", True) else {}
            secret["Versions"] = {**before, **begun}
        return status, headers, body

    secrets._rotate_secret = rotate


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
