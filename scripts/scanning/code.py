"""Bandit, over all that runs anywhere but in tests. Ruff's own rules of its sort are part of `make lint`."""

from __future__ import annotations

import json

from scripts.scanning.findings import TOOLS, run

SOURCES = ("app.py", "chalicelib", "clients", "scripts", "localcloud", "loadtests", "benchmarks")
CLEAN, FOUND = 0, 1


def scan() -> list[str]:
    """Findings of medium severity and more: the low ones are ruff's too, which sees why one is excused."""
    command = [TOOLS / "bandit", "--recursive", *SOURCES, "--severity-level", "medium", "--format", "json", "--quiet"]
    command += ["--configfile", "pyproject.toml"]
    report = json.loads(run(command, ends_with=[CLEAN, FOUND]))
    return [
        f"{one['filename']}:{one['line_number']}: {one['test_id']} {one['issue_text']}" for one in report["results"]
    ] + [f"{one['filename']}: {one['reason']}" for one in report["errors"]]
