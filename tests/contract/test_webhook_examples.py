"""The receivers of docs/webhooks.md, as they stand there, take what is ours and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.adapters.webhooks import HttpWebhooks
from chalicelib.protocol.notifications import alert_event
from chalicelib.services.endpoints import new_secret
from localcloud.processes import free_port
from tests.fake_endpoints import alert_of

DOCS = Path(__file__).parents[2] / "docs" / "webhooks.md"
PROGRAMS = {"python": ("receiver.py", [sys.executable]), "js": ("receiver.mjs", [shutil.which("node") or "node"])}
SECRET = new_secret()


def until_it_listens(port: int, program: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 10
    while program.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"the example does not listen: {program.communicate(timeout=1)}")


@pytest.fixture(params=PROGRAMS)
def receiver(request, tmp_path):
    """Its URL, and the program that runs there."""
    name, command = PROGRAMS[request.param]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    (source,) = re.findall(rf"^```{request.param}\n(.*?)^```$", DOCS.read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / name).write_text(source)
    port = free_port()
    with subprocess.Popen(
        [*command, str(tmp_path / name)],
        env={**os.environ, "WEBHOOK_SECRET": SECRET, "PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as program:
        try:
            until_it_listens(port, program)
            yield f"http://127.0.0.1:{port}/", program
        finally:
            program.kill()


def test_an_example_takes_what_is_ours_once_and_refuses_the_rest(receiver):
    url, program = receiver
    _, body = alert_event(alert_of())
    now, webhooks = datetime.now(UTC), HttpWebhooks(to_private=True)

    def status(**changes):
        sent = {"message_id": "msg_1", "secrets": [SECRET], "at": now, **changes}
        return webhooks.send(url, body, **sent).status

    assert status(secrets=[new_secret()]) == 401
    assert status(at=now - timedelta(minutes=6)) == 401
    assert status(secrets=[]) == 401
    assert [status(), status(), status(secrets=[new_secret(), SECRET])] == [204, 204, 204]
    program.kill()
    printed = program.stdout.read()
    assert printed.count("alert.firing") == 1
    assert "USDC loses its peg" in printed
