"""ministack, which answers the AWS APIs on this machine, and our CloudFormation in it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from chalice.package import YAMLTemplateSerializer

from localcloud.processes import Child, free_port, wait_for_port

REGION = "us-east-1"
ACCESS_KEY = "localcloud"
SECRET_KEY = "localcloud-has-no-secrets"  # noqa: S105 - opens nothing but this machine's emulator

# Run by ministack's own interpreter. Its SQS looks for messages ten times a second; two hops of that would be most of
# the delay that we measure, and AWS wakes a long poll at once.
_LAUNCH = """
import asyncio, types
import ministack.services.sqs as sqs
quick = types.SimpleNamespace(**{name: getattr(asyncio, name) for name in dir(asyncio) if not name.startswith("__")})
quick.sleep = lambda seconds: asyncio.sleep(min(seconds, 0.003))
sqs.asyncio = quick
from ministack.app import main
main()
"""


def interpreter() -> str:
    """The Python that has ministack: an environment of its own, since it pins botocore. Raises RuntimeError."""
    chosen = os.environ.get("MINISTACK_PYTHON") or str(Path(sys.prefix) / "ministack" / "bin" / "python")
    if not Path(chosen).exists():
        raise RuntimeError(f"ministack is not installed ({chosen} is missing): run 'make setup'")
    return chosen


class Ministack:
    """One ministack on a loopback port, with nothing kept after it ends."""

    def __init__(self, directory: Path, *, port: int = 0) -> None:
        self.directory = directory
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
        }
        command = (interpreter(), "-c", _LAUNCH)
        self._child = await Child.start("ministack", command, log=self.directory / "ministack.log", env=env)
        await wait_for_port(self.port, self._child)

    async def stop(self) -> None:
        if self._child:
            await self._child.stop()
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
        """Create a stack; returns its outputs. Raises RuntimeError with the reasons of what failed."""
        return await asyncio.to_thread(self._deploy, template, stack, parameters)

    def _deploy(self, template: Mapping[str, Any], stack: str, parameters: Mapping[str, str]) -> dict[str, str]:
        client = self.client("cloudformation")
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        try:
            client.create_stack(StackName=stack, TemplateBody=json.dumps(template), Parameters=given)
            waiter = client.get_waiter("stack_create_complete")
            waiter.config.delay = 0.05
            waiter.config.max_attempts = 600
            waiter.wait(StackName=stack)
        except (ClientError, Exception) as error:
            raise RuntimeError(f"stack {stack} was not created: {error}\n{_reasons(client, stack)}") from error
        (described,) = client.describe_stacks(StackName=stack)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}


def _reasons(client: Any, stack: str) -> str:
    try:
        events = client.describe_stack_events(StackName=stack)["StackEvents"]
    except ClientError:
        return ""
    bad = [event for event in events if "FAILED" in event["ResourceStatus"]]
    return "\n".join(f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}" for event in bad)


def read_template(directory: Path) -> dict[str, Any]:
    """The hand-written CloudFormation as one template. Raises ValueError on an id that two files define."""
    merged: dict[str, Any] = {"AWSTemplateFormatVersion": "2010-09-09"}
    for path in sorted(directory.glob("*.yaml")):
        part = YAMLTemplateSerializer().load_template(path.read_text(), path.name)
        for section in ("Parameters", "Resources", "Outputs"):
            names = merged.setdefault(section, {})
            twice = names.keys() & part.get(section, {}).keys()
            if twice:
                raise ValueError(f"{path.name} defines again: {', '.join(sorted(twice))}")
            names.update(part.get(section, {}))
    return merged
