"""Every alarm has its page, and what the pages tell somebody to type exists."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

from scripts.packaging.project import PROJECT
from tests.infrastructure.kinds import of_type
from tests.infrastructure.monitoring_model import ALARM, BUDGET, COMPOSITE

FOLDER = PROJECT / "docs" / "operations" / "alarms"
INDEX = FOLDER / "README.md"
PAGES = sorted(set(FOLDER.glob("*.md")) - {INDEX})
SESSION = botocore.session.get_session()
HELPERS = ("lines", "metric", "ours", "redis", "queue", "depth")
# Of the command line itself, on top of the API.
OF_THE_CLI = {"query", "output", "region", "endpoint-url", "cli-binary-format"}
OF_THE_API = {"deploy": "codedeploy"}  # where the command line's name of a service is another
TAIL = {"since", "format", "filter-pattern"}  # `aws logs tail` is no operation of the API


def commands(page: Path) -> Iterator[tuple[str, str, str]]:
    """Service, operation and the rest of each call of the AWS CLI."""
    text = page.read_text().replace("\\\n", " ")
    for found in re.finditer(r"aws ([a-z0-9-]+) ([a-z0-9-]+)([^\n`|;]*)", text):
        yield found[1], found[2], found[3]


def typed(page: Path) -> list[str]:
    """What stands in blocks and between backticks."""
    text = page.read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return blocks + re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def test_every_alarm_has_its_page_and_every_page_its_alarm(monitored):
    alarms = {name for kind in (ALARM, COMPOSITE, BUDGET) for name in of_type(monitored, kind)}
    assert {page.stem for page in PAGES} == alarms


def test_a_page_has_its_alarms_severity(monitored):
    for name, alarm in {**of_type(monitored, ALARM), **of_type(monitored, COMPOSITE)}.items():
        told = re.search(
            r"^\*\*(P\d)\*\*(, by `ServiceDown` P1)? · ", (FOLDER / f"{name}.md").read_text(), re.MULTILINE
        )
        assert told, f"{name} has no line of its severity"
        assert told[1] == alarm["AlarmDescription"][:2], name
        assert bool(told[2]) == ("by ServiceDown" in alarm["AlarmDescription"]), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_it_means_where_to_look_what_to_do_and_when_it_is_well(page):
    text = page.read_text()
    assert text.startswith(f"# {page.stem}\n")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)
    assert [section.partition("\n")[0] for section in sections[1:]] == ["Look", "Do", "Well again when"]
    assert all(len(section.split()) >= 5 for section in sections)
    assert "```sh\n" in sections[1]


@pytest.mark.parametrize("page", [INDEX, *PAGES], ids=lambda page: page.stem)
def test_a_pages_commands_exist(page):
    """By the models of AWS's APIs: services, operations and options."""
    for service, operation, rest in commands(page):
        options = set(re.findall(r"(?<=\s)--([a-z-]+)", rest)) - OF_THE_CLI
        if (service, operation) == ("logs", "tail"):
            assert options <= TAIL, rest
            continue
        api = OF_THE_API.get(service, service)
        assert api in SESSION.get_available_services(), service
        model = SESSION.get_service_model(api)
        named = {xform_name(name, "-"): name for name in model.operation_names}
        assert operation in named, f"aws {service} {operation}"
        shape = model.operation_model(named[operation]).input_shape
        taken = {xform_name(name, "-") for name in shape.members} if shape else set()
        unknown = {option for option in options if option.removeprefix("no-") not in taken}
        assert unknown == set(), f"aws {service} {operation} has no {unknown}"


def test_a_shell_can_read_every_block():
    blocks = [
        block for page in (INDEX, *PAGES) for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    done = subprocess.run(["bash", "-n"], input="\n".join(blocks), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("page", [INDEX, *PAGES], ids=lambda page: page.stem)
def test_a_pages_scripts_and_links_exist(page):
    text = page.read_text()
    for name in re.findall(r"python -m ([a-z_.]+)", text):
        assert importlib.util.find_spec(name), name
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / link).exists(), link


def test_a_pages_names_are_the_templates(monitored):
    """Functions, queues and dead letters behind the short commands."""
    functions = {each["FunctionName"] for each in of_type(monitored, "AWS::Lambda::Function").values()}
    queues = {each["QueueName"] for each in of_type(monitored, "AWS::SQS::Queue").values()}
    text = "\n".join(code for page in PAGES for code in typed(page))
    prefix = re.match(r"defi-stream-\w+-", min(functions))
    assert prefix
    for name in set(re.findall(r"\blines ([a-z]+)\b", text)):
        assert prefix[0] + name in functions, name
    for name in set(re.findall(r"\b(?:depth|queue) ([a-z-]+[a-z])\b(?=[`;\")\n])", text)):
        assert prefix[0] + name in queues, name


def test_a_wrong_command_would_be_found(tmp_path):
    wrong = tmp_path / "Wrong.md"
    for line in ("aws sqs empty-queue", "aws sqs purge-queue --name x", "aws queues list"):
        wrong.write_text(f"```sh\n{line}\n```\n")
        with pytest.raises(AssertionError):
            test_a_pages_commands_exist(wrong)


def test_the_short_commands_are_explained_once():
    text = INDEX.read_text()
    for name in HELPERS:
        assert re.search(rf"^{name}\(\) \{{", text, re.MULTILINE), name
