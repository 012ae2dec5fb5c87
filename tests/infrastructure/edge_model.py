"""What of the template stands before page and APIs, by its parts; and the parameters of a stage with a domain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.infrastructure.kinds import Resources, of_type

DOMAIN = {
    "DomainName": "stream.example.com",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000",
    "HostedZoneId": "Z0EXAMPLE",
}

Deploy = Callable[..., Resources]


def distribution(resources: Resources) -> dict[str, Any]:
    (found,) = of_type(resources, "AWS::CloudFront::Distribution").values()
    config: dict[str, Any] = found["DistributionConfig"]
    return config


def origins(resources: Resources) -> dict[str, dict[str, Any]]:
    return {origin["Id"]: origin for origin in distribution(resources)["Origins"]}


def behaviours(resources: Resources) -> dict[str, dict[str, Any]]:
    """By the origin that each leads to."""
    config = distribution(resources)
    return {each["TargetOriginId"]: each for each in [config["DefaultCacheBehavior"], *config["CacheBehaviors"]]}


def forwarded(resources: Resources, origin: str) -> dict[str, Any]:
    """What of a viewer's request an API's origin sees."""
    policy = resources[behaviours(resources)[origin]["OriginRequestPolicyId"]["Ref"]]
    config: dict[str, Any] = policy["Properties"]["OriginRequestPolicyConfig"]
    return config


def web_acl(resources: Resources, scope: str) -> dict[str, Any]:
    (found,) = [acl for acl in of_type(resources, "AWS::WAFv2::WebACL").values() if acl["Scope"] == scope]
    return found


def rules(acl: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {rule["Name"]: rule for rule in acl["Rules"]}


def text(value: Any) -> str:
    """A literal, or what a Sub says."""
    return str(value["Fn::Sub"]) if isinstance(value, dict) else str(value)
