"""`python -m localcloud` as a person meets it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
START_S = 60.0


class Running:
    """A started localcloud, told to print what it is as JSON."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        # Files that it makes are found in a directory of its own; PostgreSQL's user must be able to enter it.
        directory.chmod(0o755)
        self.directory = directory
        self.process = subprocess.Popen(
            [sys.executable, "-m", "localcloud", "--json", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(directory)},
            start_new_session=True,
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.told = json.loads(line)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, sign: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(sign)
        code = self.process.wait(30)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()
        return code


@pytest.fixture
def directory() -> Iterator[Path]:
    """Not pytest's own: PostgreSQL, which does not run as root, may not enter that one."""
    with tempfile.TemporaryDirectory(prefix="command-line-") as path:
        yield Path(path)


@pytest.fixture
def running(directory: Path) -> Iterator[Running]:
    started = Running(directory, "--port", "0")
    yield started
    if started.process.poll() is None:
        started.end(signal.SIGKILL)


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ports_of(told: dict[str, str]) -> list[int]:
    urls = [value for name, value in told.items() if name.endswith("url") and value]
    return [int(url.split("127.0.0.1:")[1].split("/")[0]) for url in urls]


def gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=10)
    return not alive


def test_ctrl_c_leaves_no_process_port_or_file_behind(running):
    family, ports = running.family(), ports_of(running.told)
    assert len(family) >= 8
    assert all(listening(port) for port in ports)
    assert any(running.directory.iterdir())
    assert running.end() == 0
    assert gone(family)
    assert not any(listening(port) for port in ports)
    assert list(running.directory.iterdir()) == []


def test_a_kill_leaves_no_process_behind(running):
    """Nothing of ours may outlive us, not even when we could not clean up."""
    family = running.family()
    running.end(signal.SIGKILL)
    assert gone(family)


def test_a_second_start_says_which_port_is_taken_and_by_what(running, directory):
    port = str(ports_of(running.told)[0])
    second = subprocess.run(
        [sys.executable, "-m", "localcloud", "--port", port], cwd=ROOT, capture_output=True, text=True, timeout=START_S
    )
    assert second.returncode == 1
    assert f"port {port} is taken by process {running.process.pid}" in second.stderr
    assert "Traceback" not in second.stderr


def test_health_names_every_source_once_it_was_polled(running):
    health = {"status": "degraded"}
    deadline = time.monotonic() + 30
    while health["status"] != "ok" and time.monotonic() < deadline:
        with urlopen(running.told["url"] + "/v1/health") as answer:
            health = json.load(answer)
    assert health["status"] == "ok"
    records = {kind: source["records"] for kind, source in health["sources"].items()}
    assert {kind for kind, count in records.items() if count} == {"prices", "protocols", "chains", "stablecoins"}
    assert records["yields"] == 0  # polled with success: none are recorded in 2021
    assert all(0 <= source["age_s"] < 60 for source in health["sources"].values())


def test_a_wrong_key_is_refused_and_the_terminal_stays_quiet(running):
    """A stranger's mistake is no failure of ours."""
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    headers = {**upgrade, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "x-api-key": "ds_wrong"}
    url = urlsplit(running.told["ws_url"])
    with closing(HTTPConnection(url.netloc, timeout=20)) as client:
        client.request("GET", url.path, headers=headers)
        assert client.getresponse().status == 401
    running.process.send_signal(signal.SIGINT)
    _, said = running.process.communicate(timeout=30)
    assert not [line for line in said.splitlines() if "authorize" in line or not line.strip()]
    assert "Traceback" not in said


def test_help_explains_every_option():
    shown = subprocess.run(
        [sys.executable, "-m", "localcloud", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert shown.count("  --") >= 18
    for said in ("2022-05-07", "Ctrl-C", "--feed", "--speed"):
        assert said in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--speed", "0"], "above zero"),
        (["--from", "yesterday"], "2022-05-07"),
        (["--from", "1999-01-01"], "1999-01-01 is not from 2018-06-29 to 2026-06-04"),
        (["--from", "2026-06-05"], "2025-12-14 to 2026-06-04"),
        (["--from", "0001-01-01T00:00+14:00"], "not a date"),
        (["--parameter", "nonsense"], "NAME=VALUE"),
        (["--workers", "process=many", "--port", "0"], "process"),
        (["--set", "LOG_LEVEL=loud", "--port", "0"], "LOG_LEVEL"),
        (["--parameter", "ProcessVisibility=2", "--port", "0"], "visibility"),
    ],
)
def test_a_wrong_option_is_explained_in_a_line(arguments, said):
    ended = subprocess.run(
        [sys.executable, "-m", "localcloud", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=START_S
    )
    assert ended.returncode in (1, 2)
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
