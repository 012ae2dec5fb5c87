"""Where a stage runs: in an AWS account, or on this machine as what ``python -m localcloud`` started."""

from __future__ import annotations

import argparse
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import boto3
from botocore.config import Config

from scripts.deployment.account import Account, is_aws
from scripts.deployment.errors import RefusedError, StackError
from scripts.deployment.stack import Stack, StackResource, StackState, stack_name
from scripts.packaging.project import PROJECT, stages

LOCAL = "local"
PORT_VARIABLE = "LOCALCLOUD_PORT"
DEFAULT_PORT = "8080"
EPILOG = f"""
STAGE is dev, staging or production, reached by the AWS credentials and region of the environment, or local: the
platform that `python -m localcloud` runs on this machine, at port {DEFAULT_PORT} unless --port or {PORT_VARIABLE} says
otherwise.
"""


@dataclass(frozen=True)
class Place:
    """A stage's stack and the clients of the account that it is in."""

    stage: str
    account: Account
    stack: Stack
    addresses: Mapping[str, str] = field(default_factory=dict)  # of localcloud; none on AWS

    @classmethod
    def of(cls, stage: str, port: str | None = None) -> Self:
        """Raises RefusedError if nothing answers there, or no region is set."""
        addresses = _ask(port or os.environ.get(PORT_VARIABLE) or DEFAULT_PORT) if stage == LOCAL else {}
        account = Account(_local_clients(addresses)) if addresses else Account.of_environment()
        return cls(stage, account, Stack(account.client("cloudformation"), stack_name(stage)), addresses)

    @property
    def prefix(self) -> str:
        """What the names of the stage's functions and queues begin with."""
        return f"{self.stack.name}-"

    def client(self, service: str) -> Any:
        return self.account.client(service)

    @property
    def is_aws(self) -> bool:
        """Whether AWS itself is there, and not something that answers its APIs on a machine of ours."""
        return is_aws(self.stack.client)

    @cached_property
    def state(self) -> StackState:
        """Raises RefusedError if the stage is not deployed."""
        state = self.stack.state()
        if state is None:
            raise RefusedError(f"there is no stack {self.stack.name} in this account and region")
        return state

    @cached_property
    def resources(self) -> tuple[StackResource, ...]:
        """Raises RefusedError if the stage is not deployed."""
        return self.stack.resources() if self.state else ()

    def of_type(self, kind: str) -> dict[str, str]:
        """Physical ids by logical ones."""
        return {one.logical_id: one.physical_id for one in self.resources if one.type == kind}

    def invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        """What a function of the stage answers, by its alias. Raises StackError with what it says went wrong."""
        answer = self.client("lambda").invoke(
            FunctionName=f"{self.prefix}{function}:live", Payload=json.dumps(event).encode()
        )
        payload = json.loads(answer["Payload"].read() or b"null")
        if answer.get("FunctionError"):
            raise StackError(f"function {function}: {payload.get('errorMessage', payload)}")
        return payload


def add_stage(options: argparse.ArgumentParser) -> None:
    """The argument STAGE, where localcloud listens, and the output for a program."""
    names = [LOCAL, *stages(PROJECT)]
    options.add_argument("stage", choices=names, metavar="STAGE", help=", ".join(names))
    options.add_argument("--port", metavar="PORT", help=f"of localcloud, for {LOCAL} (default: {DEFAULT_PORT})")
    options.add_argument("--json", action="store_true", help="one JSON object on the output")


def _ask(port: str) -> dict[str, str]:
    url = f"http://127.0.0.1:{port}/_operator/platform"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            addresses = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise RefusedError(
            f"no localcloud answers at port {port} ({error}): start it with `make run`, or say where it is by --port"
        ) from error
    return dict(addresses)


def _local_clients(addresses: Mapping[str, str]) -> Callable[[str], Any]:
    from localcloud.ministack import ACCESS_KEY, SECRET_KEY

    own = {"lambda": f"{addresses['url']}/_operator", "apigatewaymanagementapi": addresses["management_url"]}

    def make(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=own.get(service, addresses["aws_url"]),
            region_name=addresses["region"],
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(retries={"mode": "standard"}, connect_timeout=5, read_timeout=60),
        )

    return make
