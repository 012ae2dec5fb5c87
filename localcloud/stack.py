"""A stage's template on this machine: the few things that must be otherwise here, each told by name.

The template knows nothing of laptops. What it says of addresses is replaced before it is deployed, and all else is
deployed as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from localcloud.standins import STAND_INS

_API = "AWS::ApiGatewayV2::Api"
_STAGE = "AWS::ApiGatewayV2::Stage"
_FUNCTION = "AWS::Serverless::Function"
_DATABASE = "AWS::RDS::DBInstance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What runs here in place of what AWS would run."""

    aws_url: str
    redis_url: str
    postgres_url: str
    feed_url: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as in the stage."""

    what: str
    here: str
    why: str


def localise(template: Mapping[str, Any], here: Surroundings) -> tuple[dict[str, Any], list[Difference]]:
    """The template for ministack, and how it differs. ``template`` is left alone.

    Every difference is in the environment of functions. Raises ValueError if nothing in the template would be changed
    by one of them: then it tells of a variable that is gone.
    """
    local = copy.deepcopy(dict(template))
    environments = list(_environments(local))
    differences = []
    for anchor, values, why in _replacements(local, here):
        holders = [variables for variables in environments if anchor in variables]
        if not holders:
            raise ValueError(f"no function of the template has {anchor}")
        for variables in holders:
            variables.update({name: value for name, value in values.items() if value is not None})
            for name in values:
                if values[name] is None:
                    variables.pop(name, None)
        differences += [Difference(name, _told(value), why) for name, value in values.items()]
    return local, differences


def _replacements(template: Mapping[str, Any], here: Surroundings) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The variable by which to know the environments, what changes in them (None: taken out), and the reason."""
    postgres = urlsplit(here.postgres_url)
    redis = {"REDIS_URL": here.redis_url, "REDIS_USER": None, "REDIS_GROUP": None}
    yield "REDIS_URL", redis, "ministack only records ElastiCache: a real Redis, which asks for no IAM token"
    callbacks = {"CONNECTIONS_URL": {"Fn::Sub": f"{here.aws_url}/_aws/execute-api/{_socket_stage(template)}"}}
    yield "CONNECTIONS_URL", callbacks, "ministack serves @connections under an address of its own"
    database = {
        "DATABASE_HOST": postgres.hostname,
        "DATABASE_PORT": str(postgres.port),
        "DATABASE_SSLMODE": "disable",
    }
    yield "DATABASE_HOST", database, "ministack only records RDS: a real PostgreSQL, on loopback without TLS"
    feed = {f"DEFILLAMA_{host}_URL": here.feed_url for host in ("API", "COINS", "STABLECOINS", "YIELDS")}
    yield "OBSERVATIONS_TOPIC_ARN", feed, "recorded figures instead of DefiLlama's own"


def _environments(template: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The variables that all functions share, and those of each."""
    shared = template.get("Globals", {}).get("Function", {})
    functions = (entry["Properties"] for entry in template["Resources"].values() if entry["Type"] == _FUNCTION)
    for properties in (shared, *functions):
        if properties.get("Environment", {}).get("Variables"):
            yield properties["Environment"]["Variables"]


def _socket_stage(template: Mapping[str, Any]) -> str:
    """``${WebsocketAPI}/ws``, by whatever names they have. Raises ValueError unless there is one of each."""
    apis = [name for name, resource in template["Resources"].items() if resource["Type"] == _API]
    stages = [entry["Properties"]["StageName"] for entry in template["Resources"].values() if entry["Type"] == _STAGE]
    if len(apis) != 1 or len(stages) != 1:
        raise ValueError(f"one WebSocket API with one stage is expected, not {apis} and {stages}")
    return f"${{{apis[0]}}}/{stages[0]}"


def _told(value: Any) -> str:
    return "not set" if value is None else str(value["Fn::Sub"] if isinstance(value, dict) else value)


def database_of(template: Mapping[str, Any]) -> tuple[str, str]:
    """Name and master user of the template's database. Raises ValueError unless there is one."""
    found = [entry["Properties"] for entry in template["Resources"].values() if entry["Type"] == _DATABASE]
    if len(found) != 1:
        raise ValueError(f"one {_DATABASE} is expected, not {len(found)}")
    return str(found[0]["DBName"]), str(found[0]["MasterUsername"])


def stood_in(types: Mapping[str, str]) -> dict[str, list[str]]:
    """Logical ids of the resources that only stand in for the real thing, by type; ``types`` maps id to type."""
    found: dict[str, list[str]] = {}
    for logical_id, kind in sorted(types.items()):
        if kind in STAND_INS:
            found.setdefault(kind, []).append(logical_id)
    return found
