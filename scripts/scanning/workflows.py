"""actionlint (with shellcheck on every script) and zizmor, as strict as it can be, over .github."""

from __future__ import annotations

import json
import os

from scripts.scanning.findings import TOOLS, run

CLEAN, FOUND = 0, 1


def scan() -> list[str]:
    return [*_actionlint(), *_zizmor()]


def _actionlint() -> list[str]:
    told = run([TOOLS / "actionlint", "-oneline", "-no-color"], ends_with=[CLEAN, FOUND])
    return told.splitlines()


def _zizmor() -> list[str]:
    """Asks GitHub about the actions themselves where there is a token to ask with."""
    asks = [] if os.environ.get("GH_TOKEN") else ["--offline"]
    command = [TOOLS / "zizmor", "--persona", "pedantic", "--no-exit-codes", "--format", "json", *asks, ".github"]
    findings = json.loads(run(command, ends_with=[CLEAN]))
    return [f"{_place(one)}: {one['ident']}: {one['desc']}" for one in findings if not one.get("ignored")]


def _place(finding: dict) -> str:
    where = next(place for place in finding["locations"] if place["symbolic"]["kind"] == "Primary")
    path = where["symbolic"]["key"]["Local"]["given_path"]
    return f"{path}:{where['concrete']['location']['start_point']['row'] + 1}"
