"""Where tokens come from: ``POST /v1/tokens``."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from defistream.errors import ConnectionLostError, from_status

TokenSource = Callable[[], Awaitable[str]]

_HTTP_TIMEOUT_S = 10.0


def http_tokens(base_url: str, api_key: str | None = None) -> TokenSource:
    """A source of tokens from the REST API at ``base_url``: anonymous ones, or the key's.

    It raises CommandError when refused and ConnectionLostError when there is no answer.
    """
    url = base_url.rstrip("/") + "/v1/tokens"
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"not an http URL: {base_url!r}")
    headers = {"content-type": "application/json", "accept": "application/json"}
    if api_key is not None:
        headers["x-api-key"] = api_key

    async def fetch() -> str:
        # A token is wanted a few times an hour: a thread and the standard library are enough.
        return await asyncio.to_thread(_post, urllib.request.Request(url, b"{}", headers))  # noqa: S310 - checked above

    return fetch


def _post(request: urllib.request.Request) -> str:
    try:
        with urllib.request.urlopen(request, timeout=_HTTP_TIMEOUT_S) as response:  # noqa: S310 - http or https only
            return str(json.load(response)["token"])
    except urllib.error.HTTPError as error:
        raise from_status(error.code, json_object(error.read()), error.headers.get("retry-after")) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConnectionLostError(f"no token from {request.full_url}: {error}") from error


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
