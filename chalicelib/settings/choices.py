"""What the product offers: rates, filters, coins, thresholds and tiers, and their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

RATES: Mapping[str, int] = {"realtime": 0, "1s": 1, "5s": 5, "15s": 15, "60s": 60}
FILTER_RUNGS = ("0.5", "1", "2", "5", "10")

# DefiLlama's ids of the coins that are always polled: the largest by market value, and what is staked on them.
DEFAULT_COINS = (
    "bitcoin,ethereum,tether,binancecoin,ripple,usd-coin,solana,tron,dogecoin,cardano,staked-ether,wrapped-bitcoin,"
    "hyperliquid,chainlink,bitcoin-cash,stellar,sui,avalanche-2,litecoin,hedera-hashgraph,polkadot,uniswap,aave,"
    "maker,curve-dao-token,lido-dao,arbitrum,optimism,matic-network,near,cosmos,algorand,monero,ethereum-classic,"
    "filecoin,internet-computer,the-graph,fantom,tezos,eos,dai,frax,terra-luna,terrausd,pancakeswap-token,sushi,"
    "compound-governance-token,yearn-finance,havven,1inch,thorchain,convex-finance,loopring,theta-token,vechain,"
    "shiba-inu,ftx-token,crypto-com-chain,okb,leo-token"
)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A move is a change when it reaches ``pct`` percent of the last value or ``absolute`` units."""

    pct: Decimal
    absolute: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Tier:
    connections: int
    topics: int
    fastest_rate: str
    commands_per_s: int
    commands_burst: int
    requests_per_minute: int = 60  # of the REST API, by one key's owner or one address
    alert_rules: int = 10  # of one user


DEFAULT_THRESHOLDS: Mapping[str, Threshold] = {
    "price": Threshold(Decimal("0.1")),
    "tvl": Threshold(Decimal("1"), Decimal("10000")),
    "peg": Threshold(Decimal("0.1")),
    "yield": Threshold(Decimal("5")),
    "feed": Threshold(Decimal("10"), Decimal("1")),
    "alerts": Threshold(Decimal("0")),
}

DEFAULT_TIERS: Mapping[str, Tier] = {
    "free": Tier(2, 25, "5s", 2, 10, 60, 10),
    "pro": Tier(20, 500, "realtime", 10, 50, 1000, 1000),
    "enterprise": Tier(500, 5000, "realtime", 50, 200, 10_000, 100_000),
}
