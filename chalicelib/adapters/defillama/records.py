"""DefiLlama's records, read one by one: a record that makes no sense costs only itself.

Numbers may be JSON numbers, decimal strings or null; they become Decimal digit by digit, never through a
binary float. A reader returns None for a record that has no figure (null is how the source says "unknown")
and raises one of UNUSABLE for one that makes no sense.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from chalicelib.adapters.defillama.chains import MAX_NAME, chain_name, chain_names
from chalicelib.domain.observations import Observation, observation_id, parse_value, plain
from chalicelib.domain.topics import is_topic
from chalicelib.errors import PoisonError

UNUSABLE = (PoisonError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

MIN_CONFIDENCE = Decimal("0.5")  # as in DefiLlama's own clients
MAX_AHEAD_S = 3600  # a price from the future would outrank every true one until then
NOT_TVL = frozenset({"borrowed", "staking", "pool2", "vesting", "offers", "treasury"})

Number = Decimal | None


class _Price(msgspec.Struct):
    price: Number = None
    timestamp: Number = None
    confidence: Number = None
    source: str | None = None


class _Protocol(msgspec.Struct):
    name: str = ""
    slug: str | None = None
    tvl: Number = None
    chainTvls: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815  # read only where tvl is null
    chains: list[str | None] | None = None
    category: str | None = None
    source: str | None = None


class _Chain(msgspec.Struct):
    """``chainId`` is a number, a string or null, and not needed."""

    name: str
    tvl: Number = None
    source: str | None = None


class _Stablecoin(msgspec.Struct):
    gecko_id: str | None = None
    price: Number = None
    pegType: str | None = None  # noqa: N815
    chains: list[str | None] | None = None
    source: str | None = None


class _Pool(msgspec.Struct):
    pool: str
    apy: Number = None
    tvlUsd: Number = None  # noqa: N815
    chain: str | None = None
    project: str | None = None
    source: str | None = None


_price = msgspec.json.Decoder(_Price)
_protocol = msgspec.json.Decoder(_Protocol)
_chain = msgspec.json.Decoder(_Chain)
_stablecoin = msgspec.json.Decoder(_Stablecoin)
_pool = msgspec.json.Decoder(_Pool)
_chain_tvls = msgspec.json.Decoder(dict[str, Number] | None)


@dataclass(frozen=True, slots=True)
class Stamp:
    """The time of a payload whose records carry none.

    ``token`` goes into the ids: the schedule event's time, so that the event's retry gives the same ids.
    """

    observed_at: datetime
    token: str

    def observation(
        self,
        topic: str,
        value: Decimal,
        *,
        source: str | None,
        chains: Iterable[str | None] = (),
        category: str | None = None,
        confidence: Decimal | None = None,
        seconds: int | None = None,
    ) -> Observation:
        """An observation of now, or of ``seconds`` since the Unix epoch. Raises PoisonError."""
        if not is_topic(topic):
            raise PoisonError(f"not a topic: {topic!r:.60}")
        value = parse_value(value)
        return Observation(
            id=observation_id(topic, self.token if seconds is None else str(seconds), value),
            topic=topic,
            value=value,
            observed_at=self.observed_at if seconds is None else datetime.fromtimestamp(seconds, UTC),
            source=(source or "defillama")[:MAX_NAME],
            confidence=confidence,
            chains=chain_names(chains),
            category=category[:MAX_NAME] if category else None,
        )


Reader = Callable[[msgspec.Raw, Stamp], Observation | None]


def read_all(raws: Iterable[msgspec.Raw], reader: Reader, stamp: Stamp) -> tuple[list[Observation], int]:
    """The observations of a payload, one a topic, and how many records were unusable.

    Of two records of one topic the larger stays: a chain is listed under its old name too, with no TVL.
    """
    found: dict[str, Observation] = {}
    unusable = 0
    for raw in raws:
        try:
            seen = reader(raw, stamp)
        except UNUSABLE:
            unusable += 1
            continue
        if seen is None:
            continue
        held = found.get(seen.topic)
        if held is None or seen.value > held.value:
            found[seen.topic] = seen
    return list(found.values()), unusable


def read_price(raw: msgspec.Raw, coin: str, stamp: Stamp) -> Observation | None:
    """``price:{coin}``; None if the source gives no price or trusts its own too little."""
    record = _price.decode(raw)
    if record.price is None:
        return None
    confidence = None if record.confidence is None else parse_value(record.confidence)
    if confidence is not None and confidence < MIN_CONFIDENCE:
        return None
    return stamp.observation(
        f"price:{coin}",
        _above_zero(record.price),
        source=record.source,
        confidence=confidence,
        seconds=None if record.timestamp is None else _seconds(record.timestamp, stamp),
    )


def read_protocol(raw: msgspec.Raw, stamp: Stamp) -> Observation | None:
    """``tvl:protocol:{slug}``, filtered by chains and category."""
    record = _protocol.decode(raw)
    tvl = _sum_of_chains(record.chainTvls) if record.tvl is None else record.tvl
    if tvl is None:
        return None
    slug = record.slug or record.name.lower().replace(" ", "-").replace("'", "")
    return stamp.observation(
        f"tvl:protocol:{slug}",
        _not_negative(tvl),
        source=record.source,
        chains=record.chains or (),
        category=record.category,
    )


def read_chain(raw: msgspec.Raw, stamp: Stamp) -> Observation | None:
    """``tvl:chain:{Name}`` under today's name, spaces as dashes; the filter keeps the spaces."""
    record = _chain.decode(raw)
    if record.tvl is None:
        return None
    name = chain_name(record.name)
    return stamp.observation(
        f"tvl:chain:{name.replace(' ', '-')}", _not_negative(record.tvl), source=record.source, chains=(name,)
    )


def read_stablecoin(raw: msgspec.Raw, stamp: Stamp) -> Observation | None:
    """``peg:{gecko_id}``: the price; its category is the kind of peg."""
    record = _stablecoin.decode(raw)
    if not record.gecko_id or record.price is None:
        return None
    return stamp.observation(
        f"peg:{record.gecko_id}",
        _above_zero(record.price),
        source=record.source,
        chains=record.chains or (),
        category=record.pegType,
    )


def read_pool(raw: msgspec.Raw, stamp: Stamp, min_tvl_usd: Decimal) -> Observation | None:
    """``yield:{pool}``: the APY in percent, which may be negative; its category is the project."""
    record = _pool.decode(raw)
    if record.apy is None or record.tvlUsd is None or parse_value(record.tvlUsd) < min_tvl_usd:
        return None
    return stamp.observation(
        f"yield:{record.pool}", record.apy, source=record.source, chains=(record.chain,), category=record.project
    )


def _sum_of_chains(raw: msgspec.Raw) -> Decimal | None:
    """A protocol's TVL from its parts: ``Ethereum`` counts, ``Ethereum-borrowed`` and ``staking`` do not."""
    parts = [
        parse_value(tvl)
        for name, tvl in (_chain_tvls.decode(raw) or {}).items()
        if tvl is not None and "-" not in name and name not in NOT_TVL
    ]
    return sum(parts, Decimal(0)) if parts else None


def _not_negative(value: Decimal) -> Decimal:
    value = parse_value(value)
    if value < 0:
        raise PoisonError(f"negative: {plain(value)}")
    return value


def _above_zero(value: Decimal) -> Decimal:
    """A price: zero is not one, it is how a failing oracle says that it does not know."""
    value = parse_value(value)
    if value <= 0:
        raise PoisonError(f"not a price: {plain(value)}")
    return value


def _seconds(timestamp: Decimal, stamp: Stamp) -> int:
    seconds = int(parse_value(timestamp))
    if not 0 < seconds <= stamp.observed_at.timestamp() + MAX_AHEAD_S:
        raise PoisonError(f"a time that cannot be: {seconds}")
    return seconds
