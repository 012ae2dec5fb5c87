"""The feed of prices: many coins, asked for in batches of a URL each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from urllib.parse import quote

import msgspec

from chalicelib.adapters.defillama.fetcher import Fetcher, Page, ThrottledError, redact
from chalicelib.adapters.defillama.payloads import coins_by_key, next_poll, split, stamp_of
from chalicelib.adapters.defillama.records import UNUSABLE, Stamp, read_price
from chalicelib.domain.observations import Observation
from chalicelib.domain.topics import is_topic
from chalicelib.errors import SourceError
from chalicelib.ports import FeedResult, FeedState

BATCHES_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Batch:
    """One request: DefiLlama's keys, each with the coins that it stands for."""

    keys: Mapping[str, Sequence[str]]
    url: str

    @property
    def place(self) -> str:
        """The URL as it may be stored and logged."""
        return redact(self.url)

    @property
    def size(self) -> int:
        return sum(map(len, self.keys.values()))


@dataclass(slots=True)
class _Harvest:
    """What the batches gave so far."""

    observations: dict[str, Observation] = field(default_factory=dict)
    pages: list[tuple[Batch, Page]] = field(default_factory=list)
    errors: list[SourceError] = field(default_factory=list)
    unusable: int = 0
    unchanged: int = 0


class Prices:
    """Guarantees: a coin that the source leaves out is no observation and no failure; a batch that fails costs
    only its coins, which count as unusable; the poll fails if every batch does. A source that throttles one
    batch is not asked for those not yet sent.
    """

    def __init__(self, *, url: str, fetcher: Fetcher, coins_per_request: int, now: Callable[[], datetime]) -> None:
        self._url = url
        self._fetcher = fetcher
        self._coins_per_request = coins_per_request
        self._now = now

    def fetch(self, state: FeedState, *, coins: Iterable[str], scheduled_at: datetime, deadline: float) -> FeedResult:
        """Ask for every coin. Raises SourceError if no batch could be used."""
        batches = list(self._batches(coins))
        if not batches:
            return FeedResult((), state, None)
        ask = partial(self._ask, etags=state.etags, deadline=deadline, throttled=threading.Event())
        with ThreadPoolExecutor(min(BATCHES_AT_ONCE, len(batches))) as pool:
            answers = list(pool.map(ask, batches))
        harvest = _Harvest()
        for batch, answer in zip(batches, answers, strict=True):
            try:
                _gather(harvest, batch, answer, scheduled_at)
            except SourceError as error:
                harvest.errors.append(error)
                harvest.unusable += batch.size
        if not harvest.pages:
            raise max(harvest.errors, key=lambda error: error.retry_after or 0)
        return self._result(harvest)

    def _batches(self, coins: Iterable[str]) -> Iterator[Batch]:
        keys: dict[str, list[str]] = {}
        for coin in dict.fromkeys(coins):
            if is_topic(f"price:{coin}"):
                keys.setdefault(coin if ":" in coin else f"coingecko:{coin}", []).append(coin)
        items = list(keys.items())
        for start in range(0, len(items), self._coins_per_request):
            part = dict(items[start : start + self._coins_per_request])
            path = ",".join(quote(key, safe=":") for key in part)
            yield Batch(part, f"{self._url}/prices/current/{path}?searchWidth=4h")

    def _ask(
        self, batch: Batch, *, etags: Mapping[str, str], deadline: float, throttled: threading.Event
    ) -> Page | SourceError:
        if throttled.is_set():
            return SourceError(f"GET {batch.place:.80}: not sent, the source is throttling", temporary=True)
        try:
            return self._fetcher.get(batch.url, etag=etags.get(batch.place), deadline=deadline)
        except SourceError as error:
            if isinstance(error, ThrottledError):
                throttled.set()
            return error

    def _result(self, harvest: _Harvest) -> FeedResult:
        now = self._now()
        rests = [page.fresh_for_s for _, page in harvest.pages]
        if harvest.errors:  # what failed is asked for again in a minute, unless the source wants a longer rest
            rests = [max((error.retry_after or 0 for error in harvest.errors), default=0) or None]
        state = FeedState(
            etags={batch.place: page.etag for batch, page in harvest.pages if page.etag},
            next_poll=next_poll(now, rests),
            last_success=now,
            count=len(harvest.observations) + harvest.unchanged,
        )
        dates = [page.date for _, page in harvest.pages if page.date]
        return FeedResult(list(harvest.observations.values()), state, max(dates, default=None), harvest.unusable)


def _gather(harvest: _Harvest, batch: Batch, answer: Page | SourceError, scheduled_at: datetime) -> None:
    if isinstance(answer, SourceError):
        raise answer
    if answer.body is None:
        harvest.unchanged += batch.size
    else:
        records = split(coins_by_key, answer.body, batch.place)
        _read(harvest, batch, records, stamp_of(answer, scheduled_at))
    harvest.pages.append((batch, answer))


def _read(harvest: _Harvest, batch: Batch, records: Mapping[str, msgspec.Raw], stamp: Stamp) -> None:
    """The source echoes the request's spelling of a key, but looks it up in lower case: so may a proxy's cache."""
    lowered = {key.lower(): raw for key, raw in records.items()}
    for key, coins in batch.keys.items():
        raw = records.get(key) or lowered.get(key.lower())
        if raw is None:
            continue
        for coin in coins:
            try:
                seen = read_price(raw, coin, stamp)
            except UNUSABLE:
                harvest.unusable += 1
                continue
            if seen is not None:
                harvest.observations[seen.topic] = seen
