"""`python -m scripts.deploy --target local` as a person meets it: the packaged template, deployed and used."""

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
from scripts import deploy
from scripts.artifacts import Package
from scripts.packaging.assemble import assemble
from scripts.packaging.problems import PackagingError

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.timeout(600)  # wheels are fetched once, and a busy machine starts functions slowly


class Deployment:
    """The command in a process of its own, with its files in a folder of its own."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        directory.chmod(0o755)  # PostgreSQL's user must be able to enter it
        self.directory = directory
        self.process = subprocess.Popen(
            [sys.executable, "-m", "scripts.deploy", "--target", "local", *arguments],
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
        assert {"REDIS_URL", "CONNECTIONS_URL", "DATABASE_HOST"} <= {found["what"] for found in told["differences"]}
        assert get_status(told["rest_url"], "/v1/health") == 200

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


def test_a_type_that_is_neither_made_nor_stood_in_for_fails_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def package_with_a_stranger(stage: str, **_: object) -> Package:
        assembled = assemble(stage)
        assembled.template["Resources"]["Stranger"] = {"Type": "AWS::NoSuch::Thing"}
        archive = tmp_path / "deployment.zip"
        archive.write_bytes(b"never reached")
        return Package(stage, assembled.template, assembled.parameters, archive, "functions/none.zip")

    monkeypatch.setattr(deploy, "make_package", package_with_a_stranger)
    assert deploy.main(["--target", "local", "--json"]) == 1
    said = capsys.readouterr()
    assert "AWS::NoSuch::Thing" in said.err
    assert json.loads(said.out.splitlines()[-1])["ok"] is False


def test_another_target_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left_with:
        deploy.main(["--target", "aws"])
    assert left_with.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


def test_parameters_that_aws_would_refuse_are_refused(tmp_path: Path) -> None:
    """ministack takes any."""
    assembled = assemble("dev")
    package = Package("dev", assembled.template, assembled.parameters, tmp_path / "none.zip", "functions/none.zip")
    assert deploy.with_parameters(package, {"LogLevel": "INFO"}).parameters["LogLevel"] == "INFO"
    with pytest.raises(PackagingError, match=r"Foo: the template has no such parameter(.|\n)*LogLevel: is 'LOUD'"):
        deploy.with_parameters(package, {"Foo": "1", "LogLevel": "LOUD"})
