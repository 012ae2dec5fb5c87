"""The variables of a deployment: which there are, what each holds, and which go together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any


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


def _switch(text: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError("must be on or off")
    return text == "on"


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
    "REDIS_TIMEOUT_S": _positive(float),
    "REDIS_USER": str,
    "REDIS_GROUP": str,
    "DATABASE_HOST": str,
    "DATABASE_PORT": _positive(int),
    "DATABASE_NAME": str,
    "DATABASE_SECRET_ID": str,
    "DATABASE_USER": str,
    "DATABASE_READER": str,
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
    "QUERIES_OF_NOBODY": _positive(int),
    "QUERY_DAYS": _positive(int),
    "QUERY_TOPIC_DAYS": _positive(int),
    "QUERY_FRESH_S": _positive(float),
    "QUERY_LIFE_S": _positive(float),
    "QUERY_STALE_S": _positive(float),
    "QUERY_ANSWER_BYTES": _positive(int),
    "QUERY_CACHE_BYTES": _positive(int),
    "IDEMPOTENCY_TABLE": str,
    "ALERTS_TABLE": str,
    "DUE_TABLE": str,
    "SOURCE_SPEED": _positive(float),
    "ALERTS_QUEUE_URL": str,
    "ALERTS_DEAD_LETTERS_URL": str,
    "NOTIFICATIONS_QUEUE_URL": str,
    "DELIVERIES_TABLE": str,
    "EMAIL_SENDER": str,
    "EMAIL_SETTINGS": str,
    "PUBLIC_URL": str,
    "WEBHOOKS_TO_PRIVATE_ADDRESSES": _switch,
    "ORIGIN_SECRET_A_ID": str,
    "ORIGIN_SECRET_B_ID": str,
    "ALLOWED_ORIGINS": _csv,
    "NAME_PREFIX": str,
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
    "ANONYMOUS_REQUESTS_PER_MINUTE": _positive(int),
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
    logins = ("DATABASE_SECRET_ID", "DATABASE_USER", "DATABASE_READER")
    if not any(env.get(name) for name in ("DATABASE_HOST", "DATABASE_NAME", *logins)):
        return []
    bad = [f"{name} is missing" for name in ("DATABASE_HOST", "DATABASE_NAME") if not env.get(name)]
    if not any(env.get(name) for name in logins):
        bad.append("DATABASE_SECRET_ID is missing")
    return bad


def wrong_together(env: Mapping[str, str]) -> list[str]:
    """Which variables came without those that they need."""
    return _redis_login(env) + _pairs(env) + _database(env)
