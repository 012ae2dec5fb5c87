"""docs/architecture.md can be followed: its commands are understood, its files are there, its diagrams are whole."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def commands():
    blocks = re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]


def diagrams():
    return re.findall(r"^```mermaid\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m ([\w.]+)", TEXT))))
def test_a_program_that_is_named_is_there(module):
    assert find_spec(module)


def test_every_command_is_a_program_or_a_target():
    starts = {tuple(words[:2]) if words[0] == "make" else words[0] for words in commands()}
    assert starts == {".venv/bin/python", ("make", "infrastructure")}
    assert re.search(r"^infrastructure:", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:cfn|tests|scripts)/[^`*]*)`", TEXT))))
def test_a_file_that_is_named_is_there(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("diagram", diagrams())
def test_a_diagram_closes_what_it_opens(diagram):
    for opening, closing in ("[]", "()"):
        assert diagram.count(opening) == diagram.count(closing)
    assert diagram.count('"') % 2 == 0
    assert len(re.findall(r"^\s*subgraph ", diagram, re.MULTILINE)) == len(
        re.findall(r"^\s*end$", diagram, re.MULTILINE)
    )
    assert diagram.startswith("flowchart ")


def test_every_function_is_in_the_picture():
    """What app.py declares is in the data path or the network."""
    declared = re.findall(r"^def (\w+)\(", (ROOT / "app.py").read_text(), re.MULTILINE)
    pictures = "".join(diagrams())
    assert [name for name in declared if name not in pictures and name != "migrate"] == []
