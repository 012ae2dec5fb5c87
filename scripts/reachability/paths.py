"""The way of a connection through routes, ACLs and groups: there, and its answers back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from ipaddress import IPv4Address
from operator import and_, or_

from scripts.reachability.network import Endpoint, Nat, Network, Subnet
from scripts.reachability.ports import ALL, EPHEMERAL, NONE


@dataclass(frozen=True)
class Host:
    """A network interface."""

    subnet: str
    groups: tuple[str, ...]
    is_public: bool = False  # has an address that the internet can send to


@dataclass(frozen=True)
class Step:
    at: str
    ports: int


@dataclass(frozen=True)
class Path:
    """``forward`` holds the destination ports that each step lets through, ``answers`` the senders' ports."""

    by: str
    forward: tuple[Step, ...]
    answers: tuple[Step, ...]
    is_one_way: bool = False  # a datagram does its work, or its harm, without an answer

    @property
    def sure(self) -> int:
        """Ports on which a connection works whatever port its client sends from."""
        return self._there if self._back & EPHEMERAL == EPHEMERAL else NONE

    @property
    def possible(self) -> int:
        """Ports on which somebody who chooses the port that he sends from gets through."""
        return self._there if self._back or self.is_one_way else NONE

    def refused_at(self, port: int) -> str | None:
        """The first step that stops a connection to ``port``, or an answer to some of its clients."""
        there = (step.at for step in self.forward if not step.ports >> port & 1)
        back = (f"{step.at}, for the answer" for step in self.answers if step.ports & EPHEMERAL != EPHEMERAL)
        return next(there, None) or next(back, None)

    @property
    def _there(self) -> int:
        return reduce(and_, (step.ports for step in self.forward))

    @property
    def _back(self) -> int:
        return reduce(and_, (step.ports for step in self.answers), ALL)


class Walk:
    """Paths of one protocol through one network."""

    def __init__(self, network: Network, protocol: str) -> None:
        self._network = network
        self._protocol = protocol

    def inside(self, source: Host, sender: IPv4Address, target: Host, receiver: IPv4Address) -> Path:
        """Between two interfaces of the VPC. Routes inside it always exist; ACLs see only what changes subnets."""
        forward = [self._group_out(source, receiver, target.groups)]
        answers = []
        if source.subnet != target.subnet:
            forward += [self._acl(source.subnet, receiver, inward=False), self._acl(target.subnet, sender, inward=True)]
            answers = [self._acl(target.subnet, sender, inward=False), self._acl(source.subnet, receiver, inward=True)]
        return self._path("the VPC", [*forward, self._group_in(target, sender, source.groups)], answers)

    def outward(self, source: Host, sender: IPv4Address, receiver: IPv4Address) -> Path:
        """From an interface to an address on the internet, by whatever the subnet's routes say."""
        first = self._group_out(source, receiver, ())
        subnet = self._network.subnets[source.subnet]
        target = self._target(subnet, receiver)
        if nat := self._network.nats.get(target or ""):
            return self._through_nat(nat, first, source, sender, receiver)
        if target not in self._network.gateways or not source.is_public:
            return self._blocked(f"{subnet.name} has no way to the internet for it")
        there, back = self._edge(source.subnet, receiver)
        return self._path("the internet gateway", [first, there], [back])

    def inward(self, sender: IPv4Address, target: Host) -> Path:
        """From an address on the internet to an interface."""
        subnet = self._network.subnets[target.subnet]
        if not target.is_public or self._target(subnet, sender) not in self._network.gateways:
            return self._blocked(f"{subnet.name} cannot be reached from the internet")
        back, there = self._edge(target.subnet, sender)
        return self._path("the internet gateway", [there, self._group_in(target, sender, ())], [back])

    def to_gateway(self, endpoint: Endpoint, source: Host, receiver: IPv4Address) -> Path:
        """Through a gateway endpoint to the service's public addresses."""
        there, back = self._edge(source.subnet, receiver)
        return self._path(endpoint.name, [self._group_out(source, receiver, ()), there], [back])

    def _through_nat(self, nat: Nat, first: Step, source: Host, sender: IPv4Address, receiver: IPv4Address) -> Path:
        if not nat.has_address:
            return self._blocked(f"{nat.name} has no address of its own")
        if self._target(self._network.subnets[nat.subnet], receiver) not in self._network.gateways:
            return self._blocked(f"{nat.name} has no way to the internet")
        there, back = self._edge(nat.subnet, receiver)
        # NAT sends from a port of its own choice, so answers must be let in to all of them or the client waits in vain.
        back = Step(back.at, ALL if back.ports & EPHEMERAL == EPHEMERAL else NONE)
        forward, answers = [first], [back]
        if source.subnet != nat.subnet:
            forward += [self._acl(source.subnet, receiver, inward=False), self._acl(nat.subnet, sender, inward=True)]
            answers += [self._acl(nat.subnet, sender, inward=False), self._acl(source.subnet, receiver, inward=True)]
        return self._path(nat.name, [*forward, there], answers)

    def _target(self, subnet: Subnet, address: IPv4Address) -> str | None:
        """Where the subnet's longest matching route leads."""
        matching = [route for route in subnet.routes if address in route.network]
        return max(matching, key=lambda route: route.network.prefixlen).target if matching else None

    def _edge(self, subnet: str, peer: IPv4Address) -> tuple[Step, Step]:
        return self._acl(subnet, peer, inward=False), self._acl(subnet, peer, inward=True)

    def _acl(self, subnet: str, peer: IPv4Address, *, inward: bool) -> Step:
        acl = self._network.subnets[subnet].acl
        way = "into" if inward else "out of"
        return Step(f"{acl.name} {way} {subnet}", acl.admits(self._protocol, peer, inward=inward))

    def _group_out(self, host: Host, peer: IPv4Address, groups: tuple[str, ...]) -> Step:
        rules = (rule for name in host.groups for rule in self._network.groups[name].egress)
        return self._groups("out of", host, (rule.admits(self._protocol, peer, groups) for rule in rules))

    def _group_in(self, host: Host, peer: IPv4Address, groups: tuple[str, ...]) -> Step:
        rules = (rule for name in host.groups for rule in self._network.groups[name].ingress)
        return self._groups("into", host, (rule.admits(self._protocol, peer, groups) for rule in rules))

    def _groups(self, way: str, host: Host, admitted: Iterator[int]) -> Step:
        return Step(f"{way} {', '.join(host.groups)}", reduce(or_, admitted, NONE))

    def _blocked(self, at: str) -> Path:
        return self._path("nothing", [Step(at, NONE)], [])

    def _path(self, by: str, forward: list[Step], answers: list[Step]) -> Path:
        return Path(by, tuple(forward), tuple(answers), is_one_way=self._protocol != "tcp")
