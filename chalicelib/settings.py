"""Settings, read once from the environment into one frozen object.

Nothing else in the product touches ``os.environ``. One SettingsError names every variable that is missing
or wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from chalicelib.errors import SettingsError

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


DEFAULT_THRESHOLDS: Mapping[str, Threshold] = {
    "price": Threshold(Decimal("0.1")),
    "tvl": Threshold(Decimal("1"), Decimal("10000")),
    "peg": Threshold(Decimal("0.1")),
    "yield": Threshold(Decimal("5")),
    "feed": Threshold(Decimal("10"), Decimal("1")),
    "alerts": Threshold(Decimal("0")),
}

DEFAULT_TIERS: Mapping[str, Tier] = {
    "free": Tier(2, 25, "5s", 2, 10),
    "pro": Tier(20, 500, "realtime", 10, 50),
    "enterprise": Tier(500, 5000, "realtime", 50, 200),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that differs between two deployments. Times in seconds, sizes in bytes."""

    stage: str
    region: str
    redis_url: str
    connections_url: str  # https://{api}.execute-api.{region}.amazonaws.com/{stage}
    observations_topic_arn: str
    events_queue_url: str
    events_dead_letters_url: str
    deliveries_queue_url: str
    ticks_queue_url: str
    gone_queue_url: str
    keys_table: str
    token_secret_id: str

    database_host: str = ""  # these, without a default, only where PostgreSQL is needed
    database_port: int = 5432
    database_name: str = ""
    database_secret_id: str = ""  # JSON with username and password: of the owner, where the schema is changed
    database_user: str = ""  # everywhere else: logs in by IAM, and where there is no TLS without a password
    database_sslmode: str = "verify-full"

    history_queue_url: str = ""  # these three only where history is recorded
    history_dead_letters_url: str = ""
    raw_bucket: str = ""
    history_months: int = 61  # months of observations that are kept, this one included; 0: all
    history_fine_months: int = 4  # months of candles of 1 and 5 minutes that are kept; 0: all
    history_grace_days: int = 7  # days for which a month that is kept no longer can be attached again

    query_timeout_s: float = 5.0  # so long the database works on a query
    query_wait_s: float = 3.0  # so long a query waits for an equal one's answer, or for one of the places
    queries_per_party: int = 2  # that the database works on at once
    queries_at_once: int = 12
    query_days: int = 31  # of observations that one query may reach over
    query_topic_days: int = 366  # where it names its topics
    query_fresh_s: float = 1.0  # so long an answer is given again whatever has arrived
    query_life_s: float = 60.0  # so long at most, if nothing has
    query_stale_s: float = 3600.0  # so long it is kept for when the database is down
    query_answer_bytes: int = 1024 * 1024  # a larger answer is not kept
    query_cache_bytes: int = 64 * 1024 * 1024

    version: str = "dev"
    log_level: str = "INFO"
    log_sample_rate: float = 0.0  # share of invocations that write at DEBUG whatever the level
    redis_user: str = ""  # with redis_group: log in by IAM, as this user of that replication group; empty: no login
    redis_group: str = ""
    origin_secret_a_id: str = ""  # with b: callers must send one of the headers x-origin-verify-a and -b; empty: none
    origin_secret_b_id: str = ""
    allowed_origins: tuple[str, ...] = ()  # empty: a browser page of any origin may connect
    distribution_id: str = ""  # these two only where secrets are rotated
    origin_web_acl_arn: str = ""

    defillama_api_url: str = "https://api.llama.fi"
    defillama_coins_url: str = "https://coins.llama.fi"
    defillama_stablecoins_url: str = "https://stablecoins.llama.fi"
    defillama_yields_url: str = "https://yields.llama.fi"
    defillama_secret_id: str = ""  # holds a Pro key; empty: the free API, at the URLs above
    coins: tuple[str, ...] = tuple(DEFAULT_COINS.split(","))
    yield_min_tvl_usd: Decimal = Decimal("1000000")
    coins_per_request: int = 50
    source_timeout_s: float = 20.0

    thresholds: Mapping[str, Threshold] = field(default_factory=lambda: dict(DEFAULT_THRESHOLDS))
    tiers: Mapping[str, Tier] = field(default_factory=lambda: dict(DEFAULT_TIERS))

    log_entries: int = 200
    log_seconds: int = 900
    applied_seconds: int = 4 * 3600 + 900  # longer than a message lives in the events queue (4 h)
    session_seconds: int = 3600
    connection_seconds: int = 2 * 3600 + 600  # the gateway ends a connection after 2 h
    tombstone_seconds: int = 900
    token_seconds: int = 300
    anonymous_tokens_per_minute: int = 10

    frame_bytes: int = 32 * 1024  # API Gateway bills and frames by 32 KB
    posts_per_job: int = 500
    deliver_connections: int = 64  # keep-alive connections to the gateway of one worker
    deliver_posts_per_s: int = 700  # of one worker: 10 workers stay under 70 % of 10,000 a second
    deliver_attempts: int = 8

    @property
    def origin_secret_ids(self) -> tuple[str, ...]:
        """Of x-origin-verify-a and -b, in this order; none if callers need not send them."""
        return tuple(filter(None, (self.origin_secret_a_id, self.origin_secret_b_id)))


def _csv(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _positive(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        value = convert(text)
        if not 0 < value < float("inf"):
            raise ValueError("must be a number above zero")
        return value

    return parse


def _level(text: str) -> str:
    if text.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
    return text.upper()


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError("must be a number from 0 to 1")
    return value


def _months(text: str) -> int:
    value = int(text)
    if value < 0 or value == 1:
        raise ValueError("must be 0 (all) or at least 2: this month and the one before it")
    return value


def _sslmode(text: str) -> str:
    if text not in ("verify-full", "require", "disable"):
        raise ValueError("must be verify-full, require or disable")
    return text


_REQUIRED = (
    "STAGE",
    "AWS_REGION",
    "REDIS_URL",
    "CONNECTIONS_URL",
    "OBSERVATIONS_TOPIC_ARN",
    "EVENTS_QUEUE_URL",
    "EVENTS_DEAD_LETTERS_URL",
    "DELIVERIES_QUEUE_URL",
    "TICKS_QUEUE_URL",
    "GONE_QUEUE_URL",
    "KEYS_TABLE",
    "TOKEN_SECRET_ID",
)

_OPTIONAL: Mapping[str, Callable[[str], Any]] = {
    "VERSION": str,
    "LOG_LEVEL": _level,
    "LOG_SAMPLE_RATE": _share,
    "REDIS_USER": str,
    "REDIS_GROUP": str,
    "DATABASE_HOST": str,
    "DATABASE_PORT": _positive(int),
    "DATABASE_NAME": str,
    "DATABASE_SECRET_ID": str,
    "DATABASE_USER": str,
    "DATABASE_SSLMODE": _sslmode,
    "HISTORY_QUEUE_URL": str,
    "HISTORY_DEAD_LETTERS_URL": str,
    "RAW_BUCKET": str,
    "HISTORY_MONTHS": _months,
    "HISTORY_FINE_MONTHS": _months,
    "HISTORY_GRACE_DAYS": _positive(int),
    "QUERY_TIMEOUT_S": _positive(float),
    "QUERY_WAIT_S": _positive(float),
    "QUERIES_PER_PARTY": _positive(int),
    "QUERIES_AT_ONCE": _positive(int),
    "QUERY_DAYS": _positive(int),
    "QUERY_TOPIC_DAYS": _positive(int),
    "QUERY_FRESH_S": _positive(float),
    "QUERY_LIFE_S": _positive(float),
    "QUERY_STALE_S": _positive(float),
    "QUERY_ANSWER_BYTES": _positive(int),
    "QUERY_CACHE_BYTES": _positive(int),
    "ORIGIN_SECRET_A_ID": str,
    "ORIGIN_SECRET_B_ID": str,
    "ALLOWED_ORIGINS": _csv,
    "DISTRIBUTION_ID": str,
    "ORIGIN_WEB_ACL_ARN": str,
    "DEFILLAMA_API_URL": str,
    "DEFILLAMA_COINS_URL": str,
    "DEFILLAMA_STABLECOINS_URL": str,
    "DEFILLAMA_YIELDS_URL": str,
    "DEFILLAMA_SECRET_ID": str,
    "COINS": _csv,
    "YIELD_MIN_TVL_USD": Decimal,
    "COINS_PER_REQUEST": _positive(int),
    "SOURCE_TIMEOUT_S": _positive(float),
    "SESSION_SECONDS": _positive(int),
    "CONNECTION_SECONDS": _positive(int),
    "TOKEN_SECONDS": _positive(int),
    "ANONYMOUS_TOKENS_PER_MINUTE": _positive(int),
    "POSTS_PER_JOB": _positive(int),
    "DELIVER_CONNECTIONS": _positive(int),
    "DELIVER_POSTS_PER_S": _positive(int),
    "DELIVER_ATTEMPTS": _positive(int),
}


def _redis_login(env: Mapping[str, str]) -> list[str]:
    """What is wrong with the login to Redis."""
    if bool(env.get("REDIS_USER")) != bool(env.get("REDIS_GROUP")):
        return ["REDIS_USER and REDIS_GROUP go together: set both or neither"]
    if env.get("REDIS_USER") and not env.get("REDIS_URL", "").startswith("rediss://"):
        return ["REDIS_URL must be rediss:// where REDIS_USER logs in by IAM: a token is a password"]
    return []


def _pairs(env: Mapping[str, str]) -> list[str]:
    """Which variables came without the one that they need."""
    pairs = (("ORIGIN_SECRET_A_ID", "ORIGIN_SECRET_B_ID"), ("DISTRIBUTION_ID", "ORIGIN_WEB_ACL_ARN"))
    return [f"{a} and {b} go together: set both or neither" for a, b in pairs if bool(env.get(a)) != bool(env.get(b))]


def _database(env: Mapping[str, str]) -> list[str]:
    """Which of the variables that lead to PostgreSQL are missing while others are there."""
    if not any(env.get(name) for name in ("DATABASE_HOST", "DATABASE_NAME", "DATABASE_SECRET_ID", "DATABASE_USER")):
        return []
    bad = [f"{name} is missing" for name in ("DATABASE_HOST", "DATABASE_NAME") if not env.get(name)]
    if not env.get("DATABASE_SECRET_ID") and not env.get("DATABASE_USER"):
        bad.append("DATABASE_SECRET_ID is missing")
    return bad


def from_env(env: Mapping[str, str]) -> Settings:
    """Settings from a deployment's variables. Raises SettingsError naming every bad one."""
    bad: list[str] = []
    values: dict[str, Any] = {}
    for name in _REQUIRED:
        if not env.get(name):
            bad.append(f"{name} is missing")
        values["region" if name == "AWS_REGION" else name.lower()] = env.get(name, "")
    for name, convert in _OPTIONAL.items():
        if not env.get(name):
            continue
        try:
            values[name.lower()] = convert(env[name])
        except (ValueError, ArithmeticError) as error:
            bad.append(f"{name}={env[name]!r} is wrong: {error}")
    bad += _redis_login(env) + _pairs(env) + _database(env)
    if bad:
        raise SettingsError("bad settings: " + "; ".join(bad))
    return Settings(**values)
