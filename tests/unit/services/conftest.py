"""What a service measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chalicelib.telemetry import metrics

Measure = Callable[[], Any]


@pytest.fixture
def measured(capsys: pytest.CaptureFixture[str]) -> Measure:
    """``with measured() as found:`` fills ``found`` with the block's metrics: a name, or (name, value of dimension)."""

    @contextmanager
    def measure() -> Iterator[dict[Any, list[float]]]:
        found: dict[Any, list[float]] = {}
        with metrics.invocation():
            yield found
        for text in capsys.readouterr().out.splitlines():
            line = json.loads(text)
            for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
                extra = [line[key] for key in directive["Dimensions"][-1] if key != "Stage"]
                for metric in directive["Metrics"]:
                    found[(metric["Name"], *extra) if extra else metric["Name"]] = line[metric["Name"]]

    return measure
