"""Write what a deployment needs: template.json, deployment.zip, parameters.json and manifest.json."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from scripts.packaging.archive import Archive, build_archive
from scripts.packaging.assemble import PROJECT, Assembled, assemble
from scripts.packaging.checks.limits import DIRECT_BODY, Use, template_bytes, uses
from scripts.packaging.targets import TARGETS
from scripts.packaging.transform import transform
from scripts.packaging.wheels import Say

CACHE = PROJECT / "build" / "wheels"


def package(stage: str, *, target: str, out: Path, say: Say, project: Path = PROJECT) -> dict[str, Any]:
    """The manifest of what was written. The same sources give the same bytes, file by file.

    Everything is checked before the first file is written: a refused template leaves ``out`` as it was. Raises
    PackagingError.
    """
    say(f"template of {stage}")
    assemble(stage, project=project)  # a fault in the template shows in a second, not after pip
    archive = build_archive(TARGETS[target](), project, out / "deployment.zip.new", CACHE, say)
    made = assemble(stage, project=project, code_sha256=archive.sha256)
    used = uses(made.template, transform(made.template, made.parameters))
    manifest = _manifest(made, target, archive, used)
    archive.path.replace(out / "deployment.zip")
    _write(out / "template.json", template_bytes(made.template))
    _write(out / "parameters.json", _readable(made.parameters))
    _write(out / "manifest.json", _readable(manifest))
    return manifest


def _manifest(made: Assembled, target: str, archive: Archive, used: list[Use]) -> dict[str, Any]:
    body = template_bytes(made.template)
    return {
        "stage": made.stage,
        "target": target,
        "template": {
            "sha256": hashlib.sha256(body).hexdigest(),
            "bytes": len(body),
            "needs_bucket": len(body) > DIRECT_BODY,
            "limits": {use.what: {"used": use.used, "limit": use.limit} for use in used},
        },
        "zip": {
            "sha256": archive.sha256,
            "key": f"functions/{archive.sha256}.zip",
            "bytes": archive.size,
            "bytes_unzipped": archive.unzipped,
            "files": archive.files,
            "distributions": list(archive.distributions),
        },
    }


def _readable(value: Any) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_bytes(data)
    unfinished.replace(path)
