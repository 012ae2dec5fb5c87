"""`make workflows`: the workflows of .github, step by step, on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not os.environ.get("REHEARSE"), reason="a quarter of an hour: nightly, or with REHEARSE=1")
@pytest.mark.timeout(2400)  # a busy machine deploys slowly
def test_a_merge_a_promotion_and_a_bad_version_end_as_they_should():
    out = ROOT / "build" / "workflows"
    done = subprocess.run(
        [sys.executable, "-m", "scripts.workflows", "stories", "--json", "--out", str(out)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    told = json.loads(done.stdout)
    assert [claim for claim in told["claims"] if not claim["holds"]] == []
    assert done.returncode == 0
    assert len({claim["story"] for claim in told["claims"]}) == 3
    assert told["differences"]
    assert (out / "log.txt").stat().st_size > 10_000
