"""DefiLlama's Pro API: the same feeds at one host, with a key as the first segment of the path."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Lock
from typing import TypedDict

from chalicelib.adapters.defillama.fetcher import PRO_HOST
from chalicelib.errors import SourceError, StoreDownError
from chalicelib.ports import FeedKind, FeedResult, FeedState, Source

_KEY = re.compile(r"[A-Za-z0-9_-]{8,128}")


class Urls(TypedDict):
    """Where each area of the API is."""

    api_url: str
    coins_url: str
    stablecoins_url: str
    yields_url: str


def pro_urls(key: str) -> Urls:
    """Where each area of the API is. Raises SourceError for what can be no key: it would change the path."""
    if not _KEY.fullmatch(key):
        raise SourceError("the secret of DefiLlama's Pro key holds something that is no key")
    base = f"https://{PRO_HOST}/{key}"
    return Urls(
        api_url=f"{base}/api",
        coins_url=f"{base}/coins",
        stablecoins_url=f"{base}/stablecoins",
        yields_url=f"{base}/yields",
    )


class ProSource:
    """Implements ports.Source. Safe to use from several threads.

    Guarantees: the key is asked for at every poll, so that a new one is used without a deployment; it is in no error.
    ``make`` builds a source for the URLs of a key.
    """

    def __init__(self, *, key: Callable[[], str], make: Callable[[Urls], Source]) -> None:
        self._key = key
        self._make = make
        self._lock = Lock()
        self._made: tuple[str, Source] | None = None

    def fetch(self, kind: FeedKind, state: FeedState, *, coins: Sequence[str], scheduled_at: datetime) -> FeedResult:
        """Poll one feed. Raises SourceError, also if there is no key to be had."""
        return self._source().fetch(kind, state, coins=coins, scheduled_at=scheduled_at)

    def _source(self) -> Source:
        with self._lock:
            try:
                key = self._key().strip()  # put by hand, often with a line's end
            except StoreDownError as error:
                raise SourceError(f"no Pro key: {error}", temporary=True) from error
            if self._made is None or self._made[0] != key:
                self._made = (key, self._make(pro_urls(key)))
            return self._made[1]
