"""What the CloudFormation registry says of a resource type. cfn-lint carries its schemas, so no network is needed."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from cfnlint.schema import ResourceNotFoundError
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

REFERENCE_REGION = "us-east-1"  # has every type that others have; nothing here depends on the region


@cache
def schema_of(resource_type: str) -> dict[str, Any] | None:
    """The registry's schema; None for a custom resource and for a type that does not exist."""
    if is_custom(resource_type):
        return None
    try:
        return dict(PROVIDER_SCHEMA_MANAGER.get_resource_schema(REFERENCE_REGION, resource_type).schema)
    except ResourceNotFoundError:
        return None


def attributes_match(resource_type: str, attribute: str) -> bool:
    """Whether ``Fn::GetAtt`` may ask the type for the attribute. A custom resource may answer anything."""
    if is_custom(resource_type):
        return True
    if schema_of(resource_type) is None:
        return False
    known = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REFERENCE_REGION, resource_type).get_atts
    return any(re.fullmatch(pattern, attribute) for pattern in known)


def replacing_properties(resource_type: str) -> frozenset[str] | None:
    """Those whose change makes CloudFormation replace the resource; None if that is not known."""
    schema = schema_of(resource_type)
    if schema is None:
        return None
    paths = [*schema.get("createOnlyProperties", ()), *schema.get("conditionalCreateOnlyProperties", ())]
    return frozenset(path.split("/")[2] for path in paths)


def is_custom(resource_type: str) -> bool:
    return resource_type.startswith("Custom::") or resource_type == "AWS::CloudFormation::CustomResource"
