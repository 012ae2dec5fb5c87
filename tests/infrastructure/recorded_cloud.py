"""The laptop cloud set up as a stage on AWS is, with every AWS call of its functions written down."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.domain.origin import ORIGIN_HEADERS
from localcloud.cloud import STACK
from localcloud.gateway.throttle import GatewayLimits
from localcloud.testing import LocalCloud
from tests.infrastructure import edge_double
from tests.tls_redis import TlsRedis

GROUP, WEB_ACL = "recorded-redis", "recorded-origin"


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """What was signed; ``resource`` is a logical id of the template, or what stands for one there."""

    function: str
    service: str
    operation: str
    resource: str


class RecordedCloud(LocalCloud):
    """Set up as on AWS: origin guard on, Redis by IAM and TLS, a distribution and a database to be changed."""

    def __init__(self, redis: TlsRedis, user: str, calls: Path) -> None:
        # A small buffer: a client that does not read is soon answered 429 for.
        limits = GatewayLimits(send_buffer_bytes=1_000)
        super().__init__(feed="recorded", poll_s=3600.0, record_calls=calls, limits=limits)
        self._login = {"REDIS_URL": redis.tls_url, "REDIS_USER": user, "REDIS_GROUP": GROUP}
        self.calls = calls
        self.ids: dict[str, str] = {}  # physical id → logical id
        self.environment: dict[str, str] = {}

    def _environment(self) -> dict[str, str]:
        stack = self.aws.client("cloudformation").describe_stack_resources(StackName=STACK)
        self.ids = {each["PhysicalResourceId"]: each["LogicalResourceId"] for each in stack["StackResources"]}
        by_name = {logical: physical for physical, logical in self.ids.items()}
        secrets = self.aws.client("secretsmanager")
        origin = {
            header: secrets.get_secret_value(SecretId=by_name[name])["SecretString"]
            for header, name in zip(ORIGIN_HEADERS, ("OriginSecretA", "OriginSecretB"), strict=True)
        }
        database = {"username": "postgres", "password": "not-asked-for"}
        made = {
            "Distribution": edge_double.distribution(self.aws.client("cloudfront"), origin),
            "Database.MasterUserSecret.SecretArn": self._secret("recorded-database", json.dumps(database)),
            "DefiLlamaSecret": self._secret("recorded-defillama", "not a key"),  # refused before it is sent anywhere
        }
        web_acl = edge_double.web_acl(self.aws.client("wafv2"), WEB_ACL, origin)
        named = {"OriginWebAcl": WEB_ACL, "Redis": GROUP, "RedisUser": self._login["REDIS_USER"]}
        self.ids |= {physical: logical for logical, physical in (made | named).items()}
        self.environment = {
            **super()._environment(),
            **self._login,
            "ORIGIN_SECRET_A_ID": by_name["OriginSecretA"],
            "ORIGIN_SECRET_B_ID": by_name["OriginSecretB"],
            "DISTRIBUTION_ID": made["Distribution"],
            "ORIGIN_WEB_ACL_ARN": web_acl,
            "DATABASE_HOST": "127.0.0.1",
            "DATABASE_PORT": str(self.postgres.port),
            "DATABASE_NAME": "postgres",
            "DATABASE_SECRET_ID": made["Database.MasterUserSecret.SecretArn"],
            "DATABASE_SSLMODE": "disable",
            "CONNECTION_SECONDS": "600",  # so short that every connection is told at once that its end is near
        }
        return self.environment

    def _secret(self, name: str, value: str) -> str:
        return str(self.aws.client("secretsmanager").create_secret(Name=name, SecretString=value)["ARN"])

    def recorded(self) -> set[Call]:
        if not self.calls.exists():
            return set()
        return {call for line in self.calls.read_text().splitlines() for call in self._calls(json.loads(line))}

    def _calls(self, line: dict[str, Any]) -> Iterable[Call]:
        for resource in line["resources"]:
            known = f"{resource.split(' ')[0]} WebsocketAPI" if line["service"] == "execute-api" else None
            name = known or self.ids.get(resource, resource)
            yield Call(line["function"], line["service"], line["operation"], name)
