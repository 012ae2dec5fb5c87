"""Templates with one thing changed: each rule of the network taken away, and each way to open one thing too many.

They are made from what the template holds, so a new group, ACL, subnet or function is covered without a new line here.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Resources = dict[str, Any]
Mutation = tuple[str, Callable[[Resources], None]]

LOAD_BEARING = {
    "AWS::EC2::EIP",
    "AWS::EC2::FlowLog",
    "AWS::EC2::NatGateway",
    "AWS::EC2::NetworkAclEntry",
    "AWS::EC2::Route",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::SubnetNetworkAclAssociation",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPCEndpoint",
    "AWS::EC2::VPCGatewayAttachment",
}
ANYWHERE, INSIDE, SOMEWHERE = "0.0.0.0/0", "10.0.0.0/16", "203.0.113.0/24"


def mutated(resources: Mapping[str, Any], change: Callable[[Resources], None]) -> Resources | None:
    """A changed copy, or None if the template says that already."""
    changed = json.loads(json.dumps(resources))  # it is JSON; deepcopy takes five times as long, a thousand times
    change(changed)
    return None if changed == resources else changed


def removals(resources: Mapping[str, Any]) -> Iterator[Mutation]:
    for name, resource in resources.items():
        if resource["Type"] in LOAD_BEARING:
            yield f"without {name}", lambda changed, name=name: changed.pop(name)


def openings(resources: Mapping[str, Any]) -> Iterator[Mutation]:
    """Everything that would let somebody reach, or be reached by, more than now."""
    yield from _group_openings(resources)
    yield from _pair_openings(resources)
    yield from _widened_rules(resources)
    yield from _acl_openings(resources)
    yield from _route_openings(resources)
    yield from _moves(resources)
    yield from _endpoint_openings(resources)
    yield from _strangers()


# --- security groups ---


def _group_openings(resources: Mapping[str, Any]) -> Iterator[Mutation]:
    for group in _named(resources, "AWS::EC2::SecurityGroup"):
        for cidr in (ANYWHERE, INSIDE, SOMEWHERE):
            for port in (22, 443, 5432, 6379):
                if (group, cidr, port) != ("LoadBalancerSecurityGroup", ANYWHERE, 443):
                    yield f"{cidr} may reach {group} on {port}", _rule("Ingress", group, port, CidrIp=cidr)
            yield f"{group} may reach {cidr} on 80", _rule("Egress", group, 80, CidrIp=cidr)
        yield f"{group} may reach everything", _rule("Egress", group, -1, IpProtocol="-1", CidrIp=ANYWHERE)
        yield f"{group} without egress of its own", _drop(group, "SecurityGroupEgress")
        inline = [{"IpProtocol": "-1", "CidrIp": ANYWHERE}]
        yield f"{group} with all egress inline", _set(group, "SecurityGroupEgress", inline)


def _pair_openings(resources: Mapping[str, Any]) -> Iterator[Mutation]:
    """Half a door and a whole one, between any two groups."""
    groups = _named(resources, "AWS::EC2::SecurityGroup")
    for one in groups:
        for other in groups:
            for port in (5432, 6379, 8443):
                if _is_a_way_of_today(one, other, port):
                    continue
                half_in = _rule("Ingress", other, port, SourceSecurityGroupId={"Fn::GetAtt": [one, "GroupId"]})
                half_out = _rule("Egress", one, port, DestinationSecurityGroupId={"Fn::GetAtt": [other, "GroupId"]})
                yield f"{other} lets in {one} on {port}", half_in
                yield f"{one} may go out to {other} on {port}", half_out
                yield f"{one} may reach {other} on {port}", _both(half_in, half_out)


def _is_a_way_of_today(one: str, other: str, port: int) -> bool:
    ways = {("RedisSecurityGroup", 6379), ("DatabaseSecurityGroup", 5432)}
    return one == "LambdaSecurityGroup" and (other, port) in ways


def _widened_rules(resources: Mapping[str, Any]) -> Iterator[Mutation]:
    for side in ("Ingress", "Egress"):
        for name in _named(resources, f"AWS::EC2::SecurityGroup{side}"):
            yield f"{name} for all ports", _both(_set(name, "FromPort", 0), _set(name, "ToPort", 65535))
            yield f"{name} for one port more", _set(name, "ToPort", resources[name]["Properties"]["ToPort"] + 1)
            yield f"{name} for all protocols", _set(name, "IpProtocol", "-1")
            peer = "SourceSecurityGroupId" if side == "Ingress" else "DestinationSecurityGroupId"
            if peer in resources[name]["Properties"]:
                yield f"{name} for everybody", _both(_drop(name, peer), _set(name, "CidrIp", ANYWHERE))


# --- ACLs and routes ---


def _acl_openings(resources: Mapping[str, Any]) -> Iterator[Mutation]:
    for name in _named(resources, "AWS::EC2::NetworkAclEntry"):
        if resources[name]["Properties"]["RuleAction"] == "deny":
            yield f"{name} allows", _set(name, "RuleAction", "allow")
            yield f"{name} comes last", _set(name, "RuleNumber", 32000)
            continue
        yield f"{name} for all ports", _set(name, "PortRange", {"From": 0, "To": 65535})
        yield f"{name} for all protocols", _set(name, "Protocol", -1)
        yield f"{name} for UDP", _set(name, "Protocol", 17)
        yield f"{name} for everybody", _set(name, "CidrBlock", ANYWHERE)
        yield f"{name} the other way", _set(name, "Egress", not resources[name]["Properties"].get("Egress"))
    for acl in _named(resources, "AWS::EC2::NetworkAcl"):
        for egress in (False, True):
            for cidr in (ANYWHERE, INSIDE, SOMEWHERE):
                for protocol, port in ((6, 22), (17, 53), (-1, None)):
                    way = "out of" if egress else "into"
                    yield f"{acl} lets {protocol}/{port} {way} {cidr}", _entry(acl, egress, cidr, protocol, port)


def _route_openings(resources: Mapping[str, Any]) -> Iterator[Mutation]:
    for table in ("PrivateRouteTableA", "PrivateRouteTableB"):
        for cidr in (ANYWHERE, SOMEWHERE):
            route = {
                "RouteTableId": {"Ref": table},
                "DestinationCidrBlock": cidr,
                "GatewayId": {"Ref": "InternetGateway"},
            }
            yield f"{table} leads {cidr} to the internet gateway", _add("AWS::EC2::Route", route)
    for name in _named(resources, "AWS::EC2::Route"):
        properties = resources[name]["Properties"]
        if "NatGatewayId" in properties:
            to_internet = _both(_drop(name, "NatGatewayId"), _set(name, "GatewayId", {"Ref": "InternetGateway"}))
            yield f"{name} by the internet gateway", to_internet
            for nat in _named(resources, "AWS::EC2::NatGateway"):
                yield f"{name} by {nat}", _set(name, "NatGatewayId", {"Ref": nat})
    for name in _named(resources, "AWS::EC2::SubnetRouteTableAssociation"):
        yield f"{name} with public routes", _set(name, "RouteTableId", {"Ref": "PublicRouteTable"})
        yield f"{name} with private routes", _set(name, "RouteTableId", {"Ref": "PrivateRouteTableA"})
    for name in _named(resources, "AWS::EC2::SubnetNetworkAclAssociation"):
        for acl in _named(resources, "AWS::EC2::NetworkAcl"):
            yield f"{name} with {acl}", _set(name, "NetworkAclId", {"Ref": acl})


# --- what is where ---

_PUBLIC = [{"Ref": "PublicSubnetA"}, {"Ref": "PublicSubnetB"}]
_PRIVATE = [{"Ref": "PrivateSubnetA"}, {"Ref": "PrivateSubnetB"}]


def _moves(resources: Mapping[str, Any]) -> Iterator[Mutation]:
    groups = [{"Fn::GetAtt": [name, "GroupId"]} for name in _named(resources, "AWS::EC2::SecurityGroup")]
    for name in _named(resources, "AWS::Lambda::Function"):
        own = {"Fn::GetAtt": ["LambdaSecurityGroup", "GroupId"]}
        for where, subnets in (("private", _PRIVATE), ("public", _PUBLIC), ("one private", _PRIVATE[:1])):
            yield f"{name} in {where}", _set(name, "VpcConfig", {"SubnetIds": subnets, "SecurityGroupIds": [own]})
        yield f"{name} without a group", _set(name, "VpcConfig", {"SubnetIds": _PRIVATE})
        yield f"{name} outside", _drop(name, "VpcConfig")
        for group in groups:
            both = {"SubnetIds": _PRIVATE, "SecurityGroupIds": [own, group]}
            if group != own:
                yield f"{name} also in {group['Fn::GetAtt'][0]}", _set(name, "VpcConfig", both)
    for name, field in (("Redis", "SecurityGroupIds"), ("Database", "VPCSecurityGroups")):
        yield f"{name} without a group", _drop(name, field)
        for group in groups:
            yield f"{name} in {group['Fn::GetAtt'][0]}", _set(name, field, [group])
            yield f"{name} also in {group['Fn::GetAtt'][0]}", _extend(name, field, group)
    for kind in ("AWS::RDS::DBSubnetGroup", "AWS::ElastiCache::SubnetGroup"):
        for name in _named(resources, kind):
            yield f"{name} in public subnets", _set(name, "SubnetIds", _PUBLIC)
    yield "a public database", _set("Database", "PubliclyAccessible", True)
    for name in _named(resources, "AWS::EC2::Subnet"):
        yield f"{name} gives public addresses", _set(name, "MapPublicIpOnLaunch", True)
    for name in _named(resources, "AWS::EC2::NatGateway"):
        yield f"{name} in a private subnet", _set(name, "SubnetId", {"Ref": "PrivateSubnetA"})


def _endpoint_openings(resources: Mapping[str, Any]) -> Iterator[Mutation]:
    open_policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
    for name in _named(resources, "AWS::EC2::VPCEndpoint"):
        yield f"{name} without a policy", _drop(name, "PolicyDocument")
        yield f"{name} for everything", _set(name, "PolicyDocument", open_policy)
        for number, statement in enumerate(resources[name]["Properties"]["PolicyDocument"]["Statement"]):
            yield f"{name} on everything", _policy(name, number, Resource="*")
            if "Condition" in statement:
                yield f"{name} for other accounts", _policy(name, number, Condition={})
        if resources[name]["Properties"]["VpcEndpointType"] == "Interface":
            yield f"{name} without a group", _drop(name, "SecurityGroupIds")
            yield f"{name} in public subnets", _set(name, "SubnetIds", _PUBLIC)
            yield f"{name} under another name", _set(name, "PrivateDnsEnabled", False)
            for group in _named(resources, "AWS::EC2::SecurityGroup"):
                member = [{"Fn::GetAtt": [group, "GroupId"]}]
                yield f"{name} in {group}", _set(name, "SecurityGroupIds", member)
        else:
            yield f"{name} for one zone", _set(name, "RouteTableIds", [{"Ref": "PrivateRouteTableA"}])
    yield "a VPC without names", _set("Vpc", "EnableDnsHostnames", False)
    yield "flow logs of what was accepted", _set("FlowLog", "TrafficType", "ACCEPT")


def _strangers() -> Iterator[Mutation]:
    vpc = {"VpcId": {"Ref": "Vpc"}}
    host = {"SubnetId": {"Ref": "PrivateSubnetA"}}
    yield "a peered VPC", _add("AWS::EC2::VPCPeeringConnection", vpc | {"PeerVpcId": "vpc-0"})
    yield "a second address range", _add("AWS::EC2::VPCCidrBlock", vpc | {"CidrBlock": "10.1.0.0/16"})
    yield "an instance", _add("AWS::EC2::Instance", host)
    yield "a file system", _add("AWS::EFS::MountTarget", host)
    route = {"RouteTableId": {"Ref": "PrivateRouteTableA"}, "DestinationIpv6CidrBlock": "::/0"}
    yield "a route for IPv6", _add("AWS::EC2::Route", route | {"GatewayId": {"Ref": "InternetGateway"}})
    yield "a rule for IPv6", _rule("Ingress", "RedisSecurityGroup", 6379, CidrIpv6="::/0")
    yield "a rule for a prefix list", _rule("Ingress", "RedisSecurityGroup", 6379, SourcePrefixListId="pl-0")


# --- how ---


def _named(resources: Mapping[str, Any], kind: str) -> list[str]:
    return [name for name, resource in resources.items() if resource["Type"] == kind]


def _set(name: str, field: str, value: Any) -> Callable[[Resources], None]:
    return lambda changed: changed[name]["Properties"].update({field: copy.deepcopy(value)})


def _drop(name: str, field: str) -> Callable[[Resources], None]:
    return lambda changed: changed[name]["Properties"].pop(field, None)


def _extend(name: str, field: str, value: Any) -> Callable[[Resources], None]:
    def change(changed: Resources) -> None:
        values = changed[name]["Properties"][field]
        values.extend([] if value in values else [value])

    return change


def _policy(name: str, number: int, **fields: Any) -> Callable[[Resources], None]:
    return lambda changed: changed[name]["Properties"]["PolicyDocument"]["Statement"][number].update(fields)


def _add(kind: str, properties: dict[str, Any]) -> Callable[[Resources], None]:
    return lambda changed: changed.update({"Added": {"Type": kind, "Properties": properties}})


def _both(*changes: Callable[[Resources], None]) -> Callable[[Resources], None]:
    def change(changed: Resources) -> None:
        for number, one in enumerate(changes):
            one(changed)
            if "Added" in changed:
                changed[f"Added{number}"] = changed.pop("Added")

    return change


def _rule(side: str, group: str, port: int, **peer: Any) -> Callable[[Resources], None]:
    properties = {"GroupId": {"Fn::GetAtt": [group, "GroupId"]}, "IpProtocol": "tcp", "FromPort": port, "ToPort": port}
    return _add(f"AWS::EC2::SecurityGroup{side}", properties | peer)


def _entry(acl: str, egress: bool, cidr: str, protocol: int, port: int | None) -> Callable[[Resources], None]:
    properties = {"NetworkAclId": {"Ref": acl}, "Egress": egress, "CidrBlock": cidr, "Protocol": protocol}
    span = {} if port is None else {"PortRange": {"From": port, "To": port}}
    return _add("AWS::EC2::NetworkAclEntry", properties | span | {"RuleNumber": 1, "RuleAction": "allow"})
