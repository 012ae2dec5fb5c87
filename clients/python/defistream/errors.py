"""Every error that the client raises.

StreamError
├── CommandError            the server refused a command; has ``code``, ``name``, ``temporary``, ``retry_after``
│   ├── MalformedError      1000-1099  not the protocol: a bug, do not retry
│   ├── RefusedError        2000-2099  unknown topic, bad filter, not allowed: fix, do not retry
│   ├── LimitError          3000-3099  wait ``retry_after`` seconds
│   ├── AuthenticationError 4000-4099  a new token or key is needed
│   └── TemporaryError      5000-5099  ours: retry with backoff
├── CommandTimeoutError     no reply within the command's time
└── ConnectionLostError     no connection could be had within the time given

A refusal at the handshake is a CommandError too, with ``http_status``: 401 is AuthenticationError, 403
RefusedError, 429 LimitError, 5xx TemporaryError.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping
from typing import Any


class StreamError(Exception):
    """Root of the tree. ``temporary``: the same call may succeed later."""

    temporary = False


class CommandError(StreamError):
    """A refusal by the server, in its own words."""

    def __init__(
        self,
        message: str,
        *,
        code: int = 5000,
        name: str = "error",
        temporary: bool = False,
        retry_after: float | None = None,
        http_status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.name = name
        self.temporary = temporary
        self.retry_after = retry_after
        self.http_status = http_status

    def __str__(self) -> str:
        return f"{self.code} {self.name}: {self.args[0]}"


class MalformedError(CommandError):
    pass


class RefusedError(CommandError):
    pass


class LimitError(CommandError):
    pass


class AuthenticationError(CommandError):
    pass


class TemporaryError(CommandError):
    pass


class CommandTimeoutError(StreamError):
    temporary = True


class ConnectionLostError(StreamError):
    temporary = True


_BANDS: Mapping[int, type[CommandError]] = {
    1: MalformedError,
    2: RefusedError,
    3: LimitError,
    4: AuthenticationError,
    5: TemporaryError,
}
_STATUS_CODES: Mapping[int, tuple[int, str]] = {
    401: (4000, "not_authenticated"),
    403: (2004, "not_allowed"),
    429: (3002, "too_many_connections"),
}


def from_reply(error: Mapping[str, Any], *, http_status: int | None = None) -> CommandError:
    """The exception for a reply's ``error`` object (or a problem+json body, which has the same names)."""
    code = error.get("code")
    code = code if isinstance(code, int) else 5000
    retry_after = error.get("retry_after")
    return _BANDS.get(code // 1000, CommandError)(
        str(error.get("message") or error.get("detail") or error.get("title") or "no reason given"),
        code=code,
        name=str(error.get("name") or "error"),
        temporary=bool(error.get("temporary", code >= 5000 or 3000 <= code < 4000)),
        retry_after=float(retry_after) if isinstance(retry_after, int | float) else None,
        http_status=http_status,
    )


def reason_of(error: Exception) -> str:
    """Why a connection could not be had, in a person's words and on one line."""
    cause = getattr(error, "reason", None)
    cause = cause if isinstance(cause, Exception) else error  # urllib wraps it
    # A name with several addresses fails with all their reasons in one text and no errno.
    if isinstance(cause, ConnectionRefusedError) or f"[Errno {errno.ECONNREFUSED}]" in str(cause):
        return "connection refused, nothing listens on that port"
    if isinstance(cause, socket.gaierror):
        return "there is no host of that name"
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    if isinstance(cause, KeyError):
        return f"its answer has no {cause}"
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def from_status(status: int, body: Mapping[str, Any], retry_after: str | None) -> CommandError:
    """The exception for an HTTP refusal; a Retry-After in seconds is kept, one that is a date is not."""
    code, name = _STATUS_CODES.get(status, (5000 if status >= 500 else 2000, f"http_{status}"))
    fields: dict[str, Any] = {"code": code, "name": name, "title": f"refused with HTTP {status}", **body}
    if retry_after and retry_after.strip().isdigit():
        fields["retry_after"] = float(retry_after)
    return from_reply(fields, http_status=status)
