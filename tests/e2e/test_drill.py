"""Every store of a platform of its own is lost and comes back."""

from __future__ import annotations

import json

import pytest

from scripts import drill


@pytest.mark.timeout(120)
def test_the_drill_brings_back_every_record_and_its_client_goes_on(capsys):
    """As `make drill` runs it; the client's check is a part of it, and fails it."""
    assert drill.main(["--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {one["store"]: one["equal"] for one in told["stores"]} == {
        "postgresql": True,
        "redis": True,
        "dynamodb": True,
        "s3": True,
    }
    assert all(one["records"] > 20 and one["lost_s"] > 0 for one in told["stores"])
    (stream,) = (one for one in told["stores"] if one["store"] == "redis")
    assert "went on in new epochs without a gap, 0 reconnects" in stream["detail"]
