"""DefiLlama's five polled answers, in its own shapes, for any moment of the tape.

Every record carries one field more than DefiLlama's: ``source``, ``recorded`` or ``recorded-interpolated``. What was
not recorded is null or left out, as DefiLlama itself does for what it does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from localcloud.feed.catalog import Catalog
from localcloud.feed.tape import DAY_S, HOUR_S, QUOTES, Sample, Tape, source_of
from localcloud.feed.windows import RENEWALS

Json = dict[str, Any]

FIRST_OWN_ID = 100_001  # above DefiLlama's ids, so that none of the tape's is taken for one of them
CONFIDENCE = 0.99  # what DefiLlama gives every coingecko: key
PEG_TYPE = "peggedUSD"
UNKNOWN_PREDICTION = {"predictedClass": None, "predictedProbability": None, "binnedConfidence": None}


class Answers:
    """Pure: the same moment (unix s) gives the same answer."""

    def __init__(self, tape: Tape, catalog: Catalog) -> None:
        self.tape = tape
        self.catalog = catalog
        self._chains_of: dict[str, list[str]] = {}
        for slug, chain in tape.keys("protocols"):
            self._chains_of.setdefault(slug, []).append(chain)
        self._ids = {slug: str(FIRST_OWN_ID + index) for index, slug in enumerate(self._chains_of)}

    def counts(self, time: int, width_s: int) -> dict[str, int]:
        """How many things every feed's answer tells of."""
        coins = {f"coingecko:{coin}" for name in QUOTES["prices"] for (coin,) in self.tape.keys(name)}
        return {
            "prices": len(self.prices(coins, time, width_s)["coins"]),
            "protocols": sum(bool(self.chain_tvls(slug, time)) for slug in self._chains_of),
            "chains": len(self.chains(time)),
            "stablecoins": len(self.stablecoins(time, prices=True)["peggedAssets"]),
            "yields": len(self.pools(time)["data"]),
        }

    # --- GET /protocols ---------------------------------------------------------------------------

    def protocols(self, time: int) -> list[Json]:
        found = (self.protocol(slug, time) for slug in self._chains_of)
        return sorted((each for each in found if each), key=lambda each: -each["tvl"])

    def protocol(self, slug: str, time: int) -> Json | None:
        """A protocol's record; None while nothing of it is on the tape."""
        tvls = self.chain_tvls(slug, time)
        if not tvls:
            return None
        chains = sorted(tvls, key=lambda chain: -tvls[chain].value)
        total = _total(tvls)
        return self.about(slug) | {
            "chain": chains[0] if len(chains) == 1 else "Multi-Chain",
            "chains": chains,
            "tvl": total,
            "chainTvls": {chain: tvls[chain].value for chain in chains},
            "change_1h": _change(self._tvl(slug, time - HOUR_S), total),
            "change_1d": _change(self._tvl(slug, time - DAY_S), total),
            "change_7d": _change(self._tvl(slug, time - 7 * DAY_S), total),
            "tokenBreakdowns": {},
            "mcap": None,
            "source": source_of(tvls.values()),
        }

    def about(self, slug: str) -> Json:
        """What does not change of a protocol."""
        facts = self.catalog.protocols.get(slug, {})
        first = min(self.tape.tables["protocols"].series[slug, chain].times[0] for chain in self._chains_of[slug])
        about = {
            "id": self._ids[slug],
            "name": facts.get("name", slug),
            "slug": slug,
            "address": None,
            "symbol": "-",
            "url": None,
            "description": None,
            "logo": None,
            "audits": "0",
            "gecko_id": None,
            "cmcId": None,
            "category": facts.get("category"),
            "module": None,
            "twitter": None,
            "listedAt": first,
            "misrepresentedTokens": False,
        }
        if "parent" in facts:
            about["parentProtocol"] = f"parent#{facts['parent']}"
        if self.catalog.is_parent(slug):
            about["isParentProtocol"] = True
        return about

    def chains_of(self, slug: str) -> Sequence[str]:
        return self._chains_of.get(slug, ())

    def chain_tvls(self, slug: str, time: int) -> Mapping[str, Sample]:
        samples = {chain: self._at("protocols", slug, chain, time=time) for chain in self._chains_of[slug]}
        return {chain: sample for chain, sample in samples.items() if sample}

    def _tvl(self, slug: str, time: int) -> float | None:
        tvls = self.chain_tvls(slug, time)
        return _total(tvls) if tvls else None

    # --- GET /v2/chains ---------------------------------------------------------------------------

    def chains(self, time: int) -> list[Json]:
        samples = ((name, self._at("chains", name, time=time)) for (name,) in self.tape.keys("chains"))
        return [self._chain(name, sample) for name, sample in samples if sample]

    def _chain(self, recorded: str, sample: Sample) -> Json:
        facts = self.catalog.chains.get(recorded, {})
        return {
            "gecko_id": facts.get("gecko_id"),
            "tvl": sample.value,
            "tokenSymbol": facts.get("symbol"),
            "cmcId": None,
            "name": self.catalog.chain_name(recorded),
            "chainId": facts.get("chain_id"),
            "source": source_of([sample]),
        }

    # --- GET /prices/current/{coins} --------------------------------------------------------------

    def prices(self, keys: Iterable[str], time: int, width_s: int) -> Json:
        """Keys as they were asked for; unknown coins and those older than ``width_s`` are left out."""
        quotes = {key: (coin, self._quote("prices", coin, time)) for key in keys if (coin := coin_of(key))}
        fresh = {key: quote for key, (coin, quote) in quotes.items() if quote and time - quote.time <= width_s}
        return {"coins": {key: self._price(quotes[key][0], quote) for key, quote in fresh.items()}}

    def _price(self, coin: str, quote: Sample) -> Json:
        return {
            "price": quote.value,
            "symbol": self.catalog.symbol(coin),
            "timestamp": quote.time,
            "confidence": CONFIDENCE,
            "source": source_of([quote]),
        }

    # --- GET /stablecoins -------------------------------------------------------------------------

    def stablecoins(self, time: int, *, prices: bool) -> Json:
        quotes = ((coin, self._quote("stablecoins", coin, time)) for coin in self.catalog.stablecoins)
        return {"peggedAssets": [self._stablecoin(coin, quote, time, prices) for coin, quote in quotes if quote]}

    def _stablecoin(self, coin: str, quote: Sample, time: int, prices: bool) -> Json:
        facts = self.catalog.stablecoins[coin]
        record = {
            "id": str(1 + list(self.catalog.stablecoins).index(coin)),
            "name": facts["name"],
            "symbol": facts["symbol"],
            "gecko_id": coin,
            "pegType": PEG_TYPE,
            "priceSource": "defillama",
            "pegMechanism": facts["mechanism"],
            "circulating": self._circulating(coin, time),
            "circulatingPrevDay": self._circulating(coin, time - DAY_S),
            "circulatingPrevWeek": self._circulating(coin, time - 7 * DAY_S),
            "circulatingPrevMonth": self._circulating(coin, time - 30 * DAY_S),
            "chainCirculating": {},
            "chains": [],
            "source": source_of([quote]),
        }
        return record | ({"price": quote.value} if prices else {})

    def _circulating(self, coin: str, time: int) -> Json:
        """Market value over price, where both were recorded; else empty."""
        cap, quote = self._at("stablecoin_caps", coin, time=time), self._quote("stablecoins", coin, time)
        return {PEG_TYPE: round(cap.value / quote.value, 2)} if cap and quote and quote.value else {}

    # --- GET /pools -------------------------------------------------------------------------------

    def pools(self, time: int) -> Json:
        found = (self._pool(pool, facts, time) for pool, facts in self.catalog.pools.items())
        return {"status": "success", "data": [each for each in found if each]}

    def _pool(self, pool: str, facts: Mapping[str, Any], time: int) -> Json | None:
        samples = {name: self._at("pools", pool, name, time=time) for name in ("tvlUsd", "apy", "apyBase", "apyReward")}
        apy = samples["apy"]
        if apy is None or samples["tvlUsd"] is None:
            return None
        return {**facts} | {
            **{name: sample.value if sample else None for name, sample in samples.items()},
            "apyPct1D": self._apy_step(pool, apy, time, days=1),
            "apyPct7D": self._apy_step(pool, apy, time, days=7),
            "apyPct30D": self._apy_step(pool, apy, time, days=30),
            "predictions": UNKNOWN_PREDICTION,
            **dict.fromkeys(("mu", "sigma", "il7d", "apyBase7d", "apyMean30d", "volumeUsd1d", "volumeUsd7d")),
            "count": self.tape.tables["pools"].series[pool, "apy"].before(time) + 1,
            "outlier": False,
            "source": source_of(sample for sample in samples.values() if sample),
        }

    def _apy_step(self, pool: str, apy: Sample, time: int, *, days: int) -> float | None:
        """Percentage points since that many days ago."""
        earlier = self._at("pools", pool, "apy", time=time - days * DAY_S)
        return round(apy.value - earlier.value, 5) if earlier else None

    def _at(self, table: str, *key: str, time: int) -> Sample | None:
        return self.tape.at(table, *key, time=time, reach_s=_REACH_S[table])

    def _quote(self, kind: str, coin: str, time: int) -> Sample | None:
        return self.tape.quote(kind, coin, time=time, reach_s=RENEWALS[kind].period_s)


# A point recorded since the window before this one began is what the source would answer now.
_REACH_S = {
    "protocols": RENEWALS["protocols"].period_s,
    "chains": RENEWALS["chains"].period_s,
    "stablecoin_caps": RENEWALS["stablecoins"].period_s,
    "pools": RENEWALS["yields"].period_s,
}


def coin_of(key: str) -> str | None:
    """The tape's coin of a DefiLlama key; it records ``coingecko:`` keys only, in any case."""
    chain, _, coin = key.lower().partition(":")
    return coin if chain == "coingecko" and coin else None


def _total(tvls: Mapping[str, Sample]) -> float:
    return round(sum(sample.value for sample in tvls.values()), 2)


def _change(before: float | None, now: float) -> float | None:
    return round((now / before - 1) * 100, 6) if before else None
