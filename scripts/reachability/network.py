"""The network as a template describes it: subnets with their routes and ACLs, security groups, endpoints.

It reads a *resolved* template (``scripts.packaging.transform.resolve``): one stage's, with its conditions decided.
What it does not understand it refuses, so that nothing is called closed because it was overlooked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from scripts.reachability.ports import ALL
from scripts.reachability.rules import (
    PROTOCOLS,
    Acl,
    Entry,
    Group,
    NotModelledError,
    Rule,
    logical_id,
    name_of,
    read_entry,
    read_rule,
)

ANYWHERE = IPv4Network("0.0.0.0/0")
DEFAULT_GROUP = "the VPC's default security group"
_KNOWN = {
    "AWS::EC2::EIP",
    "AWS::EC2::FlowLog",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::NatGateway",
    "AWS::EC2::NetworkAcl",
    "AWS::EC2::NetworkAclEntry",
    "AWS::EC2::Route",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetNetworkAclAssociation",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCEndpoint",
    "AWS::EC2::VPCGatewayAttachment",
}
Resource = Mapping[str, Any]


@dataclass(frozen=True)
class Route:
    name: str
    network: IPv4Network
    target: str  # logical id of an internet gateway or a NAT gateway


@dataclass(frozen=True)
class Subnet:
    name: str
    network: IPv4Network
    zone: str
    table: str | None  # None: the main route table, which leads nowhere but through the VPC
    routes: tuple[Route, ...]
    acl: Acl


@dataclass(frozen=True)
class Nat:
    name: str
    subnet: str
    has_address: bool


@dataclass(frozen=True)
class Endpoint:
    name: str
    service: str  # the last word of its service name: sqs
    tables: tuple[str, ...]  # of a gateway endpoint
    subnets: tuple[str, ...]  # of an interface endpoint
    groups: tuple[str, ...]
    answers_names: bool  # functions that ask for the service by its usual name are led here

    @property
    def is_gateway(self) -> bool:
        return bool(self.tables)


class Network:
    """Everything of one VPC. Raises NotModelledError for what it cannot read."""

    def __init__(self, resources: Mapping[str, Resource]) -> None:
        self._resources = resources
        self._refuse_unknown()
        (vpc,) = self._of("AWS::EC2::VPC")
        self.vpc, properties = vpc
        self.cidr = IPv4Network(properties["CidrBlock"])
        self._has_names = bool(properties.get("EnableDnsSupport", True) and properties.get("EnableDnsHostnames"))
        self.gateways = {logical_id(p["InternetGatewayId"]) for _, p in self._of("AWS::EC2::VPCGatewayAttachment")}
        self.groups = {name: self._group(name, p) for name, p in self._of("AWS::EC2::SecurityGroup")}
        self.groups[DEFAULT_GROUP] = self._default_group()
        self.subnets = {name: self._subnet(name, p) for name, p in self._of("AWS::EC2::Subnet")}
        self.nats = {name: self._nat(name, p) for name, p in self._of("AWS::EC2::NatGateway")}
        self.endpoints = {name: self._endpoint(name, p) for name, p in self._of("AWS::EC2::VPCEndpoint")}

    def ranges(self) -> set[IPv4Network]:
        """Every address range that a rule, a route or a subnet names."""
        rules = [rule for group in self.groups.values() for rule in (*group.ingress, *group.egress)]
        found = {rule.peer for rule in rules if isinstance(rule.peer, IPv4Network)}
        for subnet in self.subnets.values():
            found |= {entry.network for entry in (*subnet.acl.inward, *subnet.acl.outward)}
            found |= {route.network for route in subnet.routes} | {subnet.network}
        return found

    def _of(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for name, resource in self._resources.items():
            if resource["Type"] == kind:
                yield name, resource.get("Properties", {})

    def _refuse_unknown(self) -> None:
        for name, resource in self._resources.items():
            if resource["Type"].startswith("AWS::EC2::") and resource["Type"] not in _KNOWN:
                raise NotModelledError(f"{name}: {resource['Type']} is not modelled")

    # --- security groups ---

    def _group(self, name: str, properties: Mapping[str, Any]) -> Group:
        egress = [read_rule(f"{name}.SecurityGroupEgress", rule) for rule in properties.get("SecurityGroupEgress", ())]
        if not egress:  # the trap: EC2 then adds a rule that allows everything
            egress = [Rule(f"{name}'s missing SecurityGroupEgress", ANYWHERE, PROTOCOLS, ALL)]
        ingress = [
            read_rule(f"{name}.SecurityGroupIngress", rule) for rule in properties.get("SecurityGroupIngress", ())
        ]
        return Group(
            name,
            ingress=(*ingress, *self._own_rules("AWS::EC2::SecurityGroupIngress", name)),
            egress=(*egress, *self._own_rules("AWS::EC2::SecurityGroupEgress", name)),
        )

    def _own_rules(self, kind: str, group: str) -> Iterator[Rule]:
        return (read_rule(name, p) for name, p in self._of(kind) if logical_id(p.get("GroupId")) == group)

    def _default_group(self) -> Group:
        among = Rule(DEFAULT_GROUP, DEFAULT_GROUP, PROTOCOLS, ALL)
        return Group(DEFAULT_GROUP, (among,), (Rule(DEFAULT_GROUP, ANYWHERE, PROTOCOLS, ALL),))

    # --- subnets ---

    def _subnet(self, name: str, properties: Mapping[str, Any]) -> Subnet:
        table = self._associated("AWS::EC2::SubnetRouteTableAssociation", "RouteTableId", name)
        return Subnet(
            name,
            IPv4Network(properties["CidrBlock"]),
            zone=str(properties.get("AvailabilityZone")),
            table=table,
            routes=tuple(self._routes(table)),
            acl=self._acl(self._associated("AWS::EC2::SubnetNetworkAclAssociation", "NetworkAclId", name)),
        )

    def _associated(self, kind: str, field: str, subnet: str) -> str | None:
        return next((logical_id(p[field]) for _, p in self._of(kind) if logical_id(p["SubnetId"]) == subnet), None)

    def _routes(self, table: str | None) -> Iterator[Route]:
        for name, p in self._of("AWS::EC2::Route"):
            if logical_id(p["RouteTableId"]) == table:
                yield _route(name, p)

    def _acl(self, name: str | None) -> Acl:
        if name is None:  # a VPC's default ACL allows everything
            every = (Entry("the VPC's default ACL", 100, True, PROTOCOLS, ALL, ANYWHERE),)
            return Acl("the VPC's default ACL", every, every)
        entries = [(p, entry_name) for entry_name, p in self._of("AWS::EC2::NetworkAclEntry")]
        own = [(bool(p.get("Egress")), read_entry(n, p)) for p, n in entries if logical_id(p["NetworkAclId"]) == name]
        in_order = sorted(own, key=lambda pair: pair[1].number)
        return Acl(
            name,
            inward=tuple(entry for outward, entry in in_order if not outward),
            outward=tuple(entry for outward, entry in in_order if outward),
        )

    # --- ways out ---

    def _nat(self, name: str, properties: Mapping[str, Any]) -> Nat:
        address = self._resources.get(logical_id(properties.get("AllocationId")) or "", {})
        return Nat(name, logical_id(properties["SubnetId"]) or "", address.get("Type") == "AWS::EC2::EIP")

    def _endpoint(self, name: str, properties: Mapping[str, Any]) -> Endpoint:
        is_interface = properties.get("VpcEndpointType", "Gateway") == "Interface"
        tables, subnets = properties.get("RouteTableIds", ()), properties.get("SubnetIds", ())
        return Endpoint(
            name,
            service=str(properties["ServiceName"]).rsplit(".", 1)[-1],
            tables=() if is_interface else tuple(map(name_of, tables)),
            subnets=tuple(map(name_of, subnets)) if is_interface else (),
            groups=group_ids(properties.get("SecurityGroupIds")),
            answers_names=bool(properties.get("PrivateDnsEnabled")) and self._has_names,
        )


def group_ids(values: Any) -> tuple[str, ...]:
    """The groups of a network interface: without any, EC2 gives it the VPC's default one."""
    return tuple(map(name_of, values or ())) or (DEFAULT_GROUP,)


def _route(name: str, properties: Mapping[str, Any]) -> Route:
    target = properties.get("GatewayId", properties.get("NatGatewayId"))
    if target is None or "DestinationCidrBlock" not in properties:
        raise NotModelledError(f"{name}: only DestinationCidrBlock by GatewayId or NatGatewayId is modelled")
    return Route(name, IPv4Network(properties["DestinationCidrBlock"]), name_of(target))
