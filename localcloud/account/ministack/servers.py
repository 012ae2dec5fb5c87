"""Databases and caches with a real server behind each, which the process that started this one runs.

ministack only records both. A stage reads its server's address from the resource, so the resource answers the address
of the real one.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from typing import Any

DATABASE, CACHE = "AWS::RDS::DBInstance", "AWS::ElastiCache::ReplicationGroup"

Ask = Callable[[Mapping[str, str]], Mapping[str, str]]
Create = Callable[[str, dict[str, Any], str], tuple[str, dict[str, Any]]]
Attributes = dict[str, Any]


class ServerError(RuntimeError):
    """No server could be started; the message says why."""


def asking(path: str) -> Ask:
    """Ask over a Unix socket: one JSON object a line, each way. Raises ServerError."""

    def ask(question: Mapping[str, str]) -> Mapping[str, str]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            connection.sendall(json.dumps(dict(question)).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer: dict[str, str] = json.loads(lines.readline())
        if "error" in answer:
            raise ServerError(answer["error"])
        return answer

    return ask


def register(table: dict[str, dict[str, Any]], ask: Ask) -> None:
    """Put a server behind every database instance and every replication group."""
    table[CACHE] = _served(table[CACHE], ask, _cache)
    table[DATABASE] = _served(table[DATABASE], ask, _database)


def _cache(physical_id: str, _properties: Mapping[str, Any], ask: Ask) -> Attributes:
    made = ask({"make": "redis", "id": physical_id})
    address, port = made["host"], made["port"]
    return {
        **{f"{which}.Address": address for which in ("PrimaryEndPoint", "ReaderEndPoint")},
        **{f"{which}.Port": port for which in ("PrimaryEndPoint", "ReaderEndPoint")},
    }


def _database(physical_id: str, properties: Mapping[str, Any], ask: Ask) -> Attributes:
    login = {"name": str(properties.get("DBName", "")), "owner": str(properties.get("MasterUsername", ""))}
    made = ask({"make": "postgres", "id": physical_id, **login})
    return {"Endpoint.Address": made["host"], "Endpoint.Port": made["port"]}


def _served(
    own: Mapping[str, Any], ask: Ask, make: Callable[[str, Mapping[str, Any], Ask], Attributes]
) -> dict[str, Any]:
    known: dict[str, Attributes] = {}  # by physical id: what it answered when it was made

    def create(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, Attributes]:
        physical_id, attributes = own["create"](logical_id, properties, stack)
        known[physical_id] = {**attributes, **make(physical_id, properties, ask)}
        return physical_id, known[physical_id]

    def update(physical_id: str, old: Any, new: Any, stack: str, logical_id: str = "") -> tuple[str, Attributes]:
        changed_id, attributes = own["update"](physical_id, old, new, stack, logical_id)
        if changed_id not in known:  # it was replaced
            known[changed_id] = {**attributes, **make(changed_id, new, ask)}
        return changed_id, {**attributes, **known[changed_id]}

    def delete(physical_id: str, properties: Any) -> None:
        own["delete"](physical_id, properties)
        if known.pop(physical_id, None) is not None:
            ask({"end": physical_id})

    return {**own, "create": create, "update": update, "delete": delete}


def with_master_secret(create: Create, keep: Create) -> Create:
    """RDS instances that have the secret which RDS itself would keep for ``ManageMasterUserPassword``.

    ``keep`` makes a secret as for AWS::SecretsManager::Secret.
    """

    def create_both(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, Attributes]:
        physical_id, attributes = create(logical_id, properties, stack)
        if str(properties.get("ManageMasterUserPassword")).lower() == "true":
            # Any password does: the laptop's PostgreSQL trusts its own machine.
            login = {"username": properties.get("MasterUsername"), "password": "unused"}
            secret = {"Name": f"rds!db-{physical_id}", "SecretString": json.dumps(login)}
            attributes["MasterUserSecret.SecretArn"] = keep(f"{logical_id}MasterSecret", secret, stack)[1]["Arn"]
        return physical_id, attributes

    return create_both
