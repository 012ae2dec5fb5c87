"""When a function gets a new version.

SAM publishes one when ``AutoPublishCodeSha256`` changes, and by itself looks at the code's address only: a changed
environment, a changed parameter or a replaced Redis would reach ``$LATEST`` and never the alias that serves. So the
digest is made here, of everything that the running function depends on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.packaging.archive import source_files
from scripts.packaging.intrinsics import Evaluator
from scripts.packaging.merge import Merged
from scripts.packaging.references import resource_names
from scripts.packaging.schemas import replacing_properties
from scripts.packaging.transform import evaluator_of
from scripts.packaging.wheels import CONSTRAINTS, REQUIREMENTS

SOURCE = "scripts/packaging/versions.py"
FUNCTION = "AWS::Serverless::Function"
ARTIFACT_BUCKET = "ArtifactBucket"  # the parameter of cfn/functions.yaml
# Do not change what runs, but for the code, which has a digest of its own. Lambda would refuse to publish for them.
_UNSEEN = ("AutoPublishCodeSha256", "CodeUri", "DeploymentPreference", "ReservedConcurrentExecutions", "Tags")


def source_digest(project: Path) -> str:
    """Of what goes into the zip, without making it: for templates that are looked at and not deployed."""
    digest = hashlib.sha256()
    for path in [*source_files(project), project / REQUIREMENTS, project / CONSTRAINTS]:
        digest.update(f"{path.relative_to(project)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def set_code(merged: Merged, parameters: Mapping[str, str], code_sha256: str) -> None:
    """Give every function the zip's address and the digest by which SAM decides whether to publish a version."""
    evaluator = evaluator_of(merged.template, parameters)
    shared = merged.template.get("Globals", {}).get("Function", {})
    for logical_id, resource in merged.template["Resources"].items():
        if resource["Type"] != FUNCTION:
            continue
        code = {"Bucket": {"Ref": ARTIFACT_BUCKET}, "Key": f"functions/{code_sha256}.zip"}
        seen = _what_it_depends_on(merged.template, evaluator, {"Globals": shared, "Own": _seen(resource)})
        digest = _digest([code_sha256, seen])
        for name, value in (("CodeUri", code), ("AutoPublishCodeSha256", digest)):
            resource["Properties"][name] = value
            merged.record(("Resources", logical_id, "Properties", name), value, SOURCE)


def _what_it_depends_on(template: Mapping[str, Any], evaluator: Evaluator, own: dict[str, Any]) -> dict[str, Any]:
    """The function as it will be, and of every resource that its properties name, directly or through others, what
    would replace it: an address in the function's environment then changes under the same text."""
    resources = template["Resources"]
    seen: dict[str, Any] = {"": evaluator.value(own)}
    waiting = [seen[""]]
    while waiting:
        for name in sorted(resource_names(waiting.pop())):
            resource = resources.get(name)
            if name in seen or resource is None or resource["Type"] == FUNCTION:
                continue
            seen[name] = evaluator.value(_replacing(resource))
            waiting.append(seen[name])
    return seen


def _seen(function: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in function.get("Properties", {}).items() if key not in _UNSEEN}


def _replacing(resource: Mapping[str, Any]) -> dict[str, Any]:
    replacing = replacing_properties(resource["Type"])
    properties = resource.get("Properties", {}).items()
    return {
        "Type": resource["Type"],
        **{key: value for key, value in properties if replacing is None or key in replacing},
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
