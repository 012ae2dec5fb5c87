"""A traced invocation without Lambda and without X-Ray: what the SDK would have sent, for tests to look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aws_xray_sdk.core import xray_recorder

ROOT = "1-5759e988-bd862e3fe1be46a994272793"
PARENT = "53995c3f42cd8ad8"
LINEAGE = "Lineage=1:a1b2c3d4:0"
HEADER = f"Root={ROOT};Parent={PARENT};Sampled=1;{LINEAGE}"


@contextmanager
def traced(monkeypatch: pytest.MonkeyPatch, header: str = HEADER) -> Iterator[Any]:
    """The function's segment; its subsegments are there when they have ended."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", header)
    monkeypatch.setattr(xray_recorder.emitter, "send_entity", lambda entity: None)
    segment = xray_recorder.begin_segment("function", traceid=ROOT, parent_id=PARENT, sampling=1)
    try:
        yield segment
    finally:
        xray_recorder.clear_trace_entities()


def parts(segment: Any) -> dict[str, Any]:
    """Subsegments of a segment by name, as they are sent."""
    return {part["name"]: part for part in (each.to_dict() for each in segment.subsegments)}
