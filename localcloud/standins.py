"""What ministack's CloudFormation lacks, put in its place.

A stand-in records the resource and answers its ``Ref`` and attributes with well-formed values; nothing works behind
it. It proves that the template is processed, not that the resource does anything, so whoever deploys lists them by
name. A type that is neither ministack's nor in this table is refused by ministack before anything is created.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class StandIn:
    """``ref`` is the physical id. ``{id}`` is the resource's own 17 hexadecimal digits, ``{name}`` its logical id."""

    ref: str
    attributes: Mapping[str, str] = field(default_factory=dict)


# Named for its address, which trust policies and parameters are held to.
GITHUB = "arn:aws:iam::000000000000:oidc-provider/token.actions.githubusercontent.com"

# By type. What is not here because ministack makes it is none of ours; what it starts to make is to be taken out.
STAND_INS: Mapping[str, StandIn] = {
    "AWS::ApiGatewayV2::Deployment": StandIn("{id}", {"DeploymentId": "{id}"}),
    "AWS::ApiGatewayV2::RouteResponse": StandIn("{id}", {"RouteResponseId": "{id}"}),
    "AWS::ApplicationAutoScaling::ScalableTarget": StandIn("{name}-{id}", {"Id": "{name}-{id}"}),
    "AWS::ApplicationAutoScaling::ScalingPolicy": StandIn("{name}-{id}", {"Arn": "arn:aws:autoscaling:::{name}/{id}"}),
    "AWS::Backup::BackupSelection": StandIn("{id}", {"SelectionId": "{id}"}),
    "AWS::Backup::RestoreTestingPlan": StandIn("{name}", {"RestoreTestingPlanArn": "arn:aws:backup:::plan:{name}"}),
    "AWS::Backup::RestoreTestingSelection": StandIn("{name}-{id}"),
    "AWS::Budgets::Budget": StandIn("{name}-{id}"),
    "AWS::CE::AnomalyMonitor": StandIn("arn:aws:ce::000000000000:anomalymonitor/{id}"),
    "AWS::CE::AnomalySubscription": StandIn("arn:aws:ce::000000000000:anomalysubscription/{id}"),
    "AWS::EC2::EIP": StandIn("198.51.100.1", {"AllocationId": "eipalloc-{id}", "PublicIp": "198.51.100.1"}),
    "AWS::EC2::FlowLog": StandIn("fl-{id}", {"Id": "fl-{id}"}),
    "AWS::EC2::NatGateway": StandIn("nat-{id}", {"NatGatewayId": "nat-{id}"}),
    "AWS::EC2::NetworkAcl": StandIn("acl-{id}", {"Id": "acl-{id}"}),
    "AWS::EC2::NetworkAclEntry": StandIn("{name}-{id}", {"Id": "{name}-{id}"}),
    "AWS::EC2::SecurityGroupEgress": StandIn("sgr-{id}", {"Id": "sgr-{id}"}),
    "AWS::EC2::SecurityGroupIngress": StandIn("sgr-{id}", {"Id": "sgr-{id}"}),
    "AWS::EC2::SubnetNetworkAclAssociation": StandIn("aclassoc-{id}", {"AssociationId": "aclassoc-{id}"}),
    "AWS::IAM::OIDCProvider": StandIn(GITHUB, {"Arn": GITHUB}),
    "AWS::Logs::Delivery": StandIn("{id}", {"Arn": "arn:aws:logs:::delivery:{id}", "DeliveryId": "{id}"}),
    "AWS::Logs::DeliveryDestination": StandIn("{name}", {"Arn": "arn:aws:logs:::delivery-destination:{name}"}),
    "AWS::Logs::DeliverySource": StandIn("{name}", {"Arn": "arn:aws:logs:::delivery-source:{name}"}),
    "AWS::Logs::QueryDefinition": StandIn("{id}", {"QueryDefinitionId": "{id}"}),
    "AWS::SecretsManager::RotationSchedule": StandIn("{name}-{id}", {"Id": "{name}-{id}"}),
    "AWS::WAFv2::IPSet": StandIn("{name}|{id}", {"Arn": "arn:aws:wafv2:::ipset/{name}/{id}", "Id": "{id}"}),
    "AWS::WAFv2::LoggingConfiguration": StandIn("{name}-{id}"),
    "AWS::WAFv2::WebACLAssociation": StandIn("{name}-{id}"),
    "AWS::XRay::Group": StandIn("{name}", {"GroupARN": "arn:aws:xray:::group/{name}/{id}"}),
    "AWS::XRay::SamplingRule": StandIn("{name}", {"RuleARN": "arn:aws:xray:::sampling-rule/{name}"}),
}


def made(stand_in: StandIn, stack: str, logical_id: str) -> tuple[str, dict[str, str]]:
    """Physical id and attributes: always the same for one resource of one stack."""
    digits = hashlib.sha256(f"{stack}/{logical_id}".encode()).hexdigest()[:17]
    attributes = {name: value.format(id=digits, name=logical_id) for name, value in stand_in.attributes.items()}
    return stand_in.ref.format(id=digits, name=logical_id), attributes


def _handlers(stand_in: StandIn) -> dict[str, Any]:
    return {
        "create": lambda logical_id, props, stack: made(stand_in, stack, logical_id),
        "update": lambda physical_id, old, new, stack, logical_id: made(stand_in, stack, logical_id),
        "update_with_logical_id": True,
        "delete": lambda physical_id, props: None,
    }


def register(table: dict[str, dict[str, Any]]) -> None:
    """Put the stand-ins into ministack's table of resource types. Raises SystemExit for one that it makes itself."""
    superfluous = sorted(STAND_INS.keys() & table.keys())
    if superfluous:
        raise SystemExit(f"ministack makes these itself, so their stand-ins must go: {', '.join(superfluous)}")
    table.update({name: _handlers(stand_in) for name, stand_in in STAND_INS.items()})


def stood_in(types: Mapping[str, str]) -> dict[str, list[str]]:
    """Logical ids of the resources that only stand in for the real thing, by type; ``types`` maps id to type."""
    found: dict[str, list[str]] = {}
    for logical_id, kind in sorted(types.items()):
        if kind in STAND_INS:
            found.setdefault(kind, []).append(logical_id)
    return found
