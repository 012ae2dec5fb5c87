"""A stage's package, and its way into the bucket that CloudFormation reads from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.packaging.output import package


@dataclass(frozen=True, slots=True)
class Package:
    """What ``python -m scripts.package`` makes of a stage. ``archive_key`` is where the template expects the zip."""

    stage: str
    template: Mapping[str, Any]
    parameters: Mapping[str, str]
    archive: Path
    archive_key: str


def make_package(stage: str, *, target: str, out: Path, say: Callable[[str], None]) -> Package:
    """Package a stage into a folder and read it from there. Raises PackagingError."""
    manifest = package(stage, target=target, out=out, say=say)
    template, parameters = (json.loads((out / name).read_text()) for name in ("template.json", "parameters.json"))
    return Package(stage, template, parameters, out / "deployment.zip", manifest["zip"]["key"])


def upload(s3: Any, bucket: str, package: Package, template: Mapping[str, Any]) -> str:
    """Put the zip and a template under names that follow their content; returns the template's URL."""
    s3.upload_file(str(package.archive), bucket, package.archive_key)
    body = json.dumps(template, sort_keys=True).encode()
    key = f"templates/{hashlib.sha256(body).hexdigest()}.json"
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    return str(s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}).partition("?")[0])
