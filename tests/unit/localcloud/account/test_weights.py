"""The version that an alias's invocation goes to."""

from __future__ import annotations

import pytest

from localcloud.account.ministack.weights import chosen_version

CANARY = {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1}}}


@pytest.mark.parametrize(("drawn", "version"), [(0.0, "2"), (0.099, "2"), (0.1, "1"), (0.999, "1")])
def test_the_additional_version_gets_its_share(drawn: float, version: str) -> None:
    assert chosen_version(CANARY, lambda: drawn) == version


def test_an_alias_without_weights_is_its_own_version() -> None:
    assert chosen_version({"FunctionVersion": "4"}, lambda: 0.0) == "4"
