"""What the CloudFormation registry says of a resource type. cfn-lint carries its schemas, so no network is needed.

Its import takes half a second and is put off until a type is asked about.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cfnlint.schema import Schema

REFERENCE_REGION = "us-east-1"  # has every type that others have; nothing here depends on the region


@cache
def schema_of(resource_type: str) -> dict[str, Any] | None:
    """The registry's schema; None for a custom resource and for a type that does not exist."""
    found = _registered(resource_type)
    return None if found is None else dict(found.schema)


def attributes_match(resource_type: str, attribute: str) -> bool:
    """Whether ``Fn::GetAtt`` may ask the type for the attribute. A custom resource may answer anything."""
    if is_custom(resource_type):
        return True
    found = _registered(resource_type)
    return found is not None and any(re.fullmatch(pattern, attribute) for pattern in found.get_atts)


def replacing_properties(resource_type: str) -> frozenset[str] | None:
    """Those whose change makes CloudFormation replace the resource; None if that is not known."""
    schema = schema_of(resource_type)
    if schema is None:
        return None
    paths = [*schema.get("createOnlyProperties", ()), *schema.get("conditionalCreateOnlyProperties", ())]
    return frozenset(path.split("/")[2] for path in paths)


def is_custom(resource_type: str) -> bool:
    return resource_type.startswith("Custom::") or resource_type == "AWS::CloudFormation::CustomResource"


def _registered(resource_type: str) -> Schema | None:
    from cfnlint.schema import ResourceNotFoundError
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

    if is_custom(resource_type):
        return None
    try:
        return PROVIDER_SCHEMA_MANAGER.get_resource_schema(REFERENCE_REGION, resource_type)
    except ResourceNotFoundError:
        return None
