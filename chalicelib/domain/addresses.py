"""Whom an address stands for, as far as limits are concerned."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network


def party_of(address: str) -> str:
    """An IPv4 address itself, or the /64 of an IPv6 one: a provider gives each customer at least that.

    What is no address is its own party.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)


def viewer_of(header: str) -> str:
    """The address of CloudFront's ``CloudFront-Viewer-Address``: address, colon, port; IPv6 has no brackets there."""
    return header.rpartition(":")[0].strip("[]")
