"""Prepare .venv: the project's packages, and in environments of their own ministack and checkov (they pin botocore)
and what checks and runs the workflows (it brings much that nothing else needs).

Run by `make setup` with the machine's Python; needs nothing but the standard library. A second run sees that nothing
has changed and ends at once.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
MINISTACK = VENV / "ministack"
CHECKS = VENV / "checks"
WORKFLOWS = VENV / "workflows"
STAMP = VENV / "setup.sha256"
WANTED = (
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-ministack.txt",
    "requirements-checks.txt",
    "requirements-workflows.txt",
    "constraints.txt",
)
OLDEST = (3, 11)


def fingerprint() -> str:
    """Changes when a requirement or the Python does."""
    digest = hashlib.sha256(sys.version.encode())
    for name in (*WANTED, "scripts/setup.py"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def say(text: str) -> None:
    print(text, flush=True)


def run(step: str, command: list[str]) -> None:
    """Run a command, showing what it is at on one line; its output is shown only if it fails."""
    started = time.monotonic()
    said: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT) as process:
        for line in process.stdout or ():
            said.append(line)
            if sys.stdout.isatty():
                print(f"\r\033[K{step}  {line.strip()[:70]}", end="", flush=True)
    if sys.stdout.isatty():
        print("\r\033[K", end="")
    if process.returncode:
        sys.stdout.writelines(said[-40:])
        raise SystemExit(f"setup: '{step}' failed (exit {process.returncode}); the reason is above")
    say(f"{step}  ({time.monotonic() - started:.0f} s)")


def environment(directory: Path, step: str) -> str:
    """Make a virtual environment if it is not there; returns its Python."""
    python = directory / "bin" / "python"
    if not python.exists():
        try:
            run(step, [sys.executable, "-m", "venv", str(directory)])
        except SystemExit as error:
            raise SystemExit(
                f"{error}\nOn Debian and Ubuntu the standard library's venv is a package: apt-get install python3-venv"
            ) from None
    return str(python)


def main() -> int:
    if sys.version_info < OLDEST:
        say(f"setup: Python {'.'.join(map(str, OLDEST))} or newer is needed, this is {sys.version.split()[0]}")
        return 1
    wanted = fingerprint()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return 0
    say("Setting up (once; three minutes on a usual line)")
    python = environment(VENV, "1/8 environment")
    install = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    run("2/8 packages", [python, *install, "-c", "constraints.txt", "-r", "requirements-dev.txt"])
    ministack = environment(MINISTACK, "3/8 environment of the AWS emulator")
    run("4/8 AWS emulator", [ministack, *install, "-r", "requirements-ministack.txt"])
    checks = environment(CHECKS, "5/8 environment of the template's checkers")
    run("6/8 template's checkers", [checks, *install, "-r", "requirements-checks.txt"])
    workflows = environment(WORKFLOWS, "7/8 environment of the workflows' tools")
    run("8/8 workflows' tools", [workflows, *install, "-r", "requirements-workflows.txt"])
    STAMP.write_text(wanted)
    say("Set up.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
