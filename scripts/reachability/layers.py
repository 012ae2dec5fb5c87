"""Each layer of the defence by itself: what security groups would let through without ACLs, and ACLs without groups.

The matrix shows what all of them allow together; a hole in one of them that another covers is seen only here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from ipaddress import IPv4Address
from operator import and_, or_

from scripts.reachability.matrix import INTERNET, Cell, Matrix
from scripts.reachability.network import DEFAULT_GROUP
from scripts.reachability.ports import ALL, NONE
from scripts.reachability.rules import Rule


@dataclass(frozen=True)
class Passage:
    """What passes from ``source`` to ``target`` by one layer's leave."""

    source: str
    target: str
    protocol: str
    cell: Cell


def groups_alone(matrix: Matrix, protocol: str) -> Iterator[Passage]:
    """From each group to each: both its own rules and the other's must allow it."""
    groups = [group for name, group in matrix.network.groups.items() if name != DEFAULT_GROUP]
    inside = [address for own in matrix.addresses.values() for address in own]
    for source in groups:
        for target in groups:
            out = _admitted(source.egress, protocol, inside, target.name)
            into = _admitted(target.ingress, protocol, inside, source.name)
            yield Passage(source.name, target.name, protocol, Cell(out & into, out & into, frozenset()))


def acls_alone(matrix: Matrix, protocol: str) -> Iterator[Passage]:
    """Into and out of each subnet, by the rules of its own ACL for that one direction."""
    places = {**matrix.addresses, INTERNET: matrix.remotes}
    for subnet in matrix.network.subnets.values():
        for place in places:
            if place == subnet.name:
                continue  # ACLs see only what crosses the edge
            into = [subnet.acl.admits(protocol, address, inward=True) for address in places[place]]
            out = [subnet.acl.admits(protocol, address, inward=False) for address in places[place]]
            yield Passage(place, f"into {subnet.name}", protocol, _cell(into))
            yield Passage(f"out of {subnet.name}", place, protocol, _cell(out))


def _admitted(rules: Iterable[Rule], protocol: str, inside: Iterable[IPv4Address], group: str) -> int:
    admitted = (rule.admits(protocol, address, (group,)) for rule in rules for address in inside)
    return reduce(or_, admitted, NONE)


def _cell(masks: list[int]) -> Cell:
    return Cell(reduce(and_, masks, ALL), reduce(or_, masks, NONE), frozenset())
