"""Who is there, and which ports each can reach of each: the matrix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, reduce
from ipaddress import IPv4Address
from operator import and_, or_
from typing import Any

from scripts.reachability.addresses import representatives
from scripts.reachability.network import Network, Resource, group_ids
from scripts.reachability.paths import Host, Path, Walk
from scripts.reachability.ports import ALL, NONE, text
from scripts.reachability.rules import PROTOCOLS, NotModelledError, name_of

INTERNET = "internet"
BALANCER = "load balancer"
SERVICES = {"sqs": "SQS", "sns": "SNS", "secretsmanager": "Secrets Manager", "s3": "S3", "dynamodb": "DynamoDB"}
_PLACED = {
    "AWS::Lambda::Function",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::ElastiCache::SubnetGroup",
    "AWS::RDS::DBInstance",
    "AWS::RDS::DBSubnetGroup",
}


@dataclass(frozen=True)
class Node:
    """``hosts`` are the places where it may be: a connection works when it works from and to every one."""

    name: str
    hosts: tuple[Host, ...] = ()
    service: str | None = None
    kind: str = ""

    @property
    def is_outside(self) -> bool:
        return not self.hosts and self.service is None


@dataclass(frozen=True)
class Cell:
    """``sure``: ports open whatever the places and addresses; ``possible``: for some, or with a chosen source port."""

    sure: int
    possible: int
    by: frozenset[str]

    def __str__(self) -> str:
        if self.sure == self.possible:
            return text(self.sure)
        return f"{text(self.sure)} ({text(self.possible)})" if self.sure else f"({text(self.possible)})"


@dataclass(frozen=True)
class Verdict:
    open: bool
    why: str


class Matrix:
    """Every cell of it. Raises NotModelledError for a template that it cannot read."""

    def __init__(self, resources: Mapping[str, Resource]) -> None:
        self.network = Network(resources)
        self.nodes = {node.name: node for node in _nodes(resources, self.network)}
        self._walks = {protocol: Walk(self.network, protocol) for protocol in PROTOCOLS}
        ranges = self.network.ranges()
        self.addresses = {name: representatives(ranges, s.network) for name, s in self.network.subnets.items()}
        self.remotes = representatives(ranges, None)
        self._cells = cache(self._find_cell)

    def cell(self, source: str, target: str, protocol: str = "tcp") -> Cell:
        return self._cells(self._place(source), self._place(target), protocol)

    def concerns(self, source: str, target: str) -> bool:
        """Whether a connection between them would touch this network at all."""
        one, other = self.nodes[source], self.nodes[target]
        is_target = bool(other.hosts or other.service) or target == INTERNET
        return is_target and bool(one.hosts or (one.is_outside and other.hosts))

    def can_connect(self, source: str, target: str, port: int, protocol: str = "tcp") -> Verdict:
        """Whether it works from every place of ``source`` to every place of ``target``, and what decides."""
        paths = self._find_paths(self._place(source), self._place(target), protocol)
        if not paths:
            return Verdict(False, "does not touch this network")
        refused = sorted({at for path in paths if (at := path.refused_at(port))})
        if refused:
            return Verdict(False, "refused: " + "; ".join(refused))
        return Verdict(True, "by " + ", ".join(sorted({path.by for path in paths})))

    def _place(self, name: str) -> Node:
        """The node without its name, so that functions at one place are walked once."""
        return replace(self.nodes[name], name="")

    def _find_cell(self, source: Node, target: Node, protocol: str) -> Cell:
        paths = self._find_paths(source, target, protocol)
        return Cell(
            sure=reduce(and_, (path.sure for path in paths), ALL if paths else NONE),
            possible=reduce(or_, (path.possible for path in paths), NONE),
            by=frozenset(path.by for path in paths if path.possible),
        )

    def _find_paths(self, source: Node, target: Node, protocol: str) -> list[Path]:
        walk = self._walks[protocol]
        if source.is_outside:
            return [walk.inward(remote, host) for remote in self.remotes for host in target.hosts]
        return [
            path
            for host in source.hosts
            for sender in self.addresses[host.subnet]
            for path in self._from_host(walk, host, sender, target)
        ]

    def _from_host(self, walk: Walk, host: Host, sender: IPv4Address, target: Node) -> Iterator[Path]:
        if target.service is not None:
            yield from self._to_service(walk, host, sender, target)
        elif target.is_outside:
            yield from (walk.outward(host, sender, remote) for remote in self.remotes)
        else:
            yield from self._to_hosts(walk, host, sender, target.hosts)

    def _to_service(self, walk: Walk, host: Host, sender: IPv4Address, target: Node) -> Iterator[Path]:
        """By the endpoint, if the host's subnet and names lead to one; else like anything on the internet."""
        endpoints = [e for e in self.network.endpoints.values() if e.service == target.service]
        if any(endpoint.answers_names for endpoint in endpoints):
            yield from self._to_hosts(walk, host, sender, target.hosts)
            return
        table = self.network.subnets[host.subnet].table
        gateway = next((e for e in endpoints if e.is_gateway and table in e.tables), None)
        for remote in self.remotes:
            yield walk.to_gateway(gateway, host, remote) if gateway else walk.outward(host, sender, remote)

    def _to_hosts(self, walk: Walk, host: Host, sender: IPv4Address, targets: Iterable[Host]) -> Iterator[Path]:
        for other in targets:
            for receiver in self.addresses[other.subnet]:
                yield walk.inside(host, sender, other, receiver)


def _nodes(resources: Mapping[str, Resource], network: Network) -> Iterator[Node]:
    """Everything that can open or accept a connection."""
    _refuse_unplaced(resources, network)
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Lambda::Function":
            config = properties.get("VpcConfig") or {}
            yield Node(name, _hosts(config.get("SubnetIds", ()), config.get("SecurityGroupIds")), kind="function")
        elif resource["Type"] == "AWS::ElastiCache::ReplicationGroup":
            subnets = _members(resources, properties["CacheSubnetGroupName"])
            yield Node(name, _hosts(subnets, properties.get("SecurityGroupIds")))
        elif resource["Type"] == "AWS::RDS::DBInstance":
            subnets = _members(resources, properties["DBSubnetGroupName"])
            is_public = bool(properties.get("PubliclyAccessible"))
            yield Node(name, _hosts(subnets, properties.get("VPCSecurityGroups"), is_public=is_public))
    for service, name in SERVICES.items():
        own = [e for e in network.endpoints.values() if e.service == service]
        yield Node(name, tuple(Host(s, e.groups) for e in own for s in e.subnets), service)
    public = [name for name, s in network.subnets.items() if any(r.target in network.gateways for r in s.routes)]
    yield Node(BALANCER, tuple(Host(name, ("LoadBalancerSecurityGroup",), is_public=True) for name in public))
    yield Node(INTERNET)


def _refuse_unplaced(resources: Mapping[str, Resource], network: Network) -> None:
    """Something else with an interface in the VPC must not go unseen."""
    places = {*network.subnets, *network.groups}
    for name, resource in resources.items():
        kind = resource["Type"]
        if kind.startswith("AWS::EC2::") or kind in _PLACED:
            continue
        if met := places.intersection(_references(resource.get("Properties"))):
            raise NotModelledError(f"{name}: {kind} is in {', '.join(sorted(met))}, and it is not modelled")


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if set(value) in ({"Ref"}, {"Fn::GetAtt"}):
            yield name_of(value)
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _members(resources: Mapping[str, Resource], subnet_group: Any) -> Any:
    return resources[name_of(subnet_group)]["Properties"]["SubnetIds"]


def _hosts(subnets: Iterable[Any], groups: Any, *, is_public: bool = False) -> tuple[Host, ...]:
    return tuple(Host(name_of(subnet), group_ids(groups), is_public=is_public) for subnet in subnets)
