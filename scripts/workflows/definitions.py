"""What the workflow files say of a job: its environment and whether it may ask for an OIDC token.

act knows neither, so the issuer of tokens asks here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_INPUT = re.compile(r"\$\{\{\s*inputs\.([\w-]+)\s*\}\}")
_USES = re.compile(r"([\w.-]+/[\w.-]+)@([0-9a-f]{40})")


@dataclass(frozen=True, slots=True)
class Job:
    """One job of a run. ``environment`` is None if it has none."""

    workflow: str
    name: str
    environment: str | None
    may_ask_for_a_token: bool


def jobs(root: Path, file: str) -> list[Job]:
    """Of a workflow and of those it calls, with what it calls them with."""
    return list(_jobs(root, root / ".github" / "workflows" / file, {}, may=True))


def third_party_actions(root: Path) -> set[tuple[str, str]]:
    """Name and commit of every action of others that is used anywhere in .github."""
    return {found for path in sorted((root / ".github").rglob("*.yml")) for found in _USES.findall(path.read_text())}


def _jobs(root: Path, path: Path, given: Mapping[str, Any], *, may: bool) -> Iterator[Job]:
    workflow = yaml.safe_load(path.read_text())
    for name, job in workflow["jobs"].items():
        allowed = may and job.get("permissions", {}).get("id-token") == "write"
        if "uses" in job:
            yield from _jobs(root, root / job["uses"], job.get("with", {}), may=allowed)
            continue
        environment = job.get("environment")
        if isinstance(environment, dict):
            environment = environment["name"]
        if environment:
            environment = _INPUT.sub(lambda found: str(given[found[1]]), environment)
        yield Job(workflow["name"], name, environment, allowed)
