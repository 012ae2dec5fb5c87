"""The app, wired to fakes at its one seam."""

from __future__ import annotations

import pytest

import app as switchboard
from chalicelib.handlers.rest import answering
from tests.unit.handlers.rig import FakeContainer, Lambda


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> Lambda:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")  # as Lambda does; Chalice asks for it at every socket event
    container = FakeContainer()
    monkeypatch.setattr(switchboard, "container", lambda: container)
    monkeypatch.setattr(answering, "container", lambda: container)
    return Lambda(container)
