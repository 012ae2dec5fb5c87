"""Write a release: one zip, for each stage a template and its parameters, and release.json, which names them all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.deployment.release import FILE, PARAMETERS, TEMPLATE, ZIP, commit_of, new_version
from scripts.deployment.schema import read_line
from scripts.packaging.archive import Archive, build_archive
from scripts.packaging.assemble import Assembled, assemble
from scripts.packaging.checks.limits import DIRECT_BODY, template_bytes, uses
from scripts.packaging.problems import PackagingError, Problem
from scripts.packaging.project import PROJECT
from scripts.packaging.targets import TARGETS
from scripts.packaging.transform import transform
from scripts.packaging.wheels import Say

CACHE = PROJECT / "build" / "wheels"


def package(
    stages: Sequence[str],
    *,
    target: str,
    out: Path,
    say: Say,
    version: str | None = None,
    project: Path = PROJECT,
) -> dict[str, Any]:
    """The content of release.json. The same sources give the same zip and templates, byte for byte.

    Everything is checked before the first file is written: a refused template leaves ``out`` as it was. The version,
    by default the time and the commit, is in release.json alone. Raises PackagingError.
    """
    for stage in stages:  # a fault in the template shows in a second, not after pip
        say(f"template of {stage}")
        assemble(stage, project=project)
    archive = build_archive(TARGETS[target](), project, out / f"{ZIP}.new", CACHE, say)
    made = [assemble(stage, project=project, code_sha256=archive.sha256) for stage in stages]
    commit = commit_of(project)
    release = {
        "version": version or new_version(commit),
        "commit": commit,
        "target": target,
        "zip": _zip(archive),
        "stages": {one.stage: _stage(one) for one in made},
        **_database(project),
    }
    archive.path.replace(out / ZIP)
    for one in made:
        _write(out / one.stage / TEMPLATE, template_bytes(one.template))
        _write(out / one.stage / PARAMETERS, _readable(one.parameters))
    _write(out / FILE, _readable(release))
    return release


def _zip(archive: Archive) -> dict[str, Any]:
    return {
        "sha256": archive.sha256,
        "key": f"functions/{archive.sha256}.zip",
        "bytes": archive.size,
        "bytes_unzipped": archive.unzipped,
        "files": archive.files,
        "distributions": list(archive.distributions),
    }


def _stage(made: Assembled) -> dict[str, Any]:
    body = template_bytes(made.template)
    digest = hashlib.sha256(body).hexdigest()
    used = uses(made.template, transform(made.template, made.parameters))
    template = {
        "sha256": digest,
        "key": f"templates/{digest}.json",
        "bytes": len(body),
        "needs_bucket": len(body) > DIRECT_BODY,
        "limits": {use.what: {"used": use.used, "limit": use.limit} for use in used},
    }
    return {"template": template, "parameters": made.parameters}


def _database(project: Path) -> dict[str, Any]:
    try:
        line = read_line(project)
    except ValueError as error:
        raise PackagingError([Problem("chalicelib/migrations", "schema", str(error))]) from error
    revision = line[-1].revision if line else ""
    return {"database_revision": revision, "schema": [each.as_json() for each in line]}


def _readable(value: Any) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_bytes(data)
    unfinished.replace(path)
