"""The three stages' templates, made once a run: merged with Chalice's output, and as CloudFormation resolves them.

The linters over them take more than a minute of processor time, in programs of their own. They run while the other
tests do, and the tests that ask what was found come last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from scripts.packaging.assemble import Assembled, assemble
from scripts.packaging.transform import resolve, transform
from tests.infrastructure.edge_model import DOMAIN, Deploy
from tests.infrastructure.kinds import resources_with
from tests.infrastructure.linting import FAULTY, MISTYPED, Linting, opened
from tests.infrastructure.monitoring_model import EVERYTHING

STAGES = ("dev", "staging", "production")
GIVEN = {"ArtifactBucket": "artifacts"}  # at deployment


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


@cache
def deployed_variants() -> dict[str, dict[str, Any]]:
    """What would be deployed: every stage as it is, and as "domain" production with a domain."""
    with_domain = resolve(transformed_stage("production"), {**assembled_stage("production").parameters, **DOMAIN})
    return {**{stage: resolved_stage(stage) for stage in STAGES}, "domain": with_domain}


def _asks_the_linters(item: pytest.Item) -> bool:
    return "found" in getattr(item, "fixturenames", ())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_asks_the_linters)


@pytest.fixture(scope="session", autouse=True)
def linting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Linting | None]:
    """The linters at work, from the first test on; None where no test of this run asks them."""
    if not any(map(_asks_the_linters, request.session.items)):
        yield None
        return
    linting = Linting(
        unresolved={**{stage: assembled_stage(stage).template for stage in STAGES}, FAULTY: MISTYPED},
        resolved={**deployed_variants(), FAULTY: opened(resolved_stage("dev"))},
        folder=lambda: tmp_path_factory.mktemp("linters"),
    )
    yield linting
    linting.close()


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


@pytest.fixture
def template(assembled: Assembled, transformed: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """The stage's template, resolved for a region with other values for some parameters."""

    def make(region: str = "us-east-1", **parameters: str) -> dict[str, Any]:
        resolved: dict[str, Any] = resolve(transformed, {**GIVEN, **assembled.parameters, **parameters}, region)
        return resolved

    return make


@pytest.fixture
def deploy(template: Callable[..., dict[str, Any]]) -> Deploy:
    return lambda region="us-east-1", **parameters: template(region, **parameters)["Resources"]
