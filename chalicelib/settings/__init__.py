"""Settings, read once from the environment into one frozen object.

Nothing else in the product touches ``os.environ``. One SettingsError names every variable that is missing
or wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from chalicelib.errors import SettingsError
from chalicelib.settings.choices import (
    DEFAULT_COINS,
    DEFAULT_THRESHOLDS,
    DEFAULT_TIERS,
    FILTER_RUNGS,
    RATES,
    Threshold,
    Tier,
)
from chalicelib.settings.variables import _OPTIONAL, _REQUIRED, wrong_together

__all__ = [
    "DEFAULT_COINS",
    "DEFAULT_THRESHOLDS",
    "DEFAULT_TIERS",
    "FILTER_RUNGS",
    "RATES",
    "_OPTIONAL",
    "_REQUIRED",
    "Settings",
    "Threshold",
    "Tier",
    "from_env",
]


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
    database_user: str = ""  # where rows are changed: logs in by IAM, and where there is no TLS without a password
    database_reader: str = ""  # where they are only read, likewise
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
    queries_of_nobody: int = 8  # of these, for all who come without a key
    query_days: int = 31  # of observations that one query may reach over
    query_topic_days: int = 366  # where it names its topics
    query_fresh_s: float = 1.0  # so long an answer is given again whatever has arrived
    query_life_s: float = 60.0  # so long at most, if nothing has
    query_stale_s: float = 3600.0  # so long it is kept for when the database is down
    query_answer_bytes: int = 1024 * 1024  # a larger answer is not kept
    query_cache_bytes: int = 64 * 1024 * 1024

    idempotency_table: str = ""  # without it a request that is repeated is done again

    alerts_table: str = ""  # these only where alert rules are kept, evaluated or told
    due_table: str = ""
    source_speed: float = 1.0  # seconds of the source's time in one of ours: more only where a recording is played
    alerts_queue_url: str = ""
    alerts_dead_letters_url: str = ""
    notifications_queue_url: str = ""
    deliveries_table: str = ""
    email_sender: str = ""  # empty: no e-mail is sent
    email_settings: str = ""  # SES's configuration set for it
    public_url: str = ""  # https://…: what links in e-mails begin with
    webhooks_to_private_addresses: bool = False  # and to http: only where receivers run on the developer's machine

    version: str = "dev"
    log_level: str = "INFO"
    log_sample_rate: float = 0.0  # share of invocations that write at DEBUG whatever the level
    redis_timeout_s: float = 2.0  # for a connection and for each answer; then as long nothing is asked of it
    redis_user: str = ""  # with redis_group: log in by IAM, as this user of that replication group; empty: no login
    redis_group: str = ""
    origin_secret_a_id: str = ""  # with b: callers must send one of the headers x-origin-verify-a and -b; empty: none
    origin_secret_b_id: str = ""
    allowed_origins: tuple[str, ...] = ()  # empty: a browser page of any origin may connect
    name_prefix: str = ""  # of the stage's functions; only where releases are tried out
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
    anonymous_requests_per_minute: int = 60  # of the REST API, by address

    frame_bytes: int = 32 * 1024  # API Gateway bills and frames by 32 KB
    posts_per_job: int = 500
    deliver_connections: int = 64  # keep-alive connections to the gateway of one worker
    deliver_posts_per_s: int = 700  # of one worker: 10 workers stay under 70 % of 10,000 a second
    deliver_attempts: int = 8

    @property
    def origin_secret_ids(self) -> tuple[str, ...]:
        """Of x-origin-verify-a and -b, in this order; none if callers need not send them."""
        return tuple(filter(None, (self.origin_secret_a_id, self.origin_secret_b_id)))


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
    bad += wrong_together(env)
    if bad:
        raise SettingsError("bad settings: " + "; ".join(bad))
    return Settings(**values)
