"""One address for each way in which a template tells addresses apart, so that no question needs a sample."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

# Not addresses of the internet (IANA special-purpose registry); documentation's own are left in, as examples of it.
_SPECIAL = [
    IPv4Network(literal)
    for literal in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/3",
    )
]


def representatives(ranges: set[IPv4Network], within: IPv4Network | None) -> tuple[IPv4Address, ...]:
    """One address for each set of ranges that an address of this subnet, or of the internet, can be in."""
    edges = {*ranges, *([within] if within else _SPECIAL)}
    starts = {int(edge.network_address) for edge in edges} | {int(edge.broadcast_address) + 1 for edge in edges}
    found: dict[frozenset[IPv4Network], IPv4Address] = {}
    for start in sorted(start for start in starts if start < 1 << 32):
        address = IPv4Address(start)
        if address in within if within else not any(address in special for special in _SPECIAL):
            found.setdefault(frozenset(network for network in ranges if address in network), address)
    return tuple(found.values())
