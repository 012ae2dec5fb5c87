"""A stage's template on this machine: the listed differences, the stand-ins, and what localcloud takes of it."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from localcloud.holdings import cut, holdings
from localcloud.ministack import interpreter
from localcloud.stack import Surroundings, localise, stood_in
from localcloud.standins import STAND_INS, made, register, with_master_secret, with_math_alarms
from scripts.packaging.assemble import Assembled, assemble
from scripts.packaging.transform import transform

STAGES = ("dev", "staging", "production")
HERE = Surroundings(
    aws_url="http://127.0.0.1:4566",
    redis_url="redis://127.0.0.1:6379/0",
    postgres_url="postgresql://postgres@127.0.0.1:5432/postgres",
    feed_url="http://127.0.0.1:7000",
)


@pytest.fixture(scope="module")
def assembled() -> Assembled:
    return assemble("dev")


def changes(old: Any, new: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where two templates differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() | new.keys():
            yield from changes(old.get(key), new.get(key), (*path, key))
    elif old != new:
        yield path


def test_nothing_but_the_told_variables_of_functions_differs_here(assembled: Assembled) -> None:
    """What is printed is all there is."""
    before = copy.deepcopy(assembled.template)
    local, differences = localise(assembled.template, HERE)
    assert assembled.template == before
    changed = list(changes(before, local))
    assert all("Variables" in path for path in changed)
    told = {difference.what for difference in differences}
    assert {path[path.index("Variables") + 1] for path in changed} == told


def test_callbacks_go_to_the_stage_of_ministacks_own_address(assembled: Assembled) -> None:
    _, differences = localise(assembled.template, HERE)
    (callbacks,) = (found.here for found in differences if found.what == "CONNECTIONS_URL")
    assert callbacks == "http://127.0.0.1:4566/_aws/execute-api/${WebsocketAPI}/ws"


def test_redis_asks_for_no_iam_login_here(assembled: Assembled) -> None:
    text = json.dumps(localise(assembled.template, HERE)[0])
    assert "REDIS_URL" in text
    assert "REDIS_USER" not in text
    assert "REDIS_GROUP" not in text


def test_a_variable_that_no_function_has_any_more_is_an_error(assembled: Assembled) -> None:
    """A difference that changes nothing would be told of and not be there."""
    without = json.loads(json.dumps(assembled.template).replace("REDIS_URL", "CACHE_URL"))
    with pytest.raises(ValueError, match="REDIS_URL"):
        localise(without, HERE)


def types_of(stage: str) -> set[str]:
    """Also those behind conditions that are false today."""
    made_of = assemble(stage)
    resources = transform(made_of.template, made_of.parameters)["Resources"]
    return {resource["Type"] for resource in resources.values()}


def test_every_type_of_every_stage_is_made_by_ministack_or_stood_in_for_and_no_stand_in_is_spare() -> None:
    program = "import json; from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as table; "
    listed = subprocess.run([interpreter(), "-c", program + "print(json.dumps(list(table)))"], capture_output=True)
    makes = set(json.loads(listed.stdout.splitlines()[-1]))
    wanted = {kind for stage in STAGES for kind in types_of(stage) if not kind.startswith("Custom::")}
    assert wanted - makes == STAND_INS.keys()


def test_a_stand_in_for_what_ministack_makes_itself_stops_it() -> None:
    with pytest.raises(SystemExit, match="AWS::EC2::EIP"):
        register({"AWS::EC2::EIP": {}})


def test_a_stand_in_answers_the_same_after_an_update_as_when_it_was_made() -> None:
    """Whatever refers to it must not be replaced."""
    table: dict[str, dict[str, Any]] = {}
    register(table)
    handlers = table["AWS::EC2::NatGateway"]
    created = handlers["create"]("Gateway", {"SubnetId": "a"}, "stack")
    assert handlers["update"](created[0], {"SubnetId": "a"}, {"SubnetId": "b"}, "stack", "Gateway") == created
    assert created[1]["NatGatewayId"] == created[0]
    assert made(STAND_INS["AWS::EC2::NatGateway"], "stack", "Other")[0] != created[0]


def test_an_alarm_on_metric_math_is_recorded_and_any_other_is_ministacks_own() -> None:
    asked: list[str] = []
    own = {name: lambda *given, name=name: asked.append(name) for name in ("create", "update", "delete")}
    handlers = with_math_alarms(own)
    math = {"AlarmName": "a", "Metrics": []}
    assert handlers["create"]("Alarm", math, "stack")[0] == "a"
    assert handlers["update"]("a", math, math, "stack", "Alarm")[0] == "a"
    handlers["delete"]("a", math)
    assert asked == []
    handlers["create"]("Alarm", {"AlarmName": "b"}, "stack")
    handlers["update"]("b", {}, {"AlarmName": "b"}, "stack", "Alarm")
    handlers["delete"]("b", {"AlarmName": "b"})
    assert asked == ["create", "update", "delete"]


def test_stand_ins_are_listed_by_type_and_name() -> None:
    held = {"B": "AWS::EC2::EIP", "A": "AWS::EC2::EIP", "Queue": "AWS::SQS::Queue"}
    assert stood_in(held) == {"AWS::EC2::EIP": ["A", "B"]}


def test_a_database_with_a_managed_password_has_the_secret_that_rds_would_keep() -> None:
    kept: list[dict[str, Any]] = []

    def keep(logical_id: str, props: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        kept.append(props)
        return "name", {"Arn": "arn:secret"}

    create = with_master_secret(lambda logical_id, props, stack: ("db", {"Endpoint.Port": "5432"}), keep)
    assert create("Database", {"ManageMasterUserPassword": True, "MasterUsername": "admin"}, "stack") == (
        "db",
        {"Endpoint.Port": "5432", "MasterUserSecret.SecretArn": "arn:secret"},
    )
    assert json.loads(kept[0]["SecretString"])["username"] == "admin"
    assert "MasterUserSecret.SecretArn" not in create("Database", {"MasterUsername": "admin"}, "stack")[1]


def test_what_localcloud_creates_is_what_is_packaged_but_for_tags(assembled: Assembled) -> None:
    """It reads the hand-written parts alone, to start sooner."""

    def untagged(resource: dict[str, Any]) -> dict[str, Any]:
        properties = {key: value for key, value in resource["Properties"].items() if key != "Tags"}
        return {**resource, "Properties": properties}

    read, packaged = holdings("dev"), cut(assembled.template, assembled.parameters)
    assert {name: untagged(entry) for name, entry in read.template["Resources"].items()} == {
        name: untagged(entry) for name, entry in packaged.template["Resources"].items()
    }
    assert read.template["Conditions"] == packaged.template["Conditions"]
    assert read.template["Outputs"] == packaged.template["Outputs"]
    assert read.parameters == {name: packaged.parameters[name] for name in read.parameters}


def test_a_parameter_that_is_none_of_the_template_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="Nonsense"):
        holdings().with_values({"Nonsense": "1"})
