"""What an invocation wrote to standard output, a decoded object a line."""

import json

import pytest

from chalicelib.telemetry import log, metrics


@pytest.fixture
def lines(capsys):
    log.configure(level="INFO", stage="staging", version="1.2.3")
    metrics.configure(stage="staging")
    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    log.configure(level="INFO", stage="test", version="test")
    metrics.configure(stage="test")


@pytest.fixture
def emf(lines):
    """Only the lines of metrics."""
    return lambda: [line for line in lines() if "_aws" in line]
