"""detect-secrets over every file of the project, less what allowed-secrets.txt excuses with a reason.

Its keyword detector is off: it takes every name with "secret" in it for one. What is written straight into Python
code is found by ruff's and bandit's rules.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from scripts.scanning.findings import TOOLS, CannotScanError, files, run

FLAGS = ("scan", "--all-files", "--no-verify", "--disable-plugin", "KeywordDetector")
ALLOWED = Path(__file__).with_name("allowed-secrets.txt")
RECORDED = "localcloud/feed/data/"  # megabytes of figures and of ids that are hashes


@dataclass(frozen=True, slots=True)
class Allowed:
    """One line of the file: where, what sort, and why it is none."""

    path: str
    kind: str
    reason: str

    def covers(self, path: str, kind: str) -> bool:
        return fnmatch(path, self.path) and self.kind == kind.replace(" ", "-")


def allowed(text: str) -> list[Allowed]:
    """Raises CannotScanError for a line without a reason."""
    found = []
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            parts = line.split(maxsplit=2)
            if len(parts) < 3 or len(parts[2].split()) < 3:
                raise CannotScanError(f"{ALLOWED.name}: a path, a sort and a reason are needed: {line!r}")
            found.append(Allowed(*parts))
    return found


def scan() -> list[str]:
    searched = [name for name in files() if not name.startswith(RECORDED)]
    found: list[tuple[str, str, int]] = []
    for part in _parts(searched, 200):
        results = json.loads(run([TOOLS / "detect-secrets", *FLAGS, *part], ends_with=[0]))["results"]
        found += [(path, one["type"], one["line_number"]) for path, of_file in results.items() for one in of_file]
    return judge(found, allowed(ALLOWED.read_text()))


def judge(found: Iterable[tuple[str, str, int]], excuses: Iterable[Allowed]) -> list[str]:
    """What is not excused, and the excuses that nothing needs any more."""
    found, excuses = sorted(set(found)), list(excuses)
    open_ones = [
        f"{path}:{line}: {kind}" for path, kind, line in found if not any(one.covers(path, kind) for one in excuses)
    ]
    idle = [one for one in excuses if not any(one.covers(path, kind) for path, kind, _ in found)]
    return open_ones + [f"{ALLOWED.name}: nothing needs {one.path} {one.kind} any more" for one in idle]


def _parts(names: list[str], size: int) -> Iterable[list[str]]:
    return (names[start : start + size] for start in range(0, len(names), size))
