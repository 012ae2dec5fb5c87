"""In other regions, and in stages without an edge."""

from __future__ import annotations

from graphlib import TopologicalSorter

import pytest

from scripts.packaging.references import resource_names
from tests.infrastructure.edge_model import DOMAIN, distribution, origins, text
from tests.infrastructure.kinds import of_type

ELSEWHERE = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/edge/00000000-0000-0000-0000-000000000000"


def test_outside_us_east_1_the_web_acl_is_one_that_was_made_there(deploy):
    resources = deploy("eu-west-1", EdgeWebAclArn=ELSEWHERE)
    assert distribution(resources)["WebACLId"] == ELSEWHERE
    types = {each["Type"] for each in resources.values()}
    assert not {"AWS::Logs::Delivery", "AWS::Logs::DeliverySource", "AWS::WAFv2::IPSet"} & types
    assert {acl["Scope"] for acl in of_type(resources, "AWS::WAFv2::WebACL").values()} == {"REGIONAL"}


def test_outside_us_east_1_without_one_there_is_none(deploy):
    assert "WebACLId" not in distribution(deploy("eu-west-1", EdgeWebAclArn=""))


def test_origins_are_those_of_the_region(deploy):
    resources = deploy("eu-west-1")
    for name in ("rest", "websocket"):
        assert text(origins(resources)[name]["DomainName"]).endswith("}.execute-api.eu-west-1.amazonaws.com")


def test_without_an_edge_nothing_of_it_is_made_and_nobody_is_asked_for_its_headers(deploy):
    resources = deploy(EdgeEnabled="false")
    assert [
        name for name, each in resources.items() if each["Type"].startswith(("AWS::CloudFront", "AWS::WAFv2"))
    ] == []
    for function in of_type(resources, "AWS::Lambda::Function").values():
        variables = function.get("Environment", {}).get("Variables", {})
        assert not any(variables.get(name) for name in ("ORIGIN_SECRET_A_ID", "ORIGIN_SECRET_B_ID", "DISTRIBUTION_ID"))
    rotated = of_type(resources, "AWS::SecretsManager::RotationSchedule").values()
    assert [schedule["SecretId"] for schedule in rotated] == [{"Ref": "TokenSecret"}]


def test_the_public_addresses_are_put_out(template):
    assert template(**DOMAIN)["Outputs"]["PublicUrl"]["Value"] == "https://stream.example.com"
    assert template(**DOMAIN)["Outputs"]["WebsocketUrl"]["Value"] == "wss://stream.example.com/ws"
    assert "Distribution" in text(template(DomainName="")["Outputs"]["PublicUrl"]["Value"])
    without = template(EdgeEnabled="false")["Outputs"]
    assert "PublicUrl" not in without
    assert text(without["WebsocketUrl"]["Value"]) == "wss://${WebsocketAPI}.execute-api.us-east-1.amazonaws.com/ws"


@pytest.mark.parametrize(
    ("region", "parameters"),
    [
        ("us-east-1", DOMAIN),
        ("us-east-1", {"DeniedIpv4": "192.0.2.0/24"}),
        ("eu-west-1", {**DOMAIN, "EdgeWebAclArn": ELSEWHERE}),
        ("eu-west-1", {"EdgeEnabled": "false"}),
    ],
)
def test_nothing_waits_for_itself_and_everything_that_is_waited_for_is_there(template, region, parameters):
    made = template(region, **parameters)
    waits = {}
    for name, resource in made["Resources"].items():
        depends = resource.get("DependsOn", [])
        waits[name] = resource_names(resource.get("Properties", {})) | set(
            [depends] if isinstance(depends, str) else depends
        )
        waits[name] = {each for each in waits[name] if not each.startswith("AWS::")}
    assert {name: missing for name, each in waits.items() if (missing := each - waits.keys())} == {}
    TopologicalSorter(waits).prepare()  # raises CycleError, naming it
