"""What is put under load: the laptop cloud, started for the run, or a stage that is there."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3

from chalicelib.adapters.dynamodb import DynamoKeys
from chalicelib.services.keys import KeyRing
from chalicelib.settings import DEFAULT_TIERS
from loadtests.orders import Publish
from localcloud.environment import STAGE
from localcloud.ministack import ACCESS_KEY, REGION, SECRET_KEY

ROOT = Path(__file__).resolve().parents[1]
STOP_S = 20.0
USERS_PER_KEY = 400  # of the 500 connections of an enterprise key: traders may be back before they are seen to go


class TargetError(Exception):
    """The target cannot be put under load; the text says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the clients go. ``log`` holds what the handlers wrote, where they run here."""

    url: str
    ws_url: str
    keys: list[str]
    stage: str
    publish: Publish | None = None
    log: Path | None = None


@contextlib.contextmanager
def laptop(
    directory: Path, *, users: int, feed: str, changes_per_s: float, inject_latency_s: float, extra: list[str]
) -> Iterator[Target]:
    """The laptop cloud, until the block ends. Raises TargetError with its last words if it does not start."""
    log, said = directory / "handlers.jsonl", directory / "localcloud.log"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "localcloud", "--json", "--port", "0", "--log", str(log)]
    command += ["--tracing", "template"]  # as on AWS: to trace every invocation is a load of its own
    command += ["--feed", "none" if feed == "synthetic" else feed, "--inject-latency", f"{inject_latency_s}s", *extra]
    with said.open("w") as errors:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT)
        try:
            line = child.stdout.readline() if child.stdout else ""
            if not line:
                raise TargetError(f"localcloud did not start:\n{said.read_text()[-2000:]}")
            cloud = json.loads(line)
            publish = _publish(cloud, changes_per_s) if feed == "synthetic" else None
            yield Target(cloud["url"], cloud["ws_url"], _keys(cloud, users), STAGE, publish, log)
        finally:
            _stop(child)


def stage(url: str, ws_url: str, keys: list[str], name: str, publish: Publish | None) -> Target:
    """A stage on AWS. Its keys must have room for the users: an enterprise key holds 500 connections."""
    if not keys:
        raise TargetError("a stage needs --key, once for every 400 users")
    return Target(url.rstrip("/"), ws_url, keys, name, publish)


def _publish(cloud: dict[str, Any], changes_per_s: float) -> Publish:
    topic = cloud["outputs"]["ObservationsTopicArn"]
    return Publish(topic, REGION, changes_per_s, cloud["aws_url"], ACCESS_KEY, SECRET_KEY)


def _keys(cloud: dict[str, Any], users: int) -> list[str]:
    """Enough keys for the users: a key's connections are limited by its tier."""
    client = boto3.client(
        "dynamodb",
        endpoint_url=cloud["aws_url"],
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )
    table = DynamoKeys(client, cloud["outputs"]["KeysTable"])
    ring = KeyRing(keys=table, tiers=DEFAULT_TIERS, now=lambda: datetime.now(UTC))
    wanted = range(1 + users // USERS_PER_KEY)
    return [ring.issue(tier="enterprise", name="load test", user=f"load-{number}")[0] for number in wanted]


def _stop(child: subprocess.Popen[str]) -> None:
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def swarm(orders: bytes) -> dict[str, Any]:
    """Run the clients in a process of their own. Raises TargetError if it ends badly: its reason was shown."""
    command = [sys.executable, "-m", "loadtests.swarm"]
    done = subprocess.run(command, input=orders, stdout=subprocess.PIPE, cwd=ROOT, check=False)
    if done.returncode:
        raise TargetError(f"the process with the clients ended with {done.returncode}: its reason is above")
    result: dict[str, Any] = json.loads(done.stdout)
    return result
