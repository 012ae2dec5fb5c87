"""`python -m scripts.deploy dev --target local` as a person meets it: the packaged template, deployed and used."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from localcloud.standins import STAND_INS

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.timeout(600)  # wheels are fetched once, and a busy machine starts functions slowly


class Deployment:
    """The command in a process of its own, with its files in a folder of its own."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        directory.chmod(0o755)  # PostgreSQL's user must be able to enter it
        self.directory = directory
        self.process = subprocess.Popen(
            [sys.executable, "-m", "scripts.deploy", "dev", "--target", "local", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(directory)},
            start_new_session=True,
        )

    def line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def interrupt(self) -> int:
        """Ctrl-C; its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(300)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()


@pytest.fixture
def directory() -> Iterator[Path]:
    """Not pytest's own: PostgreSQL, which does not run as root, may not enter that one."""
    with tempfile.TemporaryDirectory(prefix="deploy-local-") as path:
        yield Path(path)


def left(children: list[psutil.Process]) -> list[psutil.Process]:
    """Those that are still there a moment after their parent ended."""
    return psutil.wait_procs(children, timeout=10)[1]


def get_status(url: str, path: str) -> int:
    parts = urlsplit(url)
    with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=30)) as connection:
        connection.request("GET", parts.path + path)
        return connection.getresponse().status


def test_the_packaged_template_is_deployed_used_by_a_client_and_gone_after_ctrl_c(directory: Path) -> None:
    deployment = Deployment(directory, "--json", "--keep")
    try:
        line = deployment.line()
        assert line, deployment.process.communicate()[1]
        told: dict[str, Any] = json.loads(line)

        assert told["ok"], told["smoke"]
        checks = {check["name"]: check for check in told["smoke"]["checks"]}
        assert {"refusal", "subscribe", "update_by_topic", "update_by_queue"} <= checks.keys()
        assert told["outputs"]["DatabaseRevision"], "the custom resource ran the migrations"
        assert (
            {"AWS::EC2::NatGateway", "AWS::EC2::SecurityGroupIngress"} <= told["stand_ins"].keys() <= STAND_INS.keys()
        )
        assert {"REDIS_URL", "CONNECTIONS_URL", "DATABASE_SSLMODE"} <= {found["what"] for found in told["differences"]}
        assert any(name.endswith("RedisReplicationLagTooHigh") for name in told["unmeasured_alarms"])
        rest_url = f"{told['aws_url']}/_aws/execute-api/{told['outputs']['RestAPIId']}/api"
        assert get_status(rest_url, "/v1/health") == 200

        children = deployment.children()
        assert children
        assert deployment.interrupt() == 0
        assert left(children) == []
        assert list(directory.iterdir()) == []
    finally:
        deployment.close()


def test_ctrl_c_before_it_is_up_leaves_nothing(directory: Path) -> None:
    deployment = Deployment(directory, "--keep")
    try:
        while "ministack" not in (line := deployment.line()):
            assert line, deployment.process.communicate()[1]
        children = deployment.children()
        assert deployment.interrupt() == 130
        assert left(children) == []
        assert list(directory.iterdir()) == []
    finally:
        deployment.close()
