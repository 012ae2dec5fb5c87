"""The account that a run deploys to: `python -m localcloud.account`, as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 25.0  # 200 ms are 5 s: the start of a new version's process, which a busy machine needs seconds for
START_S = 180.0
STOP_S = 60.0
LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Account:
    """``env`` is what a command needs to find it, ``differences`` what is otherwise there than in AWS."""

    env: dict[str, str]
    bucket: str
    differences: list[str]

    @property
    def address(self) -> dict[str, str]:
        """Where its APIs are and nothing else: whoever uses it this way has no credentials."""
        return {name: value for name, value in self.env.items() if name.startswith("AWS_ENDPOINT_URL")}


@contextmanager
def running(root: Path, folder: Path, *, minute: str) -> Iterator[Account]:
    """Until the block ends. Raises RuntimeError with its last words if it does not start."""
    state, said = folder / "account.json", folder / "account.log"
    command = [sys.executable, "-m", "localcloud.account", "--state", str(state), "--minute", minute]
    command += ["--patience", f"{PATIENCE:g}"]
    with said.open("w") as log:
        process = subprocess.Popen(command, cwd=root, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        until = time.monotonic() + START_S
        while not state.exists():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the account did not start:\n{said.read_text()[-2000:]}")
            time.sleep(LOOK_S)
        yield _read(json.loads(state.read_text()))
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGINT)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _read(told: dict[str, Any]) -> Account:
    differences = [f"{one['what']}: {one['here']} ({one['why']})" for one in told["differences"]]
    return Account(told["env"], told["bucket"], differences)
