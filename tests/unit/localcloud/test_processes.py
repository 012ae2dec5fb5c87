"""Children of ours end whole, with what they started."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from localcloud.processes import Child

# Starts another, tells its id, and waits to be ended; or ends by itself.
PARENT = """
import subprocess, sys
other = subprocess.Popen(["sleep", "100"])
print(other.pid, flush=True)
if sys.argv[1] == "waits":
    other.wait()
"""


async def started(tmp_path: Path, how: str) -> tuple[Child, psutil.Process]:
    """A child, and what it started."""
    log = tmp_path / "log"
    child = await Child.start("parent", (sys.executable, "-c", PARENT, how), log=log)
    async with asyncio.timeout(10):
        while not child.tail().strip():  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.01)
    return child, psutil.Process(int(child.tail()))


@pytest.mark.parametrize("how", ["waits", "ends"])
async def test_what_a_child_started_ends_with_it(tmp_path: Path, how: str) -> None:
    child, other = await started(tmp_path, how)
    await child.stop()
    assert psutil.wait_procs([other], timeout=5)[1] == []


async def test_a_group_that_may_not_be_signalled_is_an_ended_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On macOS, when only zombies are left in it."""
    child, other = await started(tmp_path, "waits")

    def refused(group: int, sign: signal.Signals) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "killpg", refused)
    await child.stop()
    assert child.ended
    other.kill()
