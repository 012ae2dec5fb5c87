"""DefiLlama's HTTP API as a Source of observations: prices, TVL, stablecoin pegs and yields."""

from __future__ import annotations

import random as _random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

import msgspec
import urllib3

from chalicelib.adapters.defillama.fetcher import Fetcher, keep_keys_out_of_logs, redact
from chalicelib.adapters.defillama.payloads import array, next_poll, pegged_assets, pools, split, stamp_of
from chalicelib.adapters.defillama.prices import BATCHES_AT_ONCE, Prices
from chalicelib.adapters.defillama.records import (
    Reader,
    read_all,
    read_chain,
    read_pool,
    read_protocol,
    read_stablecoin,
)
from chalicelib.ports import FeedKind, FeedResult, FeedState


@dataclass(frozen=True, slots=True)
class _Feed:
    """A feed of one request: where it is, how its records are found and read."""

    url: str
    take_apart: Callable[[bytes], list[msgspec.Raw]]
    reader: Reader
    has_total: bool = False  # its values add up to something whose fall means a bad payload


class DefiLlama:
    """Implements ports.Source. Safe to use from several threads.

    Guarantees: a payload that is not what it should be raises SourceError, whatever it holds; a bad record
    costs only itself and is counted; values keep every digit; ``timeout_s`` bounds the whole poll of a feed,
    retries and waits included; ids depend on the source's time where it gives one and else on
    ``scheduled_at``; a Pro key in a URL is in no error, log line or state.
    """

    def __init__(
        self,
        *,
        api_url: str,
        coins_url: str,
        stablecoins_url: str,
        yields_url: str,
        timeout_s: float,
        coins_per_request: int,
        yield_min_tvl_usd: Decimal,
        http: urllib3.PoolManager | None = None,
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], float] = _random.random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        api, coins, stablecoins, yields = (url.rstrip("/") for url in (api_url, coins_url, stablecoins_url, yields_url))
        keep_keys_out_of_logs([api, coins, stablecoins, yields])
        self._timeout_s = timeout_s
        self._now = now
        self._fetcher = Fetcher(
            http=http or urllib3.PoolManager(maxsize=BATCHES_AT_ONCE + 1), sleep=sleep, random=random, now=now
        )
        self._prices = Prices(url=coins, fetcher=self._fetcher, coins_per_request=coins_per_request, now=now)
        stablecoins_page = f"{stablecoins}/stablecoins?includePrices=true"
        pool_reader = partial(read_pool, min_tvl_usd=yield_min_tvl_usd)
        self._feeds: Mapping[FeedKind, _Feed] = {
            "protocols": _Feed(f"{api}/protocols", array, read_protocol, has_total=True),
            "chains": _Feed(f"{api}/v2/chains", array, read_chain, has_total=True),
            "stablecoins": _Feed(stablecoins_page, pegged_assets, read_stablecoin),
            "yields": _Feed(f"{yields}/pools", pools, pool_reader),
        }

    def fetch(self, kind: FeedKind, state: FeedState, *, coins: Sequence[str], scheduled_at: datetime) -> FeedResult:
        """Poll one feed. Raises SourceError; nothing of a failed poll may be used."""
        deadline = time.monotonic() + self._timeout_s
        if kind == "prices":
            return self._prices.fetch(state, coins=coins, scheduled_at=scheduled_at, deadline=deadline)
        return self._fetch_whole(self._feeds[kind], state, scheduled_at, deadline)

    def _fetch_whole(self, feed: _Feed, state: FeedState, scheduled_at: datetime, deadline: float) -> FeedResult:
        place = redact(feed.url)
        page = self._fetcher.get(feed.url, etag=state.etags.get(place), deadline=deadline)
        now = self._now()
        state = replace(
            state,
            etags={place: page.etag} if page.etag else {},
            next_poll=next_poll(now, [page.fresh_for_s]),
            last_success=now,
        )
        if page.body is None:
            return FeedResult((), state, page.date)
        records = split(feed.take_apart, page.body, place)
        observations, unusable = read_all(records, feed.reader, stamp_of(page, scheduled_at))
        total = float(sum(seen.value for seen in observations)) if feed.has_total else 0.0
        state = replace(state, count=len(observations), total=total)
        return FeedResult(observations, state, page.date, unusable)
