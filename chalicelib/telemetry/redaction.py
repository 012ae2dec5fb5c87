"""What must never be read in a log: found by the name that it goes under and by its own shape."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"

_NAMES = (
    "token",
    "secret",
    "password",
    "passwd",
    "authorization",
    "api_key",
    "apikey",
    "api-key",
    "cookie",
    "credential",
    "origin-verify",
)

# Each with a start that is rare in text, so that a line without secrets is passed over quickly.
SHAPES: Mapping[str, str] = {
    "API key": r"\bds_[A-Za-z0-9_-]{16,}",
    "webhook secret": r"\bwhsec_[A-Za-z0-9+/=]{16,}",
    "token of a link": r"\bln_[A-Za-z0-9_-]{16,}",
    "JSON Web Token": r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}",
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "password in a URL": r"(?<=://)[^/@\s\"':]*:[^/@\s\"']+(?=@)",
    "signed URL": r"(?<=X-Amz-Signature=)[0-9a-f]{16,}|(?<=X-Amz-Security-Token=)[^&\s\"']{16,}",
    "key in a Pro URL": r"(?<=pro-api\.llama\.fi/)[A-Za-z0-9_-]{12,}",
}
_ANY = re.compile("|".join(SHAPES.values()))


def redact_text(text: str) -> str:
    """The text without anything that has the shape of a secret of ours."""
    return _ANY.sub(REDACTED, text)


def redact_names(value: Any) -> Any:
    """A copy in which what goes under the name of a secret is not told, however deep; numbers and flags stay."""
    if isinstance(value, Mapping):
        return {key: REDACTED if _hides(key, held) else redact_names(held) for key, held in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_names(held) for held in value]
    return value


def _hides(key: Any, held: Any) -> bool:
    if held is None or isinstance(held, bool | int | float):
        return False
    name = str(key).lower()
    return any(part in name for part in _NAMES)
