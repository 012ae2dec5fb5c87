"""docs/operations/runbook-deployment.md can be followed: every command in it is run, in an account on this machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from scripts.deployment import errors
from scripts.workflows.account import running
from scripts.workflows.repository import Repository

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "operations" / "runbook-deployment.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
ELSEWHERE = {"make workflows"}  # tests/e2e/test_workflows.py
AGAIN = [
    ".venv/bin/python -m scripts.package --stage staging --stage production --out build/release",
    ".venv/bin/python -m scripts.deploy staging --release build/release --yes",
]


def commands(section: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", SECTIONS[section], re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line and line not in ELSEWHERE]


@pytest.fixture
def shell() -> Iterator[subprocess.Popen[str]]:
    """A shell in a clone of the project, with an account for it to deploy to."""
    with tempfile.TemporaryDirectory(prefix="runbook-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL's own user must be able to enter it
        repository = Repository(folder)
        repository.take(ROOT)
        (repository.work / ".venv").symlink_to(sys.prefix)
        with running(ROOT, folder, minute="1s") as account:
            process = subprocess.Popen(
                ["bash", "--noprofile", "--norc"],
                cwd=repository.work,
                env={**os.environ, **account.env},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            try:
                yield process
            finally:
                process.kill()
                process.communicate()


def typed(shell: subprocess.Popen[str], line: str) -> str:
    """What the command says; it has to end well. The zip alone is otherwise than on AWS: for this machine."""
    if "scripts.package" in line:
        line += " --target local"
    shell.stdin.write(f"{line} </dev/null\necho ended-with:$?\n")
    shell.stdin.flush()
    said = ""
    while not (ended := re.fullmatch(r"ended-with:(\d+)\n", last := shell.stdout.readline())):
        assert last, f"the shell is gone: {said}"
        said += last
    assert ended[1] == "0", f"{line}\n{said}"
    return said


@pytest.mark.timeout(1500)  # four changes of a whole stack, on a machine that may be busy
def test_every_command_of_the_runbook_does_what_it_says(shell):
    for line in [*commands("Deploy by hand"), *commands("It was interrupted, or hangs"), *AGAIN]:
        typed(shell, line)
    (listed,) = (typed(shell, line) for line in commands("Promote"))
    now, before = re.findall(r"\d{8}T\d{6}Z-[0-9a-f]{7}", listed)[:2]
    assert re.search(rf"^\*.* {now}", listed, re.MULTILINE)
    dry, _real, smoked = (typed(shell, line) for line in [*commands("Roll back")])
    assert before in dry
    assert "FAIL" not in smoked
    assert re.search(rf"^\*.* {before}", typed(shell, commands("Promote")[0]), re.MULTILINE)
    for line in commands("Try it all here first"):
        typed(shell, line)


def test_every_section_with_commands_is_run_above():
    told = {name for name in SECTIONS if commands(name)}
    assert told == {
        "Deploy by hand",
        "It was interrupted, or hangs",
        "Promote",
        "Roll back",
        "Try it all here first",
    }


def test_the_exit_codes_are_those_of_the_commands():
    rows = dict(re.findall(r"^\| (\d+) \| ([^|]+) \|", SECTIONS["It was interrupted, or hangs"], re.MULTILINE))
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.StackError)]
    assert {int(code) for code in rows} < {kind.exit_code for kind in kinds}


def test_what_the_workflows_read_is_what_a_person_is_told_to_set():
    texts = [path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml")]
    read = {name for text in texts for name in re.findall(r"\b(?:vars|secrets)\.([A-Z_]+)", text)}
    ours = {"SUITES", "PACKAGE_TARGET"}  # of scripts.workflows alone
    assert read - ours == set(re.findall(r"`([A-Z]+_[A-Z_]+)` \|", TEXT)) | {"NOTIFY_WEBHOOK"}


def test_the_workflows_that_are_named_are_there():
    for name in set(re.findall(r"`([a-z-]+\.yml)`", TEXT)):
        assert yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())["jobs"]
