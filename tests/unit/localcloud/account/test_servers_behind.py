"""Databases and caches with a server behind them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from localcloud.account.ministack.servers import CACHE, DATABASE, register, with_master_secret


class FakeServers:
    """Answers with a new port for each id."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, str]] = []

    def __call__(self, question: Mapping[str, str]) -> Mapping[str, str]:
        self.asked.append(question)
        return {"host": "127.0.0.1", "port": str(7000 + len(self.asked))}


def table() -> dict[str, dict[str, Any]]:
    def made(logical_id: str, properties: Mapping[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
        return str(properties.get("Name", logical_id)), {"Arn": "arn", "Endpoint.Port": "5432"}

    def update(physical_id: str, old: object, new: Mapping[str, Any], stack: str, logical_id: str) -> Any:
        return made(logical_id, new, stack)

    return {kind: {"create": made, "update": update, "delete": lambda *_: None} for kind in (CACHE, DATABASE)}


def test_a_database_answers_the_address_of_its_server() -> None:
    servers, types = FakeServers(), table()
    register(types, servers)
    name, attributes = types[DATABASE]["create"]("Db", {"DBName": "defi", "MasterUsername": "owner"}, "stack")
    assert (name, attributes["Endpoint.Address"], attributes["Endpoint.Port"]) == ("Db", "127.0.0.1", "7001")
    assert servers.asked == [{"make": "postgres", "id": "Db", "name": "defi", "owner": "owner"}]


def test_it_keeps_its_server_when_it_is_updated() -> None:
    """A new one would be empty."""
    servers, types = FakeServers(), table()
    register(types, servers)
    made = types[CACHE]["create"]("Redis", {}, "stack")
    updated = types[CACHE]["update"]("Redis", {}, {"Tags": []}, "stack", "Redis")
    assert updated[1]["PrimaryEndPoint.Port"] == made[1]["PrimaryEndPoint.Port"]
    assert len(servers.asked) == 1


def test_a_replaced_one_has_a_server_of_its_own() -> None:
    servers, types = FakeServers(), table()
    register(types, servers)
    types[CACHE]["create"]("Redis", {}, "stack")
    assert types[CACHE]["update"]("Redis", {}, {"Name": "New"}, "stack", "Redis")[1]["PrimaryEndPoint.Port"] == "7002"


def test_its_server_ends_with_it() -> None:
    servers, types = FakeServers(), table()
    register(types, servers)
    types[CACHE]["create"]("Redis", {}, "stack")
    types[CACHE]["delete"]("Redis", {})
    assert servers.asked[-1] == {"end": "Redis"}


def test_a_database_with_a_managed_password_has_the_secret_that_rds_would_keep() -> None:
    kept: list[dict[str, Any]] = []

    def keep(logical_id: str, props: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        kept.append(props)
        return "name", {"Arn": "arn:secret"}

    create = with_master_secret(lambda logical_id, props, stack: ("db", {"Endpoint.Port": "5432"}), keep)
    assert create("Database", {"ManageMasterUserPassword": True, "MasterUsername": "admin"}, "stack") == (
        "db",
        {"Endpoint.Port": "5432", "MasterUserSecret.SecretArn": "arn:secret"},
    )
    assert json.loads(kept[0]["SecretString"])["username"] == "admin"
    assert "MasterUserSecret.SecretArn" not in create("Database", {"MasterUsername": "admin"}, "stack")[1]
