"""What functions are told otherwise on this machine than in AWS: a few variables, each told by name.

Templates and parameters are deployed as they are, and functions kept as they say; this is done to the variables with
which the account starts a function's workers. Standard library only: ministack's own interpreter reads it too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_ADDRESS = re.compile(r"(https|wss)://([a-z0-9]+)\.execute-api\.[^/\s]+/([\w-]+)")
_PLAIN = {"https": "http", "wss": "ws"}
_DEFILLAMA = tuple(f"DEFILLAMA_{host}_URL" for host in ("API", "COINS", "STABLECOINS", "YIELDS"))

# Of every function, in seconds. One that is ended by its timeout starts anew: on a busy machine it would never be up.
LEAST_TIMEOUT_S = 60

Variables = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What runs here in place of what AWS would run: both base URLs."""

    aws_url: str
    feed_url: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as in AWS."""

    what: str
    here: str
    why: str


@dataclass(frozen=True, slots=True)
class Rule:
    """``holder`` is the variable by which to know the functions it is about. ``change`` gives the variables that are
    otherwise there, None for those that are taken out."""

    holder: str
    change: Callable[[Variables, Surroundings], Mapping[str, str | None]]
    told: Callable[[Surroundings], tuple[Difference, ...]]


def local_address(text: str, here: Surroundings) -> str:
    """``text`` with each address of an API of API Gateway as the address where ministack serves it."""
    host = here.aws_url.partition("://")[2]
    return _ADDRESS.sub(lambda found: f"{_PLAIN[found[1]]}://{host}/_aws/execute-api/{found[2]}/{found[3]}", text)


def _redis(variables: Variables, _here: Surroundings) -> Mapping[str, str | None]:
    plain = variables["REDIS_URL"].replace("rediss://", "redis://", 1)
    return {"REDIS_URL": plain, "REDIS_USER": None, "REDIS_GROUP": None}


RULES = (
    Rule(
        "REDIS_URL",
        _redis,
        lambda _: (
            Difference("REDIS_URL", "redis://, without TLS", "a real Redis of its own for each replication group"),
            Difference("REDIS_USER", "not set", "that Redis asks for no IAM token"),
            Difference("REDIS_GROUP", "not set", "that Redis asks for no IAM token"),
        ),
    ),
    Rule(
        "CONNECTIONS_URL",
        lambda variables, here: {"CONNECTIONS_URL": local_address(variables["CONNECTIONS_URL"], here)},
        lambda here: (
            Difference(
                "CONNECTIONS_URL",
                local_address("https://api.execute-api.aws/ws", here).replace("/api/", "/{id}/"),
                "ministack serves APIs under addresses of its own",
            ),
        ),
    ),
    Rule(
        "DATABASE_HOST",
        lambda _variables, _here: {"DATABASE_SSLMODE": "disable"},
        lambda _: (
            Difference("DATABASE_SSLMODE", "disable", "a real PostgreSQL for each database instance, without TLS"),
        ),
    ),
    Rule(
        "OBSERVATIONS_TOPIC_ARN",
        lambda _variables, here: dict.fromkeys(_DEFILLAMA, here.feed_url),
        lambda here: tuple(
            Difference(name, here.feed_url, "recorded figures instead of DefiLlama's own") for name in _DEFILLAMA
        ),
    ),
)


def rewritten(variables: Variables, here: Surroundings) -> dict[str, str]:
    """A function's variables as they are here. ``variables`` is left alone."""
    result = dict(variables)
    for rule in RULES:
        if rule.holder in variables:
            for name, value in rule.change(variables, here).items():
                if value is None:
                    result.pop(name, None)
                else:
                    result[name] = value
    return result


def differences(here: Surroundings) -> list[Difference]:
    """All that is otherwise of functions."""
    told = [difference for rule in RULES for difference in rule.told(here)]
    return [*told, Difference("Timeout", f"at least {LEAST_TIMEOUT_S} s", "a busy machine starts functions slowly")]
