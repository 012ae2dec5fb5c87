"""The README can be typed in: its commands, options, program, files and figures are real."""

import argparse
import ast
import inspect
import json
import re
import runpy
import shlex
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import defistream
import pytest

from chalicelib.protocol.paging import time_of
from chalicelib.protocol.planning import QueryLimits, plan_of
from chalicelib.protocol.query import decode_query
from chalicelib.protocol.rule_reading import read_dry_run, read_rule, rule_of
from loadtests.__main__ import parser as loadtests_parser
from localcloud.__main__ import parser as localcloud_parser
from localcloud.feed.tape import RECORDED, Tape
from localcloud.terminal import KIND_NAMES, tab_of

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
OPENAPI = json.loads((ROOT / "chalicelib/handlers/rest/openapi.json").read_text())
TARGETS = re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE)
PROGRAMS = {".venv/bin/defistream": "defistream"}


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands():
    """Every command line: of the shell blocks, and those named in the text."""
    listed = [line for block in blocks("sh") for line in block.splitlines() if line.strip() and line[0] != "#"]
    named = re.findall(r"`((?:make|\.venv/bin/\S+) [^`]+)`", README)
    return list(dict.fromkeys([*listed, *named]))


class Parsed(BaseException):
    """Stops a program as soon as it has understood its command line."""


@pytest.fixture
def only_parsing(monkeypatch):
    understand = argparse.ArgumentParser.parse_args

    def parse_args(self, args=None, namespace=None):
        understand(self, args, namespace)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("make")])
def test_what_is_made_has_a_target_and_its_options_are_understood(line):
    _, target, *given = shlex.split(line, comments=True)
    assert target in TARGETS
    if target == "loadtest":
        variables = dict(word.split("=", 1) for word in given)
        assert all(f"$({name})" in MAKEFILE for name in variables)
        loadtests_parser().parse_args(shlex.split(variables.get("ARGS", "")))
    elif given:
        assert target == "run"
        localcloud_parser().parse_args(shlex.split(given[0].removeprefix("ARGS=")))


@pytest.mark.filterwarnings("ignore:.*found in sys.modules.*:RuntimeWarning")
@pytest.mark.parametrize("line", [line for line in commands() if not line.startswith(("make", "curl"))])
def test_a_program_understands_its_command_line(line, only_parsing, monkeypatch):
    program, *words = shlex.split(line, comments=True)
    if program == ".venv/bin/python":
        flag, module, *words = words
        assert flag == "-m"
    else:
        module = PROGRAMS[program]
    monkeypatch.setattr("sys.argv", [module, *words])
    with pytest.raises((Parsed, SystemExit)) as ended:
        runpy.run_module(module, run_name="__main__")
    assert ended.type is Parsed or ended.value.code == 0  # --help


def test_there_are_commands_of_every_sort():
    """The search above finds them."""
    assert {line.split()[0] for line in commands()} == {"make", "curl", ".venv/bin/python", ".venv/bin/defistream"}


# What a body means, by its route: each raises for what means nothing.
UNDERSTOOD = {
    "/v1/query": lambda body, now: plan_of(decode_query(body), now=now, limits=QueryLimits()),
    "/v1/alerts": lambda body, now: read_rule(body, id="ru_1", user="ann", now=now),
    "/v1/alerts/dry-run": lambda body, now: rule_of(read_dry_run(body).rule, id="ru_1", user="ann", now=now),
}


def matches(route, path):
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route), path)


def curl(line):
    """The address and the body that curl would send, if it is told nothing but what is expected."""
    options = argparse.ArgumentParser(exit_on_error=False)
    options.add_argument("url")
    allowed = ["content-type: application/json", "x-api-key: ds_…"]
    options.add_argument("-H", dest="headers", action="append", choices=allowed, default=[])
    options.add_argument("-d", dest="body")
    given = options.parse_args(shlex.split(line, comments=True)[1:])
    assert (allowed[0] in given.headers) == bool(given.body)
    return urlsplit(given.url), given.body


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("curl")])
def test_a_request_is_one_that_the_api_describes(line):
    url, body = curl(line)
    assert url.netloc == "127.0.0.1:8080"
    found = [route for route in OPENAPI["paths"] if matches(route, url.path)]
    path = min(found, key=lambda route: "{" in route)  # a literal before a parameter
    parameters = OPENAPI["paths"][path]["post" if body else "get"].get("parameters", [])
    known = {parameter["name"]: parameter["schema"] for parameter in parameters if parameter["in"] == "query"}
    for name, value in parse_qsl(url.query, strict_parsing=True) if url.query else []:
        assert value in known[name].get("enum", [value])
        assert known[name].get("format") != "date-time" or time_of(value, name)
    if body:
        UNDERSTOOD[path](body.encode(), datetime(2026, 11, 23, tzinfo=UTC))


@pytest.mark.parametrize("program", blocks("python"))
def test_a_program_is_whole_and_uses_what_is_there(program):
    tree = ast.parse(program)
    modules = [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    assert all(find_spec(name) for name in modules)
    assert "asyncio.run(main())" in program
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name, given = ast.unparse(call.func), {word.arg: None for word in call.keywords}
        called = {"defistream.connect": defistream.connect, "stream.subscribe": defistream.Stream.subscribe}.get(name)
        if called:
            itself = [None] if name.startswith("stream.") else []
            inspect.signature(called).bind(*itself, *call.args, **given)
    used = [
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "update"
    ]
    assert used
    assert all(name in defistream.Update.__dataclass_fields__ or hasattr(defistream.Update, name) for name in used)


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(r"^\| `([^`]+)` \|", README, re.M))
def test_a_file_that_is_named_is_there(path):
    assert (ROOT / path).exists()


def test_the_table_of_what_is_recorded_is_the_tapes():
    tape = Tape.load()
    for kind in RECORDED:
        first, last = zip(*tape.spans(kind), strict=True)
        row = [f"{tape.count(kind)} ", *(", ".join(map(_day, stamps)) for stamps in (first, last))]
        (told,) = re.findall(rf"^\| {KIND_NAMES[kind]} \| (\d+ )\w+ \| (.+) \| (.+) \|$", README, re.MULTILINE)
        assert list(told) == row


def _day(stamp):
    return f"{datetime.fromtimestamp(stamp, UTC):%Y-%m-%d}"


def test_the_tabs_that_are_named_are_those_that_the_start_opens():
    for start, line in re.findall(r"^\| (\d{4}-\d\d-\d\d) \| (.+) \|$", README, re.MULTILINE):
        tab = tab_of(datetime.fromisoformat(start).replace(tzinfo=UTC))
        assert f"`&tab={tab}`" in README
        assert line.lower().startswith(tab.replace("-", " "))
