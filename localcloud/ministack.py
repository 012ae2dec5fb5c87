"""ministack, which answers the AWS APIs on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from chalicelib.adapters.dynamodb import DynamoKeys
from chalicelib.services.keys import KeyRing
from chalicelib.settings import DEFAULT_TIERS
from localcloud.processes import Child, free_port, wait_for_port
from scripts.changeset import ChangeSet

REGION = "us-east-1"
ACCESS_KEY = "localcloud"
SECRET_KEY = "localcloud-has-no-secrets"  # noqa: S105 - opens nothing but this machine's emulator
_PROGRAM = Path(__file__).parent / "account" / "ministack" / "launch.py"  # ministack, and what it lacks


def interpreter() -> str:
    """The Python that has ministack: an environment of its own, since it pins botocore. Raises RuntimeError."""
    chosen = os.environ.get("MINISTACK_PYTHON") or str(Path(sys.prefix) / "ministack" / "bin" / "python")
    if not Path(chosen).exists():
        raise RuntimeError(f"ministack is not installed ({chosen} is missing): run 'make setup'")
    return chosen


class Ministack:
    """One ministack on a loopback port, with nothing kept after it ends. ``extra`` goes into its environment."""

    def __init__(self, directory: Path, *, port: int = 0) -> None:
        self.directory = directory
        self.extra: Mapping[str, str] = {}
        self.port = port or free_port()
        self._child: Child | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Returns when it accepts connections."""
        self.directory.mkdir(parents=True, exist_ok=True)
        env = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "TMPDIR": str(self.directory),
            "LOG_LEVEL": "WARNING",
            "SFTP_ENABLED": "0",
            "PYTHONUNBUFFERED": "1",
            **self.extra,
        }
        command = (interpreter(), "-P", str(_PROGRAM))  # -P: our modules must not shadow those that it imports
        self._child = await Child.start("ministack", command, log=self.directory / "ministack.log", env=env)
        await wait_for_port(self.port, self._child)

    async def stop(self) -> None:
        """At once: it keeps nothing, and would wait for the functions that it runs."""
        if self._child:
            await self._child.kill()
            self._child = None

    def client(self, service: str) -> Any:
        """A boto3 client of this ministack."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(retries={"mode": "standard"}, connect_timeout=5, read_timeout=60),
        )

    async def deploy(self, template: Mapping[str, Any], *, stack: str, parameters: Mapping[str, str]) -> dict[str, str]:
        """Create a stack; returns its outputs. Raises StackError with the reasons of what failed."""
        change = ChangeSet(self.client("cloudformation"), stack, every_s=0.02)
        return await asyncio.to_thread(change.deploy, {"TemplateBody": json.dumps(template)}, parameters)

    def issue_key(self, table: str, *, name: str) -> str:
        """A new API key of the highest tier."""
        ring = KeyRing(
            keys=DynamoKeys(self.client("dynamodb"), table), tiers=DEFAULT_TIERS, now=lambda: datetime.now(UTC)
        )
        key, _ = ring.issue(tier="enterprise", name=name, user="demo")
        return key

    def keep_secret(self, name: str, value: Mapping[str, str]) -> str:
        """A new secret with this value as JSON; returns its id."""
        return str(self.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(value))["ARN"])

    def send_as(self, address: str) -> None:
        """Let e-mails come from this address: SES refuses one that nobody has confirmed."""
        self.client("sesv2").create_email_identity(EmailIdentity=address)

    def rotates(self, secret_id: str) -> None:
        """What its schedule does of a secret, which is with the functions of the template and not made here."""
        function = f"arn:aws:lambda:{REGION}:000000000000:function:rotate:live"
        self.client("secretsmanager").rotate_secret(
            SecretId=secret_id, RotationLambdaARN=function, RotateImmediately=False
        )

    def tail(self) -> str:
        """The end of what it said, for an error message."""
        return self._child.tail() if self._child else ""
