"""The runbooks can be followed: every command in them is run against one platform on this machine.

A block is marked by what stands behind its ``sh``: nothing, and it is run; ``aws`` for what only AWS can answer;
``elsewhere`` for what takes long and has a test of its own. The pages of alarms are for the AWS CLI: of them those
lines are run that call a script of ours.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest
import pytest_asyncio

from localcloud.cloud import STACK
from localcloud.testing import LocalCloud

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "operations"
OWN_TEST = {"runbook-deployment.md"}  # tests/e2e/test_runbook_deployment.py
LAST = ("runbook-backup.md",)  # it puts stores into the places of others
PAGES = sorted(
    set(FOLDER.glob("*.md")) - {FOLDER / name for name in OWN_TEST}, key=lambda page: (page.name in LAST, page)
)
ALARMS = sorted((FOLDER / "alarms").glob("*.md"))
BLOCK = re.compile(r"^```sh([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
MARKS = {"": "run", "aws": "aws", "elsewhere": "elsewhere"}
OURS = ("python -m scripts.", "python -m localcloud.", "python -m benchmarks.")
NEEDS_AWS = "# needs AWS"
SECTIONS = ("Symptom", "Check", "Act", "Verify", "Escalate")


@dataclass(frozen=True)
class Command:
    page: Path
    line: str
    mark: str

    @property
    def what(self) -> str:
        """The same for one command, however Python is called."""
        return self.line.removeprefix(".venv/bin/")

    def __str__(self) -> str:
        return f"{self.page.relative_to(FOLDER)}: {self.line}"


def commands(page: Path) -> Iterator[Command]:
    """A line each, a continued one as one."""
    for mark, block in BLOCK.findall(page.read_text()):
        kind = MARKS[mark.strip()]
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip() and not line.startswith("#"):
                is_ours = page.parent == FOLDER or (line.startswith(OURS) and NEEDS_AWS not in line)
                yield Command(page, line, kind if is_ours else "aws")


ALL = [command for page in (*ALARMS, *PAGES) for command in commands(page)]


@pytest_asyncio.fixture(loop_scope="function")
async def platform() -> AsyncIterator[LocalCloud]:
    async with LocalCloud(feed="recorded", poll_s=10.0) as cloud:  # polls would take the commands' time
        yield cloud


class Shell:
    """What somebody has open at night: a shell in the project's folder, the stage said."""

    def __init__(self, cloud: LocalCloud, home: Path) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        told = {"STAGE": "local", "P": f"{STACK}-", "LOCALCLOUD_PORT": str(cloud.gateway.port), "PATH": path}
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-o", "pipefail"],
            cwd=ROOT,
            env={**env, **told, "HOME": str(home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def types(self, line: str) -> tuple[int, str]:
        """The exit code and what was said."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{{ {line}\n}} </dev/null\necho ended-with:$?\n")
        self._process.stdin.flush()
        said = ""
        for answer in self._process.stdout:
            if ended := re.fullmatch(r"(.*)ended-with:(\d+)\n", answer):
                return int(ended[2]), said + ended[1]
            said += answer
        return -1, f"{said}\nthe shell is gone"

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def follow(cloud: LocalCloud, home: Path) -> list[str]:
    """Type every command that can be run here, one that several pages have once; returns what went wrong.

    A shell a page, two at a time; the pages that put stores into the places of others when the rest is done.
    """
    typed: dict[str, Command] = {}
    for command in ALL:
        if command.mark == "run":
            typed.setdefault(command.what, command)
    pages: dict[bool, dict[Path, list[Command]]] = {False: {}, True: {}}
    for command in typed.values():
        pages[command.page.name in LAST].setdefault(command.page, []).append(command)
    with ThreadPoolExecutor(max_workers=2) as pool:
        found = list(pool.map(lambda lines: type_all(cloud, home, lines), pages[False].values()))
    found += [type_all(cloud, home, lines) for lines in pages[True].values()]
    return list(chain.from_iterable(found))


def type_all(cloud: LocalCloud, home: Path, lines: list[Command]) -> list[str]:
    wrong = []
    shell = Shell(cloud, home)
    try:
        for command in lines:
            code, said = shell.types(command.line)
            if code:
                wrong.append(f"{command}\n  ended with {code}:\n{said}")
    finally:
        shell.close()
    return wrong


@pytest.mark.timeout(600)  # sixty commands, each a program of its own, on a machine that may be busy
async def test_every_command_of_the_runbooks_does_what_it_says(platform, tmp_path, capsys):
    count = {mark: sum(command.mark == mark for command in ALL) for mark in MARKS.values()}
    wrong = await asyncio.to_thread(follow, platform, tmp_path)
    with capsys.disabled():
        ran = f"{count['run'] - len(wrong)} of {count['run']} commands ran"
        told = f"{ran}, {count['aws']} need AWS, {count['elsewhere']} run in tests of their own"
        print(f"\nrunbooks: {told}")  # noqa: T201 - for whoever reads what CI did
    assert wrong == [], "\n\n".join(wrong)


def test_every_block_has_a_mark_that_is_known_and_is_a_shells():
    blocks = [found for page in PAGES for found in BLOCK.findall(page.read_text())]
    assert {mark.strip() for mark, _ in blocks} <= set(MARKS)
    text = "\n".join(block for _, block in blocks)
    read = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert (read.returncode, read.stderr) == (0, "")


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in ("README.md", "tracing.md")], ids=lambda p: p.name
)
def test_a_runbook_has_the_five_parts_in_their_order(page):
    found = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
    assert [name for name in found if name in SECTIONS] == list(SECTIONS)


@pytest.mark.parametrize("page", [*PAGES, FOLDER / "runbook-deployment.md"], ids=lambda page: page.name)
def test_a_runbooks_links_lead_somewhere(page):
    for link, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#[^)]+)?\)", page.read_text()):
        there = (page.parent / link).resolve() if link else page
        assert there.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE)
            assert anchor[1:] in {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}


def test_the_index_names_every_page():
    text = (FOLDER / "README.md").read_text()
    assert [page.name for page in FOLDER.glob("*.md") if page.name != "README.md" and f"({page.name}" not in text] == []


def test_what_runs_in_a_test_of_its_own_does():
    """By the word after ``make``, or the module: somewhere in the tests or in what CI runs."""
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__))
    sources += "".join(path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml"))
    for command in ALL:
        if command.mark == "elsewhere":
            name = re.search(r"^make (\w+)|-m ([\w.]+)", command.line)
            assert name, command
            assert (name[1] or name[2]) in sources, command
