"""DefiLlama's historical endpoints: one topic's past as observations, the same that polling would have made of it.

Ids hash the point's own time, as those of polled prices do, so that loading twice, or what was polled, changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal
from urllib.parse import quote

import msgspec

from chalicelib.adapters.defillama.fetcher import Fetcher
from chalicelib.adapters.defillama.payloads import split
from chalicelib.domain.observations import Observation, observation_id, parse_value
from chalicelib.errors import PoisonError

Kind = Literal["prices", "protocols", "chains", "pegs", "yields"]
KINDS: tuple[Kind, ...] = ("prices", "protocols", "chains", "pegs", "yields")

TIMEOUT_S = 60.0  # a large protocol's answer has 20 MB
POINTS = 500  # of a price chart at once
PERIODS_S = {"1d": 86_400, "1h": 3_600}

Point = tuple[int, Decimal]  # unix seconds, value


@dataclass(frozen=True, slots=True)
class Hosts:
    api: str = "https://api.llama.fi"
    coins: str = "https://coins.llama.fi"
    stablecoins: str = "https://stablecoins.llama.fi"
    yields: str = "https://yields.llama.fi"


@dataclass(frozen=True, slots=True)
class Topic:
    """What is to be loaded: ``like`` is an observation of it, whose category and chains its past gets too."""

    kind: Kind
    like: Observation

    @property
    def rest(self) -> str:
        """The topic's last segment; of a coin all of its key."""
        return self.like.topic.partition(":")[2] if self.kind == "prices" else self.like.topic.rpartition(":")[2]


class _Tvl(msgspec.Struct):
    date: int
    totalLiquidityUSD: Decimal | None = None  # noqa: N815  # the source's name
    tvl: Decimal | None = None


class _Protocol(msgspec.Struct):
    tvl: list[_Tvl] = []


class _Price(msgspec.Struct):
    timestamp: int
    price: Decimal


class _Coin(msgspec.Struct):
    prices: list[_Price] = []


class _Coins(msgspec.Struct):
    coins: dict[str, _Coin]


class _Apy(msgspec.Struct):
    timestamp: datetime
    apy: Decimal | None = None


class _Pool(msgspec.Struct):
    data: list[_Apy]


_protocol = msgspec.json.Decoder(_Protocol).decode
_chain = msgspec.json.Decoder(list[_Tvl]).decode
_prices = msgspec.json.Decoder(_Coins).decode
_pool = msgspec.json.Decoder(_Pool).decode


class Charts:
    """Reads through the fetcher that polls too: the same retries, bounds and care for keys."""

    def __init__(self, fetcher: Fetcher, hosts: Hosts, *, period: str = "1d") -> None:
        self._fetcher = fetcher
        self._hosts = hosts
        self._period = period

    def read(self, topic: Topic, since: datetime, until: datetime) -> list[Observation]:
        """Its recorded points in ``[since, until)``, oldest first. Raises SourceError."""
        points = self._points(topic, int(since.timestamp()), int(until.timestamp()))
        wanted = {at: value for at, value in points if since.timestamp() <= at < until.timestamp()}
        return list(_observations(topic.like, sorted(wanted.items()), may_be_zero=topic.kind not in ("prices", "pegs")))

    def _points(self, topic: Topic, since: int, until: int) -> Iterable[Point]:
        match topic.kind:
            case "prices" | "pegs":
                return self._price_points(topic.rest if ":" in topic.rest else f"coingecko:{topic.rest}", since, until)
            case "protocols":
                *daily, _now = self._get(f"{self._hosts.api}/protocol/{quote(topic.rest)}", _protocol).tvl or [None]
                return ((at.date, at.totalLiquidityUSD) for at in daily if at and at.totalLiquidityUSD is not None)
            case "chains":
                name = topic.like.chains[0] if topic.like.chains else topic.rest
                days = self._get(f"{self._hosts.api}/v2/historicalChainTvl/{quote(name)}", _chain)
                return ((at.date, at.tvl) for at in days if at.tvl is not None)
            case "yields":
                days = self._get(f"{self._hosts.yields}/chart/{quote(topic.rest)}", _pool).data
                return ((int(at.timestamp.timestamp()), at.apy) for at in days if at.apy is not None)

    def _price_points(self, key: str, since: int, until: int) -> Iterator[Point]:
        step = PERIODS_S[self._period]
        for start in range(since, until, POINTS * step):
            span = min(POINTS, -(-(until - start) // step))
            url = f"{self._hosts.coins}/chart/{quote(key)}?start={start}&span={span}&period={self._period}"
            for coin in self._get(url, _prices).coins.values():
                yield from ((at.timestamp, at.price) for at in coin.prices)

    def _get(self, url: str, decode: Callable[[bytes], msgspec.Struct]) -> msgspec.Struct:
        page = self._fetcher.get(url, etag=None, deadline=time.monotonic() + TIMEOUT_S)
        return split(decode, page.body or b"", url.partition("?")[0])


def _observations(like: Observation, points: Sequence[Point], *, may_be_zero: bool) -> Iterator[Observation]:
    """A point that makes no sense is left out, as polling leaves out a record."""
    for at, raw in points:
        try:
            value = parse_value(raw)
        except PoisonError:
            continue
        if like.topic.startswith("yield:") or value > 0 or (may_be_zero and value == 0):
            yield Observation(
                id=observation_id(like.topic, str(at), value),
                topic=like.topic,
                value=value,
                observed_at=datetime.fromtimestamp(at, UTC),
                source=like.source.removesuffix("-interpolated"),
                chains=like.chains,
                category=like.category,
            )
