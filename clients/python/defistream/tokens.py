"""Where tokens come from: ``POST /v1/tokens``."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from defistream.errors import ConnectionLostError, from_status, reason_of

TokenSource = Callable[[], Awaitable[str]]

_HTTP_TIMEOUT_S = 10.0


class HttpTokens:
    """Tokens from the REST API; ``fastest_rate`` is what the last answer allowed, None before the first."""

    def __init__(self, base_url: str, api_key: str | None) -> None:
        self._url = base_url.rstrip("/") + "/v1/tokens"
        if urlsplit(self._url).scheme not in ("http", "https"):
            raise ValueError(f"not an http URL: {base_url!r}")
        self._headers = {"content-type": "application/json", "accept": "application/json"}
        if api_key is not None:
            self._headers["x-api-key"] = api_key
        self.fastest_rate: str | None = None

    async def __call__(self) -> str:
        """A new token. Raises CommandError when refused, ConnectionLostError when there is no answer."""
        request = urllib.request.Request(self._url, b"{}", self._headers)  # noqa: S310 - the scheme is checked above
        # A token is wanted a few times an hour: a thread and the standard library are enough.
        token, self.fastest_rate = await asyncio.to_thread(_post, request)
        return token


def http_tokens(base_url: str, api_key: str | None = None) -> HttpTokens:
    """A source of tokens from the REST API at ``base_url``: anonymous ones, or the key's."""
    return HttpTokens(base_url, api_key)


def _post(request: urllib.request.Request) -> tuple[str, str | None]:
    try:
        with urllib.request.urlopen(request, timeout=_HTTP_TIMEOUT_S) as response:  # noqa: S310 - http or https only
            answer = json.load(response)
            return str(answer["token"]), answer.get("fastest_rate")
    except urllib.error.HTTPError as error:
        raise from_status(error.code, json_object(error.read()), error.headers.get("retry-after")) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConnectionLostError(f"no token from {request.full_url}: {reason_of(error)}") from error


def json_object(body: bytes) -> dict[str, Any]:
    """A JSON object, or an empty one: the body of a refusal may be anything."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def socket_url(url: str, token: str | None = None) -> str:
    """The handshake's URL: path ``/ws`` if none is given, the token added."""
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss"):
        raise ValueError(f"not a ws:// or wss:// URL: {url!r}")
    query = [parts.query] if parts.query else []
    if token is not None:
        query.append(urlencode({"token": token}))
    return urlunsplit(
        (parts.scheme, parts.netloc, "/ws" if parts.path in ("", "/") else parts.path, "&".join(query), "")
    )


def http_url(url: str) -> str:
    """The REST API beside a socket's URL: same host, http for ws and https for wss."""
    parts = urlsplit(url)
    return f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}"
