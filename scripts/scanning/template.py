"""cfn-lint, checkov and cfn-guard over the packaged template of each stage: the tests that hold it to them."""

from __future__ import annotations

import re
import sys

from scripts.scanning.findings import run

PASSED, FAILED = 0, 1


def scan() -> list[str]:
    told = run(
        [sys.executable, "-m", "pytest", "tests/infrastructure/test_linters.py", "-q", "--no-header"],
        ends_with=[PASSED, FAILED],
    )
    failed = [line for line in told.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if not failed and not re.search(r"\d+ passed", told):
        failed = [told[-1500:]]
    return failed
