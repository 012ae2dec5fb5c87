"""How a scanner is run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.prefix) / "workflows" / "bin"  # an environment of their own, which `make setup` makes


class CannotScanError(Exception):
    """There is no verdict; the text says why."""


def run(command: Sequence[str | Path], *, ends_with: Sequence[int], given: str | None = None) -> str:
    """What a tool prints. Raises CannotScanError with its last words if it ends otherwise than with a verdict."""
    env = {name: value for name, value in os.environ.items() if value}  # zizmor refuses a token that is set and empty
    env["PATH"] = os.pathsep.join([str(TOOLS), os.environ.get("PATH", "")])
    try:
        done = subprocess.run(
            command,
            cwd=PROJECT,
            env=env,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise CannotScanError(f"{error.filename} is not there: make setup") from None
    if done.returncode not in ends_with:
        said = (done.stderr or done.stdout).strip()[-1500:]
        raise CannotScanError(f"{Path(command[0]).name} ended with {done.returncode}: {said}")
    return done.stdout


def files() -> list[str]:
    """Of the project, as git knows them and those it will."""
    told = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], ends_with=[0])
    return sorted(name for name in set(told.split("\0")) if name and (PROJECT / name).is_file())
