"""The stand-ins for resource types that ministack lacks."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from localcloud.account.ministack.alarms import COMPOSITE
from localcloud.account.ministack.codedeploy.resources import TYPES
from localcloud.ministack import interpreter
from localcloud.standins import STAND_INS, made, register, stood_in
from scripts.packaging.assemble import assemble
from scripts.packaging.transform import transform

STAGES = ("dev", "staging", "production")
ACCOUNT_MAKES = {COMPOSITE, *TYPES}  # beyond what ministack makes


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
    assert wanted - makes - ACCOUNT_MAKES == STAND_INS.keys()


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


def test_stand_ins_are_listed_by_type_and_name() -> None:
    held = {"B": "AWS::EC2::EIP", "A": "AWS::EC2::EIP", "Queue": "AWS::SQS::Queue"}
    assert stood_in(held) == {"AWS::EC2::EIP": ["A", "B"]}
