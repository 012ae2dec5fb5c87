"""A release: one zip, and one template with its parameters for each stage, all known by their content."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts.deployment.errors import RefusedError
from scripts.deployment.schema import Revision, line_of

FILE = "release.json"
ZIP = "deployment.zip"
TEMPLATE, PARAMETERS = "template.json", "parameters.json"
SHORT = 7  # digits of a commit


@dataclass(frozen=True, slots=True)
class StageTemplate:
    """What a stage is deployed from. ``key`` is where the template lies in the bucket."""

    sha256: str
    key: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Release:
    """``release.json``. ``raw`` is the document itself."""

    version: str
    commit: str
    target: str
    zip_sha256: str
    zip_key: str
    zip_bytes: int
    stages: Mapping[str, StageTemplate]
    schema: Sequence[Revision]
    raw: Mapping[str, Any]

    @property
    def database_revision(self) -> str:
        return self.schema[-1].revision if self.schema else ""

    def stage(self, name: str) -> StageTemplate:
        """Raises RefusedError if the release was not made for it."""
        if name not in self.stages:
            raise RefusedError(f"release {self.version} was made for {', '.join(self.stages)}, not for {name}")
        return self.stages[name]


def from_json(document: Mapping[str, Any]) -> Release:
    """Raises KeyError for a document that is no release."""
    stages = {
        name: StageTemplate(one["template"]["sha256"], one["template"]["key"], one["parameters"])
        for name, one in document["stages"].items()
    }
    packed = document["zip"]
    return Release(
        document["version"],
        document["commit"],
        document["target"],
        packed["sha256"],
        packed["key"],
        packed["bytes"],
        stages,
        line_of(document["schema"]),
        document,
    )


def read_folder(folder: Path) -> Release:
    """Of ``scripts.package --out``. Raises RefusedError unless every file is the one that release.json names."""
    try:
        release = from_json(json.loads((folder / FILE).read_bytes()))
        found = {ZIP: (digest_of(folder / ZIP), release.zip_sha256)}
        for name, stage in release.stages.items():
            found[f"{name}/{TEMPLATE}"] = (digest_of(folder / name / TEMPLATE), stage.sha256)
    except (OSError, ValueError, LookupError) as error:
        raise RefusedError(f"{folder} holds no release as scripts.package makes it: {error}") from error
    for name, (is_now, was) in found.items():
        if is_now != was:
            raise RefusedError(f"{folder / name} is not the file that {FILE} names: its sha256 is {is_now}, not {was}")
    return release


def digest_of(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def new_version(commit: str, *, now: datetime | None = None) -> str:
    """When, and of what: names sort by time."""
    return f"{now or datetime.now(UTC):%Y%m%dT%H%M%SZ}-{commit[:SHORT]}"


def commit_of(project: Path) -> str:
    """The commit that is checked out, with ``-dirty`` if files differ from it; ``unknown`` without git."""
    head = _git(project, "rev-parse", "HEAD") or os.environ.get("GITHUB_SHA", "")
    if not head:
        return "unknown"
    return f"{head}-dirty" if _git(project, "status", "--porcelain", "--untracked-files=no") else head


def _git(project: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(project), *words], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
