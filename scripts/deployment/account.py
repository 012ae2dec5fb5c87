"""The account that the environment names: AWS, or whatever answers its APIs under ``AWS_ENDPOINT_URL``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from scripts.deployment.errors import RefusedError

# A change makes CloudFormation, Lambda and us ask at the same time: an account's rates are soon used up.
_PATIENT = Config(retries={"mode": "standard", "max_attempts": 8}, connect_timeout=10, read_timeout=60)
_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_WHO = ("GITHUB_ACTOR", "GITHUB_RUN_ID")


class Clients(Protocol):
    """An account, as far as a deployment needs it."""

    def client(self, service: str) -> Any: ...

    def who(self) -> str: ...


class Account:
    """Clients of one account and region; one for each service. ``make`` builds one."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        self._make = make
        self._clients: dict[str, Any] = {}

    @classmethod
    def of_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """The account that credentials and region of the environment open. Raises RefusedError if no region is said."""
        session = boto3.Session(region_name=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION"))
        if not session.region_name:
            raise RefusedError("no region is set: set AWS_REGION")
        return cls(partial(session.client, config=_PATIENT))

    def client(self, service: str) -> Any:
        """The same one every time."""
        if service not in self._clients:
            self._clients[service] = self._make(service)
        return self._clients[service]

    def who(self) -> str:
        """Whose credentials these are; in a workflow who started it, too."""
        try:
            arn = str(self.client("sts").get_caller_identity()["Arn"])
        except (BotoCoreError, ClientError) as error:
            raise RefusedError(f"no credentials that AWS takes: {error}") from error
        by = " ".join(os.environ[name] for name in _WHO if os.environ.get(name))
        return f"{arn} ({by})" if by else arn


def is_aws(client: Any) -> bool:
    """Whether AWS itself answers this client, and not something on a machine of ours."""
    return (urlsplit(str(client.meta.endpoint_url)).hostname or "").endswith(_DOMAINS)


def role_for(who: str, stack: str, resources: Mapping[str, str]) -> str | None:
    """The role that CloudFormation must be handed, if the caller is the stack's own DeployRole; else None.

    That role may change the stack in the name of ExecutionRole only. Whoever else deploys does it in his own.
    """
    arn = who.partition(" ")[0]
    if f":assumed-role/{stack}-DeployRole-" not in arn or "ExecutionRole" not in resources:
        return None
    _, partition, _, _, number, _ = arn.split(":", 5)
    return f"arn:{partition}:iam::{number}:role/{resources['ExecutionRole']}"
