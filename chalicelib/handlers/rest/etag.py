"""Entity tags (RFC 9110, 8.8.3). Weak ones: gateway and CDN may compress what is tagged here."""

from __future__ import annotations

from hashlib import sha256


def of(text: str) -> str:
    return f'W/"{sha256(text.encode()).hexdigest()[:22]}"'


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Whether a client that sent this header has what is tagged so: by the weak comparison, which ignores W/."""
    if if_none_match is None:
        return False
    known = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return known == ["*"] or tag.removeprefix("W/") in known
