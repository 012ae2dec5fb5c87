"""Rules of security groups and of network ACLs, read and asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from scripts.reachability.ports import ALL, NONE, ports

PROTOCOLS = ("tcp", "udp", "icmp")
_NUMBERS = {"-1": PROTOCOLS, "6": ("tcp",), "17": ("udp",), "1": ("icmp",), **{name: (name,) for name in PROTOCOLS}}
_PEERS = {"CidrIp", "SourceSecurityGroupId", "DestinationSecurityGroupId"}
_RULE_FIELDS = _PEERS | {"GroupId", "IpProtocol", "FromPort", "ToPort", "Description"}


class NotModelledError(ValueError):
    """The template has something in its network whose meaning this model does not know."""


@dataclass(frozen=True)
class Rule:
    """Of a security group. ``peer`` is an address range or another group's logical id."""

    name: str
    peer: IPv4Network | str
    protocols: tuple[str, ...]
    ports: int

    def admits(self, protocol: str, address: IPv4Address | None, groups: tuple[str, ...]) -> int:
        """The ports that it opens to a peer with this address and these groups."""
        if protocol not in self.protocols:
            return NONE
        if isinstance(self.peer, str):
            return self.ports if self.peer in groups else NONE
        return self.ports if address is not None and address in self.peer else NONE


@dataclass(frozen=True)
class Group:
    name: str
    ingress: tuple[Rule, ...]
    egress: tuple[Rule, ...]


@dataclass(frozen=True)
class Entry:
    """Of a network ACL."""

    name: str
    number: int
    allow: bool
    protocols: tuple[str, ...]
    ports: int
    network: IPv4Network


@dataclass(frozen=True)
class Acl:
    name: str
    inward: tuple[Entry, ...]
    outward: tuple[Entry, ...]

    def admits(self, protocol: str, peer: IPv4Address, *, inward: bool) -> int:
        """The destination ports that pass from or to a peer: of each port the first matching entry decides."""
        allowed = decided = NONE
        for entry in self.inward if inward else self.outward:
            if protocol in entry.protocols and peer in entry.network:
                allowed |= entry.ports & ~decided if entry.allow else NONE
                decided |= entry.ports
        return allowed


def logical_id(value: Any) -> str | None:
    """The resource that a value refers to; a literal is itself."""
    if isinstance(value, Mapping):
        if "Ref" in value:
            return str(value["Ref"])
        if "Fn::GetAtt" in value:
            return str(value["Fn::GetAtt"][0])
        raise NotModelledError(f"{value} is not a reference to one resource")
    return None if value is None else str(value)


def name_of(value: Any) -> str:
    return logical_id(value) or ""


def read_rule(name: str, properties: Mapping[str, Any]) -> Rule:
    unknown = set(properties) - _RULE_FIELDS
    peers = [properties[field] for field in _PEERS if field in properties]
    if unknown or len(peers) != 1:
        raise NotModelledError(f"{name}: {', '.join(sorted(unknown)) or 'exactly one peer is needed'}")
    peer = IPv4Network(peers[0]) if "CidrIp" in properties else name_of(peers[0])
    protocols = _protocols(name, properties["IpProtocol"])
    has_ports = set(protocols) <= {"tcp", "udp"}
    opened = ports(int(properties.get("FromPort", -1)), int(properties.get("ToPort", -1))) if has_ports else ALL
    return Rule(name, peer, protocols, opened)


def read_entry(name: str, properties: Mapping[str, Any]) -> Entry:
    if "CidrBlock" not in properties:
        raise NotModelledError(f"{name}: only CidrBlock is modelled")
    span = properties.get("PortRange", {"From": -1, "To": -1})
    return Entry(
        name,
        number=int(properties["RuleNumber"]),
        allow=properties["RuleAction"] == "allow",
        protocols=(protocols := _protocols(name, properties["Protocol"])),
        ports=ports(int(span["From"]), int(span["To"])) if set(protocols) <= {"tcp", "udp"} else ALL,
        network=IPv4Network(properties["CidrBlock"]),
    )


def _protocols(name: str, value: Any) -> tuple[str, ...]:
    try:
        return _NUMBERS[str(value).lower()]
    except KeyError:
        raise NotModelledError(f"{name}: protocol {value}") from None
