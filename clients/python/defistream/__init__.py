"""Live DeFi prices, TVL, pegs and yields, as they change.

    async with defistream.connect("wss://host", api_key=key) as stream:
        await stream.subscribe("price:*", "tvl:protocol:*", min_change_pct="1")
        async for update in stream:
            print(update.topic, update.value, update.change_pct, update.delay_ms)

Every update is yielded once, over any number of reconnects; what could not be had is counted in
``stream.stats.not_recovered`` and reported to ``on_event``, never passed over in silence.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from defistream.core import Order
from defistream.dial import Dialer
from defistream.errors import (
    AuthenticationError,
    CommandError,
    CommandTimeoutError,
    ConnectionLostError,
    LimitError,
    MalformedError,
    RefusedError,
    StreamError,
    TemporaryError,
)
from defistream.stream import Stream, Subscribed
from defistream.tokens import TokenSource, http_tokens
from defistream.tokens import http_url as http_url_of
from defistream.update import Alert, Event, Stats, Update

__version__ = "0.1.0"

__all__ = [
    "Alert",
    "AuthenticationError",
    "CommandError",
    "CommandTimeoutError",
    "ConnectionLostError",
    "Event",
    "LimitError",
    "MalformedError",
    "RefusedError",
    "Stats",
    "Stream",
    "StreamError",
    "Subscribed",
    "TemporaryError",
    "TokenSource",
    "Update",
    "connect",
    "http_tokens",
]


def connect(
    url: str,
    *,
    api_key: str | None = None,
    token: str | None = None,
    tokens: TokenSource | None = None,
    http_url: str | None = None,
    order: Order = "arrival",
    max_buffered: int = 10_000,
    open_timeout_s: float = 30.0,
    gap_wait_s: float = 2.0,
    on_event: Callable[[Event], None] | None = None,
    jitter: Callable[[], float] = random.random,
) -> Stream:
    """A stream, to be opened by ``async with``.

    ``url`` is ``ws://`` or ``wss://``; its path is ``/ws`` unless it says another. Credentials are an
    ``api_key`` (for servers), a ``token`` (good for one handshake), ``tokens`` (an async function that gives a
    new one whenever needed), or nothing: an anonymous token from ``POST {http_url}/v1/tokens``, where
    ``http_url`` is the same host unless given. A ``token`` is followed by others only if ``tokens`` or
    ``http_url`` says from where.

    ``order``: ``arrival`` yields every update once; ``newest`` is for displays: one older than what was
    yielded of its topic is left out, and a slow reader gets only each topic's newest.
    """
    if tokens is None and (token is None or http_url is not None):
        tokens = http_tokens(http_url or http_url_of(url), api_key)
    return Stream(
        Dialer(url, api_key=api_key, token=token, tokens=tokens),
        order=order,
        max_buffered=max_buffered,
        open_timeout_s=open_timeout_s,
        gap_wait_s=gap_wait_s,
        on_event=on_event,
        jitter=jitter,
    )
