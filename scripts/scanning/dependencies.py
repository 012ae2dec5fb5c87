"""What the Lambda zip carries: which of it has known vulnerabilities, and a bill of materials of it."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from scripts.scanning.findings import PROJECT, TOOLS, CannotScanError, run

SBOM = PROJECT / "build" / "sbom.cdx.json"
CLEAN, FOUND = 0, 1


def shipped() -> list[str]:
    """``name==version`` of every distribution in the zip, as the packager chose them."""
    command = [sys.executable, "-m", "scripts.package", "--stage", "production", "--json"]
    with tempfile.TemporaryDirectory() as folder:
        manifest = json.loads(run([*command, "--out", folder], ends_with=[0]))
    return sorted("==".join(line.split()) for line in manifest["zip"]["distributions"])


def scan() -> list[str]:
    """Known vulnerabilities. Raises CannotScanError if the service knows nothing of a package: that is no all-clear."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        listed.write("\n".join(shipped()))
        listed.flush()
        command = [TOOLS / "pip-audit", "--no-deps", "--disable-pip", "--progress-spinner", "off"]
        told = run([*command, "--format", "json", "--requirement", listed.name], ends_with=[CLEAN, FOUND])
    return judge(json.loads(told)["dependencies"])


def judge(dependencies: list[dict]) -> list[str]:
    """A line for each vulnerability. Raises CannotScanError if one was not looked up."""
    unknown = [one["name"] for one in dependencies if "skip_reason" in one]
    if unknown:
        raise CannotScanError(f"the vulnerability service did not answer for {', '.join(unknown)}")
    return [
        f"{one['name']} {one['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for one in dependencies
        for flaw in one["vulns"]
    ]


def bill_of_materials() -> Path:
    """Write it; returns where. The same for the same packages, byte for byte."""
    SBOM.parent.mkdir(exist_ok=True)
    command = [TOOLS / "cyclonedx-py", "requirements", "-", "--pyproject", "pyproject.toml", "--output-reproducible"]
    run([*command, "--output-format", "JSON", "--output-file", SBOM], ends_with=[0], given="\n".join(shipped()))
    return SBOM
