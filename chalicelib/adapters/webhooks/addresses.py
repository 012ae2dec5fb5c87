"""Which addresses of the Internet a webhook may be sent to: those of the public, and none that lead back to us.

Own lists and not ``ipaddress``'s ``is_global``, which differs between patch releases and takes NAT64 for global.
Sources: IANA's special-purpose registries (RFC 6890) and RFC 4291, 6052, 8215, 3056, 4380, 9637.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from socket import SOCK_STREAM, gaierror, getaddrinfo
from threading import Thread

Resolve = Callable[[str, int], Sequence[str]]

_NOT_PUBLIC_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT; VPCs use it too
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local: instance metadata, a Lambda's own runtime and credentials
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
# All that is in use of IPv6 is in here: not ::1, mapped and compatible IPv4, NAT64, unique local, link- and site-local.
_PUBLIC_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocols' own, Teredo among them, which carries an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: carries an IPv4 address
        "3fff::/20",
    )
)


class UnresolvedError(Exception):
    """A name has no address, or none that was found in time."""


def is_public(address: str) -> bool:
    """False also for what is no address at all, and for one with a zone."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC_4)
    return _is_public_6(ip)


def _is_public_6(ip: IPv6Address) -> bool:
    return ip.scope_id is None and ip in _PUBLIC_6 and not any(ip in network for network in _NOT_PUBLIC_6)


def all_public(addresses: Iterable[str]) -> bool:
    """One that is not public makes the others suspect."""
    return all(is_public(address) for address in addresses)


def system_resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, those of IPv4 first (a function outside a VPC has no other way out).

    Raises UnresolvedError.
    """
    try:
        found = {str(entry[4][0]) for entry in getaddrinfo(host, port, type=SOCK_STREAM)}
    except (gaierror, UnicodeError) as error:
        raise UnresolvedError(f"the name {host} does not resolve") from error
    return sorted(found, key=lambda address: (":" in address, address))


def resolve_within(resolve: Resolve, host: str, port: int, timeout_s: float) -> Sequence[str]:
    """``resolve``, waited for so long: the system's has no time limit of its own. Raises UnresolvedError."""
    found: list[Sequence[str]] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(resolve(host, port))
        except UnresolvedError as error:
            failed.append(error)

    # A thread that is left behind ends by itself when the system gives up.
    thread = Thread(target=work, daemon=True)
    thread.start()
    thread.join(timeout_s)
    if found and found[0]:
        return found[0]
    raise UnresolvedError(str(failed[0]) if failed else f"the name {host} did not resolve in time")
