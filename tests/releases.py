"""Small releases for the tests of deployments: folders as scripts.package writes them, with templates of their own."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

STAGE = "dev"
LINE = [{"revision": "r1", "oldest_code": "base"}]


def write_release(
    folder: Path,
    version: str,
    resources: Mapping[str, Any],
    *,
    code: str = "def answer(event, context): return 1",
    schema: Sequence[Mapping[str, str]] = LINE,
    target: str = "local",
    parameters: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
) -> Path:
    """For one stage; its template has the parameters that a deployment gives. Returns the folder."""
    packed = zipped(code)
    digest = hashlib.sha256(packed).hexdigest()
    declared = {
        "Stage": {"Type": "String"},
        "Version": {"Type": "String", "Default": "dev"},
        "ArtifactBucket": {"Type": "String"},
        "CodeKey": {"Type": "String", "Default": f"functions/{digest}.zip"},
        **(parameters or {}),
    }
    template = {"Parameters": declared, "Resources": resources, "Outputs": outputs or {}}
    body = json.dumps(template, sort_keys=True).encode()
    named = hashlib.sha256(body).hexdigest()
    (folder / STAGE).mkdir(parents=True, exist_ok=True)
    (folder / "deployment.zip").write_bytes(packed)
    (folder / STAGE / "template.json").write_bytes(body)
    release = {
        "version": version,
        "commit": "0123456789abcdef",
        "target": target,
        "zip": {"sha256": digest, "key": f"functions/{digest}.zip", "bytes": len(packed)},
        "stages": {
            STAGE: {
                "template": {"sha256": named, "key": f"templates/{named}.json"},
                "parameters": {"Stage": STAGE},
            }
        },
        "database_revision": schema[-1]["revision"] if schema else "",
        "schema": list(schema),
    }
    (folder / "release.json").write_text(json.dumps(release))
    return folder


def zipped(code: str) -> bytes:
    """The same bytes for the same code."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as opened:
        opened.writestr(zipfile.ZipInfo("app.py", (1980, 1, 1, 0, 0, 0)), code)
    return held.getvalue()


def queue(**properties: Any) -> dict[str, Any]:
    tags = [{"Key": "Version", "Value": {"Ref": "Version"}}]
    return {"Type": "AWS::SQS::Queue", "Properties": {"Tags": tags, **properties}}


def function(name: str, mark: str) -> dict[str, Any]:
    """A function with a version and the alias that serves; another ``mark`` is another version."""
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "sts:AssumeRole",
                        "Principal": {"Service": "lambda.amazonaws.com"},
                    }
                ],
            }
        },
    }
    made = {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": name,
            "Handler": "app.answer",
            "Runtime": "python3.13",
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Code": {"S3Bucket": {"Ref": "ArtifactBucket"}, "S3Key": {"Ref": "CodeKey"}},
            "Environment": {"Variables": {"MARK": mark}},
        },
    }
    version = {
        "Type": "AWS::Lambda::Version",
        "DeletionPolicy": "Retain",
        "Properties": {"FunctionName": {"Ref": "Fn"}},
    }
    alias = {
        "Type": "AWS::Lambda::Alias",
        "Properties": {
            "FunctionName": {"Ref": "Fn"},
            "Name": "live",
            "FunctionVersion": {"Fn::GetAtt": [f"FnVersion{mark}", "Version"]},
        },
    }
    return {"Role": role, "Fn": made, f"FnVersion{mark}": version, "FnAliaslive": alias}
