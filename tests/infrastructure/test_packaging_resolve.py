"""Templates as CloudFormation resolves them, as far as that can be known before anything is deployed."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.packaging.transform import resolve, transform

TEMPLATE: dict[str, Any] = {
    "Parameters": {
        "Stage": {"Type": "String"},
        "Days": {"Type": "Number", "Default": 14},
        "Zones": {"Type": "CommaDelimitedList", "Default": "a, b"},
        "Image": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/image"},
        "Bucket": {"Type": "String"},
    },
    "Mappings": {"Sizes": {"dev": {"Cache": "small"}}},
    "Conditions": {
        "IsDev": {"Fn::Equals": [{"Ref": "Stage"}, "dev"]},
        "IsChina": {"Fn::Equals": [{"Ref": "AWS::Partition"}, "aws-cn"]},
        "IsDevOutsideChina": {"Fn::And": [{"Condition": "IsDev"}, {"Fn::Not": [{"Condition": "IsChina"}]}]},
        "IsEither": {"Fn::Or": [{"Condition": "IsDev"}, {"Condition": "IsChina"}]},
    },
    "Resources": {},
}


def resolved(value: Any, region: str = "eu-west-1") -> Any:
    template = {**TEMPLATE, "Resources": {"A": {"Type": "AWS::SQS::Queue", "Properties": {"X": value}}}}
    properties = resolve(template, {"Stage": "dev"}, region)["Resources"]["A"]["Properties"]
    return properties.get("X", "absent")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "Stage"}, "dev"),
        ({"Ref": "Days"}, 14),
        ({"Ref": "Zones"}, ["a", "b"]),
        ({"Ref": "AWS::Region"}, "eu-west-1"),
        ({"Ref": "AWS::NoValue"}, "absent"),
        ({"Ref": "Queue"}, {"Ref": "Queue"}),
        ({"Ref": "Bucket"}, {"Ref": "Bucket"}),  # a value that only the deployment knows
        ({"Ref": "Image"}, {"Ref": "Image"}),  # and one that only AWS knows
        ({"Fn::GetAtt": "Queue.Arn"}, {"Fn::GetAtt": ["Queue", "Arn"]}),
        ({"Fn::If": ["IsDev", "yes", "no"]}, "yes"),
        ({"Fn::If": ["IsChina", "yes", {"Ref": "AWS::NoValue"}]}, "absent"),
        ({"Fn::If": ["IsDevOutsideChina", 1, 2]}, 1),
        ([1, {"Fn::If": ["IsChina", 2, {"Ref": "AWS::NoValue"}]}, 3], [1, 3]),
        ({"Fn::Sub": "${AWS::Partition}-${Stage}-${Days}"}, "aws-dev-14"),
        ({"Fn::Sub": "${Stage}-${Queue.Arn}"}, {"Fn::Sub": "dev-${Queue.Arn}"}),
        ({"Fn::Sub": ["${Q}-${P}", {"Q": {"Ref": "Queue"}, "P": {"Ref": "Stage"}}]}, {"Fn::Sub": "${Queue}-dev"}),
        ({"Fn::Sub": ["${Q}", {"Q": {"Fn::GetAtt": ["Queue", "Arn"]}}]}, {"Fn::Sub": "${Queue.Arn}"}),
        ({"Fn::Sub": "${!Literal}-${Stage}"}, "${Literal}-dev"),
        ({"Fn::Join": ["/", ["a", {"Ref": "Stage"}]]}, "a/dev"),
        ({"Fn::Join": ["/", ["a", {"Ref": "Queue"}]]}, {"Fn::Join": ["/", ["a", {"Ref": "Queue"}]]}),
        ({"Fn::Select": ["1", {"Ref": "Zones"}]}, "b"),
        ({"Fn::Select": [0, {"Fn::GetAZs": ""}]}, "eu-west-1a"),
        ({"Fn::Split": ["-", {"Ref": "AWS::Region"}]}, ["eu", "west", "1"]),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Stage"}, "Cache"]}, "small"),
        ({"Fn::Cidr": ["10.0.0.0/16", 2, 8]}, ["10.0.0.0/24", "10.0.1.0/24"]),
        ({"Fn::Base64": {"Ref": "Stage"}}, "ZGV2"),
        ({"a": {"b": [{"Ref": "Stage"}]}}, {"a": {"b": ["dev"]}}),
    ],
)
def test_what_is_known_is_folded_in(value, expected):
    assert resolved(value) == expected


@pytest.mark.parametrize(
    ("region", "partition", "suffix"),
    [
        ("eu-west-1", "aws", "amazonaws.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
    ],
)
def test_each_partition_has_its_names(region, partition, suffix):
    assert resolved({"Fn::Sub": "${AWS::Partition} ${AWS::URLSuffix}"}, region) == f"{partition} {suffix}"


def test_what_a_condition_leaves_out_is_gone_with_what_waited_for_it():
    queue = {"Type": "AWS::SQS::Queue"}
    template = {
        **TEMPLATE,
        "Resources": {
            "Kept": {**queue, "Condition": "IsEither", "DependsOn": ["Gone", "Other"]},
            "Gone": {**queue, "Condition": "IsChina"},
            "Other": {**queue, "DependsOn": "Gone"},
        },
        "Outputs": {"Lost": {"Value": 1, "Condition": "IsChina"}, "Found": {"Value": {"Ref": "Stage"}}},
    }
    found = resolve(template, {"Stage": "dev"})
    assert found["Resources"] == {"Kept": {**queue, "DependsOn": ["Other"]}, "Other": queue}
    assert found["Outputs"] == {"Found": {"Value": "dev"}}


def test_a_condition_that_does_not_exist_is_not_taken_for_false():
    with pytest.raises(KeyError):
        resolved({"Fn::If": ["IsMisspelt", 1, 2]})


def test_the_macro_leaves_the_template_as_it_was(assembled):
    before = repr(assembled.template)
    transform(assembled.template, assembled.parameters)
    assert repr(assembled.template) == before


def test_no_stage_and_region_leaves_a_function_call_that_could_be_folded(resolve_stage, stage):
    """Else a check of the resolved template would look past what it is to check."""
    for region in ("us-east-1", "eu-central-1"):
        for name, resource in resolve_stage(stage, region)["Resources"].items():
            left = set(_functions(resource)) - {"Ref", "Fn::GetAtt", "Fn::Sub", "Fn::Join", "Fn::Select", "Fn::Split"}
            assert left == set(), name


def _functions(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [key for key in node if key.startswith("Fn::") or key == "Ref"]
        return own + [name for inner in node.values() for name in _functions(inner)]
    return [name for inner in node for name in _functions(inner)] if isinstance(node, list) else []
