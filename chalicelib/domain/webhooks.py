"""What a webhook's URL may look like."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

MAX_URL_LENGTH = 2048
_VISIBLE = re.compile(r"[\x21-\x7e]+\Z")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\Z")
_NUMBER = re.compile(r"(0[xX][0-9A-Fa-f]*|[0-9]+)\Z")


class BadUrlError(ValueError):
    """Says what is wrong with it and what would be right."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads. ``host`` has no brackets, ``path`` its query; ``is_address``: the host is no name."""

    scheme: str
    host: str
    port: int
    path: str
    is_address: bool


def parse_url(url: str, *, any_scheme: bool = False) -> Target:
    """Raises BadUrlError. ``any_scheme`` allows http and every port too: for a receiver on the developer's machine."""
    if len(url) > MAX_URL_LENGTH:
        raise BadUrlError(f"a webhook's URL has at most {MAX_URL_LENGTH} characters")
    if not _VISIBLE.match(url) or "\\" in url:
        raise BadUrlError("a webhook's URL is written in visible ASCII: names as xn--…, everything else as %XX")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadUrlError(f"this is not a URL: {error}") from None
    if parts.scheme != "https" and not (any_scheme and parts.scheme == "http"):
        raise BadUrlError("a webhook's URL begins with https://")
    if parts.username is not None or parts.password is not None:
        raise BadUrlError("a webhook's URL carries no user and no password: verify the signature instead")
    if parts.fragment or "#" in url:
        raise BadUrlError("a webhook's URL has no #fragment")
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    if not any_scheme and port != 443 and port < 1024:
        raise BadUrlError("a webhook's port is 443, or 1024 and above")
    host = (parts.hostname or "").removesuffix(".")
    path = parts.path or "/"
    return Target(parts.scheme, host, port, f"{path}?{parts.query}" if parts.query else path, _is_address(host))


def _is_address(host: str) -> bool:
    """Whether a host is an address. Raises BadUrlError for what is neither that nor a name."""
    if ":" in host:
        return True  # in brackets: urlsplit has looked at it
    labels = host.split(".")
    if not host or len(host) > 253 or not all(_LABEL.match(label) for label in labels):
        raise BadUrlError("a webhook's URL names a host, such as https://example.com/hooks")
    if not _NUMBER.match(labels[-1]):
        return False
    # 2130706433, 0x7f.1 and 0177.0.0.1 are 127.0.0.1 to the system: addresses are written in one way only.
    if len(labels) != 4 or not all(re.match(r"(0|[1-9][0-9]{0,2})\Z", label) and int(label) < 256 for label in labels):
        raise BadUrlError("write an IPv4 address as four decimal numbers")
    return True
