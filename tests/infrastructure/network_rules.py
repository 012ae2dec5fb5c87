"""Rules of the network that no matrix shows: addresses, zones, the two halves of a door, policies, flow logs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from scripts.reachability.network import DEFAULT_GROUP
from scripts.reachability.ports import NONE
from scripts.reachability.rules import NotModelledError, Rule, logical_id
from tests.infrastructure import network_wanted
from tests.infrastructure.network_wanted import INTERFACE_SERVICES, Resources, Seen

NOWHERE = IPv4Network("127.0.0.1/32")
HTTPS = 1 << 443
PRIVATE = {"PrivateSubnetA", "PrivateSubnetB"}
OWN_GROUPS = {
    "Redis": "RedisSecurityGroup",
    "Database": "DatabaseSecurityGroup",
    "load balancer": "LoadBalancerSecurityGroup",
    **dict.fromkeys(INTERFACE_SERVICES, "EndpointSecurityGroup"),
}

# --- subnets ---

PLAN = {
    "PublicSubnetA": "10.0.1.0/24",
    "PublicSubnetB": "10.0.2.0/24",
    "PrivateSubnetA": "10.0.10.0/24",
    "PrivateSubnetB": "10.0.11.0/24",
}


def addresses_are_as_planned(seen: Seen) -> Iterator[str]:
    network = seen.network
    found = {name: str(subnet.network) for name, subnet in network.subnets.items()}
    if str(network.cidr) != "10.0.0.0/16" or found != PLAN:
        yield f"{network.cidr} with {found}"


def both_zones_are_covered(seen: Seen) -> Iterator[str]:
    subnets = seen.network.subnets
    for kind in ("Public", "Private"):
        zones = [subnets[name].zone for name in (f"{kind}SubnetA", f"{kind}SubnetB")]
        if len(set(zones)) != 2 or zones != [subnets["PublicSubnetA"].zone, subnets["PublicSubnetB"].zone]:
            yield f"{kind} subnets are in {zones}"


def nothing_gets_a_public_address(seen: Seen) -> Iterator[str]:
    for name, properties in seen.of("AWS::EC2::Subnet"):
        if properties.get("MapPublicIpOnLaunch") is not False:
            yield f"{name} gives its hosts public addresses"
    for name, properties in seen.of("AWS::RDS::DBInstance"):
        if properties.get("PubliclyAccessible") is not False:
            yield f"{name} does not say that it is private"


def no_default_is_left_to_aws(seen: Seen) -> Iterator[str]:
    """A subnet without an ACL, and an interface without a group, would get the VPC's own, which allow everything."""
    network = seen.network
    for subnet in network.subnets.values():
        if subnet.table is None or subnet.acl.name not in seen.resources:
            yield f"{subnet.name} has no route table or no ACL of its own"
    for node in seen.matrix.nodes.values():
        if any(DEFAULT_GROUP in host.groups for host in node.hosts):
            yield f"{node.name} is in {DEFAULT_GROUP}"


def everything_is_in_its_place(seen: Seen) -> Iterator[str]:
    """One group each, its own; functions and stores in both private subnets, endpoints in private ones."""
    for node in seen.matrix.nodes.values():
        if {host.groups for host in node.hosts} - {(OWN_GROUPS.get(node.name, "LambdaSecurityGroup"),)}:
            yield f"{node.name} is in {sorted({group for host in node.hosts for group in host.groups})}"
        subnets = {host.subnet for host in node.hosts}
        is_endpoint = node.service is not None
        if subnets and node.name != "load balancer" and not (subnets == PRIVATE or (is_endpoint and subnets < PRIVATE)):
            yield f"{node.name} is in {sorted(subnets)}"


# --- ways out ---


def public_subnets_leave_by_the_internet_gateway(seen: Seen) -> Iterator[str]:
    for name, subnet in seen.network.subnets.items():
        targets = {route.target for route in subnet.routes}
        if name not in PRIVATE and targets != seen.network.gateways:
            yield f"{name} leaves by {targets}"


def private_subnets_leave_by_nat_of_their_zone(seen: Seen) -> Iterator[str]:
    """By the one there is, or by the one of their own zone, so that no zone depends on the other."""
    network = seen.network
    if len({network.subnets[name].table for name in PRIVATE}) != 2:
        yield "both private subnets share a route table"
    for name in sorted(PRIVATE):
        subnet = network.subnets[name]
        targets = [route.target for route in subnet.routes]
        if len(targets) != 1 or targets[0] not in network.nats:
            yield f"{name} leaves by {targets}"
        elif len(network.nats) > 1 and network.subnets[network.nats[targets[0]].subnet].zone != subnet.zone:
            yield f"{name} leaves by {targets[0]}, in the other zone"


def production_outlives_a_zone(seen: Seen, stage: str) -> Iterator[str]:
    """Production has NAT and endpoints in both zones; another stage pays for one."""
    network, zones = seen.network, 2 if stage == "production" else 1
    if len(network.nats) != zones:
        yield f"{len(network.nats)} NAT gateways"
    for endpoint in network.endpoints.values():
        if endpoint.subnets and len(endpoint.subnets) != zones:
            yield f"{endpoint.name} in {endpoint.subnets}"


# --- security groups ---


def only_https_to_the_balancer_comes_from_addresses(seen: Seen) -> Iterator[str]:
    for group, rule in _rules(seen, "ingress"):
        is_balancers = group == "LoadBalancerSecurityGroup" and (rule.protocols, rule.ports) == (("tcp",), HTTPS)
        if isinstance(rule.peer, IPv4Network) and not (is_balancers and _is_wide(rule)):
            yield f"{rule.name} lets {rule.peer} into {group}"


def only_functions_send_to_addresses_and_only_https(seen: Seen) -> Iterator[str]:
    """A group without a rule of its own would get EC2's, which allows everything."""
    for group, rule in _rules(seen, "egress"):
        is_functions = group == "LambdaSecurityGroup" and (rule.protocols, rule.ports) == (("tcp",), HTTPS)
        if isinstance(rule.peer, IPv4Network) and rule.peer != NOWHERE and not is_functions:
            yield f"{rule.name} lets {group} out to {rule.peer}"


def every_door_has_both_halves(seen: Seen) -> Iterator[str]:
    """A rule from group to group that the other does not answer opens nothing today and anything tomorrow."""
    groups = seen.network.groups
    for side, opposite in (("ingress", "egress"), ("egress", "ingress")):
        for group, rule in _rules(seen, side):
            if not isinstance(rule.peer, str):
                continue
            other = groups[rule.peer]
            reach = [r for r in getattr(other, opposite) if r.peer == group or (opposite == "egress" and _is_wide(r))]
            for protocol in rule.protocols:
                met = NONE
                for candidate in reach:
                    met |= candidate.ports if protocol in candidate.protocols else NONE
                if rule.ports & ~met:
                    yield f"{rule.name} of {group}: {other.name} has no rule for the other half"
                    break


def _is_wide(rule: Rule) -> bool:
    return isinstance(rule.peer, IPv4Network) and rule.peer.prefixlen == 0


def _rules(seen: Seen, side: str) -> Iterator[tuple[str, Rule]]:
    for name, group in seen.network.groups.items():
        if name != DEFAULT_GROUP:
            yield from ((name, rule) for rule in getattr(group, side))


# --- endpoint policies, flow logs ---


def endpoint_policies_name_what_they_allow(seen: Seen) -> Iterator[str]:
    """Exact actions on named resources for this account; CloudFormation's answers alone come from another's."""
    for name, properties in seen.of("AWS::EC2::VPCEndpoint"):
        statements = properties.get("PolicyDocument", {}).get("Statement", [])
        if not statements:
            yield f"{name} has no policy"
        for statement in statements:
            sid = statement.get("Sid", "a statement")
            if any("*" in action for action in as_list(statement["Action"])):
                yield f"{name}: {sid} allows {statement['Action']}"
            if any(not _is_named(resource) for resource in as_list(statement["Resource"])):
                yield f"{name}: {sid} on {statement['Resource']}"
            ours = statement.get("Condition", {}).get("StringEquals", {}).get("aws:PrincipalAccount")
            if ours is None and sid != "AnswersOfCustomResources":
                yield f"{name}: {sid} is open to other accounts"


def _is_named(resource: Any) -> bool:
    """A resource of the template, or an ARN that is literal up to its last part."""
    if isinstance(resource, Mapping):
        below = re.fullmatch(r"\$\{\w+\.Arn\}/[^*]*\*?", str(resource.get("Fn::Sub", "")))
        return below is not None or logical_id(resource) is not None
    return "*" not in resource.rsplit("/", 1)[0] and resource.count(":") >= 5


def the_vpc_is_recorded(seen: Seen) -> Iterator[str]:
    logs = [properties for _, properties in seen.of("AWS::EC2::FlowLog")]
    if len(logs) != 1 or logical_id(logs[0]["ResourceId"]) != "Vpc" or logs[0]["TrafficType"] not in ("ALL", "REJECT"):
        yield f"flow logs: {logs}"
        return
    group = seen.resources.get(logical_id(logs[0]["LogGroupName"]) or "", {}).get("Properties", {})
    if not group.get("RetentionInDays") or not group.get("KmsKeyId"):
        yield "the flow logs' group has no retention or no key"


RULES: tuple[Callable[[Seen], Iterator[str]], ...] = (
    addresses_are_as_planned,
    both_zones_are_covered,
    nothing_gets_a_public_address,
    no_default_is_left_to_aws,
    everything_is_in_its_place,
    public_subnets_leave_by_the_internet_gateway,
    private_subnets_leave_by_nat_of_their_zone,
    only_https_to_the_balancer_comes_from_addresses,
    only_functions_send_to_addresses_and_only_https,
    every_door_has_both_halves,
    endpoint_policies_name_what_they_allow,
    the_vpc_is_recorded,
    network_wanted.groups_alone_allow_no_more,
    network_wanted.acls_alone_allow_no_more,
    network_wanted.ways_are_as_wanted,
    network_wanted.matrix_is_as_wanted,
)


def breaches(resources: Resources, stage: str) -> Iterator[str]:
    """All of them, cheapest first; a template that the model refuses to read is one."""
    seen = Seen(resources)
    try:
        yield from production_outlives_a_zone(seen, stage)
        for rule in RULES:
            yield from rule(seen)
    except NotModelledError as error:
        yield f"not modelled: {error}"


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
