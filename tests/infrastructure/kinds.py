"""What the tests of the template share: all resources of a kind, and the policies that lie on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scripts.packaging.assemble import Assembled
from scripts.packaging.transform import resolve

Resources = dict[str, Any]


def of_type(resources: Resources, *types: str) -> dict[str, dict[str, Any]]:
    """Every resource of these types by id, as its properties. One of each type at least: else a test tests nothing."""
    found = {name: resource for name, resource in resources.items() if resource["Type"] in types}
    missing = set(types) - {resource["Type"] for resource in found.values()}
    assert not missing, f"the template has none of {sorted(missing)}"
    return {name: resource.get("Properties", {}) for name, resource in found.items()}


def resources_with(assembled: Assembled, transformed: dict[str, Any], **parameters: str) -> Resources:
    """The stage's resources with other values for some parameters."""
    resources: Resources = resolve(transformed, {**assembled.parameters, **parameters})["Resources"]
    return resources


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from listed(document["Statement"])


def actions(statement: dict[str, Any]) -> list[str]:
    return listed(statement.get("Action", []))


def policies_by_resource(resources: Resources) -> dict[str, list[dict[str, Any]]]:
    """The statements that lie on each queue, topic, bucket and key, by the resource's id."""
    found: dict[str, list[dict[str, Any]]] = {}
    for resource in resources.values():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::SQS::QueuePolicy":
                held = properties["Queues"]
            case "AWS::SNS::TopicPolicy":
                held = properties["Topics"]
            case "AWS::S3::BucketPolicy":
                held = [properties["Bucket"]]
            case _:
                continue
        for reference in held:
            assert reference["Ref"] not in found, f"{reference['Ref']} has two policies: the later replaces the earlier"
            found[reference["Ref"]] = list(statements(properties["PolicyDocument"]))
    for name, key in of_type(resources, "AWS::KMS::Key").items():
        found[name] = list(statements(key["KeyPolicy"]))
    return found


def conditions(statement: dict[str, Any]) -> dict[str, list[Any]]:
    """The values by condition key, whatever the operator; keys in lower case, as AWS compares them."""
    return {
        key.lower(): listed(values)
        for operands in statement.get("Condition", {}).values()
        for key, values in operands.items()
    }


def queue_of(arn: Any) -> Any:
    """The queue's id behind the intrinsic that gives its ARN."""
    return arn["Fn::GetAtt"][0]
