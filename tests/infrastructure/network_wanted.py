"""What may reach what, as it is wanted: all together, and each layer alone. Each rule gives its breaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

from scripts.reachability.layers import Passage, acls_alone, groups_alone
from scripts.reachability.matrix import BALANCER, INTERNET, Matrix
from scripts.reachability.network import Network
from scripts.reachability.rules import PROTOCOLS

Resources = Mapping[str, Any]


class Seen:
    """A resolved template's resources, read once however many rules ask."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources

    @cached_property
    def network(self) -> Network:
        return Network(self.resources)

    @cached_property
    def matrix(self) -> Matrix:
        return Matrix(self.resources)

    def of(self, kind: str) -> Iterator[tuple[str, Any]]:
        return ((name, r.get("Properties", {})) for name, r in self.resources.items() if r["Type"] == kind)


OUTSIDE = {"Deliver", "Notify", "Rotate", "VerifyRelease"}
INTERFACE_SERVICES = ("SQS", "SNS", "Secrets Manager")
GATEWAY_SERVICES = {"S3": "S3Endpoint", "DynamoDB": "DynamoDBEndpoint"}

FOR_FUNCTIONS = {
    "Redis": "6379",
    "Database": "5432",
    **dict.fromkeys([*INTERFACE_SERVICES, *GATEWAY_SERVICES, INTERNET], "443"),
}
GROUPS_ALONE = {
    ("LambdaSecurityGroup", "RedisSecurityGroup"): "6379",
    ("LambdaSecurityGroup", "DatabaseSecurityGroup"): "5432",
    ("LambdaSecurityGroup", "EndpointSecurityGroup"): "443",
    ("LambdaSecurityGroup", "LoadBalancerSecurityGroup"): "443",  # out to all HTTPS meets in from all; the ACLs stop it
}
# Into and out of a subnet of one kind, from and to another: answers need 1024+, everything else is HTTPS.
ACLS_ALONE = {
    ("Private", "into Private"): "443,1024+",
    ("Public", "into Private"): "-",
    (INTERNET, "into Private"): "1024+",
    ("out of Private", "Private"): "443,1024+",
    ("out of Private", "Public"): "443",
    ("out of Private", INTERNET): "443",
    **{(source, "into Public"): "443,1024+" for source in ("Private", "Public", INTERNET)},
    **{("out of Public", target): "443,1024+" for target in ("Private", "Public", INTERNET)},
}


def wanted(matrix: Matrix) -> dict[tuple[str, str], str]:
    """The open cells; all others are to be closed. A new function is expected inside, with the rights of the rest."""
    functions = {node.name for node in matrix.nodes.values() if node.kind == "function"}
    cells = {(outside, BALANCER): "443" for outside in OUTSIDE | {INTERNET}}
    for inside in functions - OUTSIDE:
        cells |= {(inside, target): ports for target, ports in FOR_FUNCTIONS.items()}
    return cells


def matrix_is_as_wanted(seen: Seen) -> Iterator[str]:
    """Every cell: TCP as it is wanted to the port, UDP and ICMP nowhere."""
    matrix = seen.matrix
    expected = wanted(matrix)
    for source, target in sorted({(one, other) for one in matrix.nodes for other in matrix.nodes} | set(expected)):
        if source not in matrix.nodes or target not in matrix.nodes:
            yield f"{source} -> {target}: one of them is not there"
            continue
        if matrix.concerns(source, target):
            found = str(matrix.cell(source, target))
            if found != (right := expected.get((source, target), "-")):
                yield f"{source} -> {target}: tcp {found}, not {right}"
            for protocol in ("udp", "icmp"):
                if matrix.cell(source, target, protocol).possible:
                    yield f"{source} -> {target}: {protocol} passes"
        elif (source, target) in expected:
            yield f"{source} -> {target}: does not touch the VPC any more"


def ways_are_as_wanted(seen: Seen) -> Iterator[str]:
    """S3 and DynamoDB by their gateways, the other services by theirs, the internet by NAT."""
    matrix = seen.matrix
    nats = {name for name, r in seen.resources.items() if r["Type"] == "AWS::EC2::NatGateway"}
    for node in matrix.nodes.values():
        if node.kind != "function" or not node.hosts:
            continue
        ways = {service: {endpoint} for service, endpoint in GATEWAY_SERVICES.items()} | {INTERNET: nats}
        for target in (*ways, *INTERFACE_SERVICES):
            if (found := matrix.cell(node.name, target).by) != (way := ways.get(target, {"the VPC"})):
                yield f"{node.name} -> {target} by {sorted(found)}, not {sorted(way)}"


def groups_alone_allow_no_more(seen: Seen) -> Iterator[str]:
    for passage in _passages(groups_alone, seen):
        yield from _judged(passage, GROUPS_ALONE.get((passage.source, passage.target), "-"))


def acls_alone_allow_no_more(seen: Seen) -> Iterator[str]:
    for passage in _passages(acls_alone, seen):
        source, target = (
            name.replace("SubnetA", "").replace("SubnetB", "") for name in (passage.source, passage.target)
        )
        yield from _judged(passage, ACLS_ALONE[source, target])


def _passages(layer: Callable[[Matrix, str], Iterator[Passage]], seen: Seen) -> Iterator[Passage]:
    return (passage for protocol in PROTOCOLS for passage in layer(seen.matrix, protocol))


def _judged(passage: Passage, right: str) -> Iterator[str]:
    right = right if passage.protocol == "tcp" else "-"
    if str(passage.cell) != right:
        yield f"{passage.source} -> {passage.target}: {passage.protocol} {passage.cell}, not {right}"
