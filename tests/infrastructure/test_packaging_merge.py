"""Merging cfn/ over Chalice's output: what an overlay may do, and every way in which it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.packaging import parts
from scripts.packaging.merge import Merged, merge
from scripts.packaging.parts import Remove, Replace, read_part
from scripts.packaging.problems import PackagingError


def chalice() -> dict[str, Any]:
    return {
        "Resources": {
            "Poll": {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    "Timeout": 10,
                    "Architectures": ["arm64"],
                    "Role": "arn:from-chalice",
                    "Environment": {"Variables": {"STAGE": "dev"}},
                    "Uri": {"Fn::Sub": "arn:${Poll.Arn}"},
                },
            },
            "Deployment": {"Type": "AWS::ApiGatewayV2::Deployment", "Properties": {}},
        },
        "Outputs": {"EndpointURL": {"Value": "https://example.org"}},
    }


@pytest.fixture
def merged(tmp_path: Path):
    """Merges files, given by name, over a small template of Chalice's."""

    def make(**files: str) -> Merged:
        paths = []
        for name, text in sorted(files.items()):
            paths.append(tmp_path / f"{name}.yaml")
            paths[-1].write_text(text)
        return merge(chalice(), "Chalice", [read_part(path) for path in paths])

    return make


def only_problem(result: Merged) -> str:
    assert len(result.problems) == 1
    return str(result.problems[0])


def poll(properties: str) -> str:
    return f"Resources:\n  Poll:\n    Properties:\n{properties}"


def test_an_overlay_changes_what_it_names_and_keeps_the_rest(merged):
    result = merged(functions=poll("      Timeout: 55\n      Environment: {Variables: {LOG_LEVEL: INFO}}\n"))
    properties = result.template["Resources"]["Poll"]["Properties"]
    assert properties["Timeout"] == 55
    assert properties["Environment"] == {"Variables": {"STAGE": "dev", "LOG_LEVEL": "INFO"}}
    assert properties["Role"] == "arn:from-chalice"
    assert not result.problems


def test_a_function_call_takes_the_place_of_another_as_a_whole(merged):
    result = merged(functions=poll("      Uri: !GetAtt Poll.Arn\n      Role: !Sub '${Poll.Arn}'\n"))
    properties = result.template["Resources"]["Poll"]["Properties"]
    assert properties["Uri"] == {"Fn::GetAtt": ["Poll", "Arn"]}
    assert properties["Role"] == {"Fn::Sub": "${Poll.Arn}"}


def test_a_list_is_not_replaced_silently(merged):
    problem = only_problem(merged(functions=poll("      Architectures: [x86_64]\n")))
    assert problem.startswith("functions.yaml:4: Poll.Properties.Architectures: would silently replace Chalice's list")


def test_a_whole_mapping_is_not_replaced_silently(merged):
    problem = only_problem(merged(functions=poll("      Environment: none\n")))
    assert "Poll.Properties.Environment: would silently replace Chalice's mapping" in problem


def test_a_list_is_replaced_where_that_is_declared(merged):
    result = merged(functions=poll("      Architectures: !Replace [x86_64]\n"))
    assert result.template["Resources"]["Poll"]["Properties"]["Architectures"] == ["x86_64"]
    assert not result.problems


@pytest.mark.parametrize(
    ("text", "section", "path"),
    [
        (poll("      Timeout: !Remove\n"), "Resources", ("Poll", "Properties", "Timeout")),
        ("Resources:\n  Deployment: !Remove\n", "Resources", ("Deployment",)),
        ("Outputs:\n  EndpointURL: !Remove\n", "Outputs", ("EndpointURL",)),
    ],
)
def test_a_property_a_resource_and_an_output_can_be_removed(merged, text, section, path):
    result = merged(functions=text)
    holder = result.template[section]
    for key in path[:-1]:
        holder = holder[key]
    assert path[-1] not in holder
    assert not result.problems
    assert not result.origins.under((section, *path))


@pytest.mark.parametrize("tag", ["!Remove", "!Replace [a]"])
def test_nothing_cannot_be_removed_or_replaced(merged, tag):
    problem = only_problem(merged(functions=poll(f"      Layers: {tag}\n")))
    assert "Poll.Properties.Layers: there is nothing here to remove or to replace" in problem


def test_an_overlay_that_hits_nothing_is_told_what_it_may_have_meant(merged):
    problem = only_problem(merged(functions="Resources:\n  Pol:\n    Properties: {Timeout: 1}\n"))
    assert problem == "functions.yaml:2: Pol: hits nothing: Chalice writes no such resource; there is Poll"


def test_an_overlay_does_not_reach_what_another_file_of_cfn_defines(merged):
    queue = "Resources:\n  Queue:\n    Type: AWS::SQS::Queue\n"
    problem = only_problem(merged(data=queue, functions="Resources:\n  Queue:\n    Properties: {DelaySeconds: 1}\n"))
    assert "functions.yaml:2: Queue: hits nothing" in problem


def test_only_the_overlay_changes_what_chalice_wrote(merged):
    problem = only_problem(merged(data=poll("      Timeout: 1\n")))
    assert problem == "data.yaml:2: Poll: has no Type; only functions.yaml may change what Chalice wrote"


@pytest.mark.parametrize(
    ("section", "entry"),
    [
        ("Resources", "{Type: AWS::SQS::Queue}"),
        ("Parameters", "{Type: String}"),
        ("Conditions", "!Equals [a, b]"),
        ("Mappings", "{a: {b: c}}"),
        ("Outputs", "{Value: x}"),
        ("Rules", "{Assertions: []}"),
    ],
)
def test_a_name_belongs_to_one_file(merged, section, entry):
    problem = only_problem(merged(a=f"{section}:\n  Twice: {entry}\n", b=f"{section}:\n  Twice: {entry}\n"))
    assert problem.startswith("b.yaml:2: Twice: is defined by a.yaml too")


def test_a_name_of_chalices_is_not_defined_again(merged):
    problem = only_problem(merged(data="Resources:\n  Poll:\n    Type: AWS::Serverless::Function\n"))
    assert "Poll: is defined by Chalice too" in problem


def test_groups_of_parameters_of_several_files_are_joined(merged):
    group = "Metadata:\n  AWS::CloudFormation::Interface:\n    ParameterGroups:\n      - Label: {{default: {0}}}\n"
    result = merged(a=group.format("Network"), b=group.format("Database"))
    groups = result.template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert [one["Label"]["default"] for one in groups] == ["Network", "Database"]


def test_a_section_that_cloudformation_does_not_know_is_refused(merged):
    assert "Resource: is no section of a template" in only_problem(merged(a="Resource: {}\n"))


@pytest.mark.parametrize("text", ["Outputs: [a]\n", "Outputs:\n  Url:\n", "Resources:\n  Queue: AWS::SQS::Queue\n"])
def test_what_should_be_a_mapping_and_is_none_is_refused(merged, text):
    assert "must be a mapping" in only_problem(merged(a=text))


def test_two_files_do_not_both_set_the_globals(merged):
    globals_of = "Globals: {{Function: {{Timeout: {0}}}}}\n"
    assert "is set by another file already" in only_problem(merged(a=globals_of.format(1), b=globals_of.format(2)))


def test_every_property_knows_the_file_and_line_it_came_from(merged):
    result = merged(functions=poll("      Timeout: 55\n      VpcConfig:\n        SubnetIds: [a]\n"))
    properties = ("Resources", "Poll", "Properties")
    assert result.origins[(*properties, "Timeout")] == "functions.yaml:4"
    assert result.origins[(*properties, "VpcConfig", "SubnetIds", 0)] == "functions.yaml:6"
    assert result.origins[(*properties, "Role")] == "Chalice"


def part_of(tmp_path: Path, text: str) -> dict[str, Any]:
    (tmp_path / "part.yaml").write_text(text)
    return read_part(tmp_path / "part.yaml").body


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!Ref Queue", {"Ref": "Queue"}),
        ("!GetAtt Queue.Arn", {"Fn::GetAtt": ["Queue", "Arn"]}),
        ("!GetAtt Database.MasterUserSecret.SecretArn", {"Fn::GetAtt": ["Database", "MasterUserSecret.SecretArn"]}),
        ("!If [Has, !Ref A, 5]", {"Fn::If": ["Has", {"Ref": "A"}, 5]}),
        ("!Sub ['${A}', {A: !Ref B}]", {"Fn::Sub": ["${A}", {"A": {"Ref": "B"}}]}),
        ("!Condition Has", {"Condition": "Has"}),
        ("!Equals ['1', 1]", {"Fn::Equals": ["1", 1]}),
        ("!Base64 12", {"Fn::Base64": 12}),
        ("!Base64 '12'", {"Fn::Base64": "12"}),
        ("2012-10-17", "2012-10-17"),
        ("'yes'", "yes"),
        ("012", 10),
        ("!Remove", Remove()),
        ("!Replace [1, a]", Replace([1, "a"])),
    ],
)
@pytest.mark.parametrize("loader", ["SafeLoader", "CSafeLoader"])
def test_yaml_means_what_cloudformation_takes_it_for(tmp_path, monkeypatch, text, value, loader):
    """With libyaml and without it."""
    monkeypatch.setattr(parts, "_LOADER", getattr(yaml, loader))
    parts._parse.cache_clear()
    assert part_of(tmp_path, f"Key: {text}\n") == {"Key": value}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("A:\n  B: 1\n  B: 2\n", "part.yaml:3: A.B: is written twice"),
        ("A: &a {B: 1}\nC:\n  <<: *a\n", "part.yaml:3: <<: CloudFormation knows no merge keys"),
        ("A: [1\n", "part.yaml:2: not YAML"),
        ("A: \x00\n", "part.yaml: not YAML"),
        ("- A\n", "part.yaml: whole file: must be a mapping"),
    ],
)
def test_yaml_that_would_be_misread_is_refused(tmp_path, text, problem):
    with pytest.raises(PackagingError) as refused:
        part_of(tmp_path, text)
    assert str(refused.value).startswith(problem)
