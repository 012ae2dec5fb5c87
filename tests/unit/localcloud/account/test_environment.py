"""What functions are told otherwise in the local account."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from localcloud.account.environment import LEAST_TIMEOUT_S, RULES, Surroundings, differences, local_address, rewritten
from localcloud.account.ministack.functions import localised
from scripts.packaging.assemble import assemble
from scripts.packaging.transform import transform

HERE = Surroundings(aws_url="http://127.0.0.1:4566", feed_url="http://127.0.0.1:7000")
CALLBACKS = "https://ab12.execute-api.us-east-1.amazonaws.com/ws"


def variables_of(template: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            yield resource["Properties"].get("Environment", {}).get("Variables", {})


@pytest.fixture(scope="module")
def environments() -> list[dict[str, str]]:
    """Of every function of a stage, as text."""
    made = assemble("staging")
    found = variables_of(transform(made.template, made.parameters))
    return [
        {name: value if isinstance(value, str) else json.dumps(value) for name, value in each.items()} for each in found
    ]


def test_nothing_but_the_told_variables_differs_here(environments: list[dict[str, str]]) -> None:
    """What is printed is all there is."""
    told = {difference.what for difference in differences(HERE)}
    for before in environments:
        after = rewritten(before, HERE)
        assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} <= told


def test_every_rule_is_about_a_function_of_the_template(environments: list[dict[str, str]]) -> None:
    """A difference that changes nothing would be told of and not be there."""
    held = set().union(*environments)
    assert {rule.holder for rule in RULES} <= held


def test_callbacks_go_to_the_stage_at_ministacks_own_address() -> None:
    found = rewritten({"CONNECTIONS_URL": CALLBACKS}, HERE)
    assert found == {"CONNECTIONS_URL": "http://127.0.0.1:4566/_aws/execute-api/ab12/ws"}


def test_a_sockets_address_stays_one_of_a_socket() -> None:
    assert local_address(CALLBACKS.replace("https", "wss"), HERE) == "ws://127.0.0.1:4566/_aws/execute-api/ab12/ws"


def test_redis_is_asked_without_tls_and_without_an_iam_login() -> None:
    cloud = {"REDIS_URL": "rediss://127.0.0.1:6379/0", "REDIS_USER": "app", "REDIS_GROUP": "group", "OTHER": "x"}
    assert rewritten(cloud, HERE) == {"REDIS_URL": "redis://127.0.0.1:6379/0", "OTHER": "x"}


def test_the_template_is_left_as_it_is() -> None:
    properties = {"Handler": "app.x", "Environment": {"Variables": {"DATABASE_HOST": "127.0.0.1"}}}
    before = json.dumps(properties)
    assert localised(properties, HERE)["Environment"]["Variables"]["DATABASE_SSLMODE"] == "disable"
    assert json.dumps(properties) == before


def test_a_function_without_variables_stays_without() -> None:
    assert "Environment" not in localised({"Handler": "app.x"}, HERE)


def test_a_function_has_time_to_start_on_a_busy_machine() -> None:
    assert localised({"Timeout": 10}, HERE)["Timeout"] == LEAST_TIMEOUT_S
    assert localised({"Timeout": 900}, HERE)["Timeout"] == 900
