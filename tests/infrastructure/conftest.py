"""The three stages' templates, made once a run: merged with Chalice's output, and as CloudFormation resolves them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from scripts.packaging.assemble import Assembled, assemble
from scripts.packaging.transform import resolve, transform
from tests.infrastructure.kinds import resources_with
from tests.infrastructure.monitoring_model import EVERYTHING

STAGES = ("dev", "staging", "production")


@cache
def assembled_stage(stage: str) -> Assembled:
    return assemble(stage)


@cache
def transformed_stage(stage: str) -> dict[str, Any]:
    made = assembled_stage(stage)
    return transform(made.template, made.parameters)


@cache
def resolved_stage(stage: str, region: str = "us-east-1") -> dict[str, Any]:
    return resolve(transformed_stage(stage), assembled_stage(stage).parameters, region)


@pytest.fixture(scope="session")
def resolve_stage() -> Callable[[str, str], dict[str, Any]]:
    """``resolve_stage(stage, region)``: for what differs between regions."""
    return resolved_stage


@pytest.fixture(params=STAGES, scope="session")
def stage(request: pytest.FixtureRequest) -> str:
    """Each stage in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def assembled(stage: str) -> Assembled:
    """The stage's template before the SAM macro, with its parameters and origins. Do not change it."""
    return assembled_stage(stage)


@pytest.fixture(scope="session")
def transformed(stage: str) -> dict[str, Any]:
    """After the SAM macro, conditions and parameters still open. Do not change it."""
    return transformed_stage(stage)


@pytest.fixture(scope="session")
def resolved(stage: str) -> dict[str, Any]:
    """What would be deployed in us-east-1: conditions decided, parameters folded in. Do not change it."""
    return resolved_stage(stage)


@pytest.fixture(scope="session")
def resources(resolved: dict[str, Any]) -> dict[str, Any]:
    """The resources of ``resolved`` by logical id. Do not change them."""
    return dict(resolved["Resources"])


@pytest.fixture(scope="session")
def monitored(assembled: Assembled, transformed: dict[str, Any]) -> dict[str, Any]:
    """The resources with every alarm that a parameter can add. Do not change them."""
    return resources_with(assembled, transformed, **EVERYTHING)
