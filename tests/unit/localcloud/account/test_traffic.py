"""CodeDeploy's deployment configurations."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.account.ministack.codedeploy.traffic import ConfigurationError, Step, steps

CANARY = {"Type": "TimeBasedCanary", "TimeBasedCanary": {"CanaryPercentage": "25", "CanaryInterval": 2}}
LINEAR = {"Type": "TimeBasedLinear", "TimeBasedLinear": {"LinearPercentage": 50, "LinearInterval": 3}}


def test_a_canary_is_one_step_before_all() -> None:
    assert steps("CodeDeployDefault.LambdaCanary10Percent5Minutes", {}) == (Step(10, 5),)


def test_a_linear_shift_is_equal_steps_before_all() -> None:
    found = steps("CodeDeployDefault.LambdaLinear10PercentEvery1Minute", {})
    assert found == tuple(Step(percent, 1) for percent in range(10, 100, 10))


def test_all_at_once_has_no_step_before_it() -> None:
    assert steps("CodeDeployDefault.LambdaAllAtOnce", {}) == ()


@pytest.mark.parametrize(
    ("routing", "expected"), [(CANARY, (Step(25, 2),)), (LINEAR, (Step(50, 3),)), ({"Type": "AllAtOnce"}, ())]
)
def test_an_accounts_own_configuration_says_its_steps(routing: dict[str, Any], expected: tuple[Step, ...]) -> None:
    assert steps("mine", {"mine": {"TrafficRoutingConfig": routing}}) == expected


@pytest.mark.parametrize("name", ["CodeDeployDefault.LambdaSlowly", "Canary10Percent5Minutes", "mine"])
def test_a_configuration_that_there_is_not_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        steps(name, {})
