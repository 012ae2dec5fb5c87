"""cfn-lint, checkov and cfn-guard over templates, as findings of one shape, less what is suppressed with a reason.

checkov and guardpycfn live in an environment of their own (`make setup` makes it), so they run as subprocesses, once
for all templates. None of the three asks the network for anything.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CHECKS = Path(sys.prefix) / "checks" / "bin"
GUARD = HERE / "guard"
REGIONS = ["us-east-1", "eu-west-1"]  # where the global parts live, and one where they do not
MESSAGE = 300  # characters: cfn-lint lists every name that would have been right
NOWHERE = "http://127.0.0.1:9"  # a check that would phone home fails instead

Template = Mapping[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    rule: str
    resource: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule} {self.resource}: {self.message}"


@dataclass(frozen=True, slots=True)
class Suppression:
    """One line of a file: the rule, where it is excused, and why.

    Where: resources with commas between, each for every stage or for one (``dev:Database``); * for all.
    """

    rule: str
    where: str
    reason: str

    def covers(self, stage: str, finding: Finding) -> bool:
        places = self.where.split(",")
        return self.rule == finding.rule and any(
            place in ("*", finding.resource, f"{stage}:{finding.resource}") for place in places
        )


def suppressions(tool: str) -> list[Suppression]:
    """Raises ValueError for a line without a reason."""
    found = []
    for line in (HERE / "suppressions" / f"{tool}.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            parts = line.split(maxsplit=2)
            if len(parts) < 3 or len(parts[2].split()) < 4:
                raise ValueError(f"{tool}: a suppression needs a rule, a resource and a reason: {line!r}")
            found.append(Suppression(*parts))
    return found


def unexcused(stage: str, findings: Iterable[Finding], excuses: Sequence[Suppression]) -> list[Finding]:
    return sorted({finding for finding in findings if not any(excuse.covers(stage, finding) for excuse in excuses)})


def idle(findings: Mapping[str, Iterable[Finding]], excuses: Sequence[Suppression]) -> list[Suppression]:
    """Suppressions, or places of one, that no stage's findings need any more."""
    found = [(stage, finding) for stage, of_stage in findings.items() for finding in of_stage]
    places = [replace(excuse, where=place) for excuse in excuses for place in excuse.where.split(",")]
    return [place for place in places if not any(place.covers(stage, finding) for stage, finding in found)]


def cfn_lint(template: Template, folder: Path) -> list[Finding]:
    """Of a template with the SAM macro still in it: cfn-lint applies the macro by itself."""
    file = folder / "template.json"
    file.write_text(json.dumps(template, indent=1))
    done = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), file, "--regions", *REGIONS, "--format", "json"],
        capture_output=True,
        text=True,
        check=False,  # it ends with 2 to 14 when it finds something
    )
    if done.returncode & 1 or not done.stdout:
        raise RuntimeError(f"cfn-lint failed: {done.stderr[-2000:]}")
    return [
        Finding(match["Rule"]["Id"], _place(match["Location"]["Path"]), match["Message"][:MESSAGE])
        for match in json.loads(done.stdout)
    ]


def _place(path: Sequence[str | int] | None) -> str:
    names = [str(name) for name in path or ["Template"]]
    return names[1] if names[0] == "Resources" and len(names) > 1 else ".".join(names[:2])


def checkov(templates: Mapping[str, Template], folder: Path) -> dict[str, list[Finding]]:
    """By the templates' names. Of resolved templates: checkov understands few intrinsic functions."""
    for name, template in templates.items():
        (folder / f"{name}.json").write_text(json.dumps(template, indent=1))
    files = [argument for name in templates for argument in ("-f", f"{name}.json")]
    flags = ["--framework", "cloudformation", "--skip-download", "--compact", "--quiet", "--soft-fail", "-o", "json"]
    environment = {**os.environ, "HTTPS_PROXY": NOWHERE, "HTTP_PROXY": NOWHERE, "LOG_LEVEL": "ERROR"}
    done = subprocess.run(
        [CHECKS / "python", CHECKS / "checkov", *files, *flags],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    report = json.loads(done.stdout)
    if report["summary"]["parsing_errors"]:
        raise AssertionError(f"checkov could not read a template: {done.stdout[:2000]}")
    found: dict[str, list[Finding]] = {name: [] for name in templates}
    for failed in report["results"]["failed_checks"]:
        resource = failed["resource"].rpartition(".")[2]
        found[Path(failed["file_path"]).stem].append(Finding(failed["check_id"], resource, failed["check_name"]))
    return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """What cfn-guard says of one template: the rules that hold, do not apply, and are broken (with where)."""

    compliant: frozenset[str]
    not_applicable: frozenset[str]
    findings: list[Finding]


def guard(templates: Mapping[str, Template]) -> dict[str, Verdict]:
    """By the templates' names, every rule file."""
    rules = {path.name: path.read_text() for path in sorted(GUARD.glob("*.guard"))}
    done = subprocess.run(
        [CHECKS / "python", GUARD / "run.py"],
        input=json.dumps({"rules": rules, "templates": {name: json.dumps(body) for name, body in templates.items()}}),
        capture_output=True,
        text=True,
        check=True,
    )
    return {name: _verdict(reports) for name, reports in json.loads(done.stdout).items()}


def _verdict(reports: Iterable[Mapping[str, Any]]) -> Verdict:
    findings, compliant, idle_rules = [], set(), set()
    for report in reports:
        compliant.update(report["compliant"])
        idle_rules.update(report["not_applicable"])
        for broken in report["not_compliant"]:
            rule = broken["Rule"]
            findings += [Finding(rule["name"], place, message) for place, message in sorted(_failures(rule))]
    return Verdict(frozenset(compliant), frozenset(idle_rules), findings)


def _failures(rule: Mapping[str, Any]) -> set[tuple[str, str]]:
    """The resource and the rule's own message of every clause that failed."""
    found = set()
    for clause in _clauses(rule["checks"]):
        messages = clause["messages"]
        where = re.search(r"/Resources/(\w+)", json.dumps(clause))
        found.add((where[1] if where else "Template", messages["custom_message"] or messages["error_message"] or ""))
    return found or {("Template", "broken, by more than its report has room for")}


def _clauses(node: Any) -> Iterable[Mapping[str, Any]]:
    if isinstance(node, list):
        for item in node:
            yield from _clauses(item)
    elif isinstance(node, dict):
        if "Clause" in node:
            yield from node["Clause"].values()
        else:
            for item in node.values():
                yield from _clauses(item)
