"""What CloudFormation, Lambda or SAM would find only when deploying is found before, and told with its place."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.packaging.assemble import assemble
from scripts.packaging.checks.cycles import check_cycles
from scripts.packaging.checks.invocations import check_aliases, check_event_sources
from scripts.packaging.checks.limits import Use, check_limits, uses
from scripts.packaging.checks.parameters import check_parameters
from scripts.packaging.problems import PackagingError
from scripts.packaging.project import PROJECT

Problems = Callable[[str], list[str]]


@pytest.fixture
def problems(tmp_path: Path) -> Problems:
    """The project's own cfn/ with one more file in it; returns what is found wrong."""
    folder = tmp_path / "cfn"
    shutil.copytree(PROJECT / "cfn", folder)

    def found(text: str) -> list[str]:
        (folder / "extra.yaml").write_text(text)
        return [str(problem) for problem in assemble("dev", folder=folder, strict=False).problems]

    return found


def test_the_three_stages_have_no_fault(assembled):
    assert assembled.problems == ()


def test_a_fault_in_a_functions_environment_is_told_like_any_other(tmp_path):
    """Its environment is evaluated to see whether it needs a new version."""
    folder = tmp_path / "cfn"
    shutil.copytree(PROJECT / "cfn", folder)
    overlay = folder / "functions.yaml"
    overlay.write_text(overlay.read_text().replace("!Ref AllowedOrigins", "!If [HasNothing, a, b]"))
    (found,) = assemble("dev", folder=folder, strict=False).problems
    assert "ALLOWED_ORIGINS" in str(found)
    assert "there is no condition HasNothing" in str(found)


def queue(properties: str) -> str:
    return f"Resources:\n  Extra:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: {properties}\n"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("!Ref Nobody", "QueueName.Ref: refers to Nobody, which is no parameter and no resource"),
        ("!Ref AWS::Nobody", "QueueName.Ref: refers to AWS::Nobody"),
        ("!GetAtt Nobody.Arn", "QueueName.Fn::GetAtt: asks for Nobody.Arn, and there is no resource Nobody"),
        ("!GetAtt EventsQueue.Colour", "asks EventsQueue for Colour, which an AWS::SQS::Queue does not have"),
        ("!Sub 'a-${Nobody}'", "QueueName.Fn::Sub: refers to Nobody, which is no parameter and no resource"),
        ("!Sub 'a-${EventsQueue.Colour}'", "QueueName.Fn::Sub: asks EventsQueue for Colour"),
        ("!Sub ['a-${Given}-${Nobody}', {Given: b}]", "QueueName.Fn::Sub: refers to Nobody"),
        ("!Sub ['${Given}', {Given: !Ref Nobody}]", "QueueName.Fn::Sub.Given.Ref: refers to Nobody"),
        ("!Ref EventsQueue.Alias", "refers to EventsQueue.Alias, and SAM makes no Alias of an AWS::SQS::Queue"),
        ("!Ref EventsQueu", "refers to EventsQueu, which is no parameter and no resource; there is EventsQueue"),
        ("!Reff EventsQueue", "CloudFormation has no function Fn::Reff, which !Reff stands for"),
        ("!Join ['', [a, !Suub 'b']]", "CloudFormation has no function Fn::Suub"),
        ("!FindInMap [Nowhere, a, b]", "QueueName.Fn::FindInMap: there is no mapping Nowhere"),
        ("!If [HasNothing, a, b]", "QueueName.Fn::If: there is no condition HasNothing"),
        ("!Join ['', [a, !Ref Nobody]]", "QueueName.Fn::Join.1.1.Ref: refers to Nobody"),
    ],
)
def test_a_dangling_reference_is_told_with_its_line(problems, value, problem):
    (found,) = problems(queue(value))
    assert found.startswith("cfn/extra.yaml:5: Extra.Properties.")
    assert problem in found


@pytest.mark.parametrize("value", ["'a-${!Literal}'", "'${AWS::Region}-${Stage}'", "'${EventsQueue.QueueName}'"])
def test_what_exists_is_no_fault(problems, value):
    assert problems(queue(f"!Sub {value}")) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("DependsOn: Nobody", "Extra.DependsOn: DependsOn names Nobody, which is no resource"),
        ("DependsOn: [EventsQueue, Nobody]", "Extra.DependsOn.1: DependsOn names Nobody"),
        ("Condition: HasNothing", "Extra.Condition: there is no condition HasNothing"),
    ],
)
def test_dependencies_and_conditions_of_a_resource_exist(problems, line, problem):
    (found,) = problems(f"Resources:\n  Extra:\n    Type: AWS::SQS::Queue\n    {line}\n")
    assert found.startswith("cfn/extra.yaml:4")
    assert problem in found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Conditions:\n  HasExtra: !Not [!Condition HasNothing]\n", "there is no condition HasNothing"),
        ("Conditions:\n  HasExtra: !Equals [!Ref EventsQueue, '']\n", "refers to EventsQueue, which is no parameter"),
        ("Outputs:\n  Extra: {Value: !Ref Nobody}\n", "Extra.Value.Ref: refers to Nobody"),
        ("Outputs:\n  Extra: {Value: a, Condition: HasNothing}\n", "there is no condition HasNothing"),
        (
            "Resources:\n  Extra: {Type: 'AWS::SQS::Nothing'}\nOutputs: {E: {Value: !GetAtt Extra.Arn}}\n",
            "cfn/extra.yaml:2: Extra.Type: CloudFormation has no type AWS::SQS::Nothing",
        ),
        ("Resources:\n  Extra: {Type: 'AWS::SQS::Nothing'}\n", "CloudFormation has no type AWS::SQS::Nothing"),
    ],
)
def test_conditions_and_outputs_refer_to_what_exists(problems, text, problem):
    (found,) = problems(text)
    assert problem in found


def test_a_reference_to_what_this_stage_leaves_out_is_found(problems):
    """NAT gateways of the second zone exist in production only; CloudFormation would find that out in dev."""
    text = (
        "Conditions:\n  IsNever: !Equals [a, b]\nResources:\n  Extra: {Type: 'AWS::SQS::Queue', Condition: IsNever}\n"
    )
    found = problems(text + "Outputs:\n  ExtraUrl: {Value: !Ref Extra}\n")
    assert found[0] == "cfn/extra.yaml: ExtraUrl: refers to Extra, which IsNever leaves out in us-east-1; use Fn::If"


def test_a_reference_to_what_another_region_lacks_is_found(problems):
    text = "Resources:\n  Extra: {Type: 'AWS::SQS::Queue', Condition: IsUsEast1}\n"
    (found,) = problems(text + "Outputs:\n  ExtraUrl: {Value: !Ref Extra}\n")
    assert found.endswith("refers to Extra, which IsUsEast1 leaves out in eu-central-1; use Fn::If")


def test_resources_that_wait_for_each_other_are_found(problems):
    text = (
        "Resources:\n"
        "  One: {Type: 'AWS::SQS::Queue', Properties: {QueueName: !Sub 'a-${Two.QueueName}'}}\n"
        "  Two: {Type: 'AWS::SQS::Queue', DependsOn: Three}\n"
        "  Three: {Type: 'AWS::SQS::Queue', Properties: {QueueName: !GetAtt One.QueueName}}\n"
    )
    (found,) = problems(text)
    assert found.startswith("cfn/extra.yaml: One: wait for each other: One -> Two -> Three -> One")


def test_a_cycle_through_what_sam_makes_is_found():
    """Environment -> API -> integration -> alias -> function: the one that a WebSocket API invites to."""
    resources = {
        "Fn": {"Type": "AWS::Lambda::Function", "Properties": {"Environment": {"Ref": "Stage"}}},
        "FnAliaslive": {"Type": "AWS::Lambda::Alias", "Properties": {"FunctionName": {"Ref": "Fn"}}},
        "Integration": {"Type": "AWS::ApiGatewayV2::Integration", "Properties": {"Uri": {"Ref": "FnAliaslive"}}},
        "Stage": {"Type": "AWS::ApiGatewayV2::Stage", "DependsOn": ["Integration"]},
    }
    (found,) = check_cycles({"Resources": resources}, {})
    assert found.what.startswith("wait for each other: Fn -> Stage -> Integration -> FnAliaslive -> Fn")


def test_tags_that_the_packager_could_not_add_are_found(problems):
    by_hand = (
        "Resources:\n  Extra:\n    Type: AWS::SQS::Queue\n    Properties:\n      Tags: [{Key: Version, Value: '1'}]\n"
    )
    (found,) = problems(by_hand)
    assert found == "cfn/extra.yaml: Extra.Properties.Tags: the packager adds Version"
    folded = "Resources:\n  Extra:\n    Type: AWS::SQS::Queue\n    Properties:\n      Tags: !Ref AWS::NoValue\n"
    assert "must be a plain list" in problems(folded)[0]


@pytest.fixture
def loose(resolved: dict[str, Any]) -> dict[str, Any]:
    """A resolved template of the project that a test may spoil."""
    return copy.deepcopy(resolved)


def test_the_project_calls_aliases_only(resolved):
    assert list(check_aliases(resolved, {})) == []
    callers = [one for one in resolved["Resources"].values() if one["Type"] == "AWS::Lambda::Permission"]
    assert len(callers) > 5


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("AWS::Lambda::Permission", {"FunctionName": {"Ref": "Process"}}),
        ("AWS::Lambda::EventSourceMapping", {"FunctionName": {"Fn::GetAtt": ["Process", "Arn"]}}),
        ("AWS::ApiGatewayV2::Integration", {"IntegrationUri": {"Fn::Sub": "arn:x/${Process.Arn}/invocations"}}),
        ("AWS::ApiGatewayV2::Authorizer", {"AuthorizerUri": {"Fn::Sub": "arn:x/${Process.Arn}/invocations"}}),
        ("AWS::ApiGateway::RestApi", {"Body": {"paths": [{"uri": {"Fn::GetAtt": ["Process", "Arn"]}}]}}),
        ("AWS::Events::Rule", {"Targets": [{"Arn": {"Fn::GetAtt": ["Process", "Arn"]}}]}),
    ],
)
def test_whoever_calls_a_function_past_its_alias_is_found(loose, kind, spoil):
    name = next(name for name, resource in loose["Resources"].items() if resource["Type"] == kind)
    loose["Resources"][name]["Properties"].update(spoil)
    (found,) = check_aliases(loose, {("Resources", name): "cfn/functions.yaml"})
    expected = f"cfn/functions.yaml: {name}: calls Process past its alias; refer to Process.Alias"
    assert str(found) == expected


def test_a_batch_that_lambda_refuses_is_found(loose):
    mapping = loose["Resources"]["ProcessProcessSqsEventSource"]["Properties"]
    mapping["BatchSize"] = 100
    (found,) = check_event_sources(loose, {})
    assert "Lambda refuses a batch of 100 with no window" in found.what
    mapping["MaximumBatchingWindowInSeconds"] = 1
    assert list(check_event_sources(loose, {})) == []


def test_a_queue_that_shows_messages_again_while_they_are_worked_on_is_found(loose):
    loose["Resources"]["EventsQueue"]["Properties"]["VisibilityTimeout"] = 59
    loose["Resources"]["Process"]["Properties"]["Timeout"] = 10
    (found,) = check_event_sources(loose, {("Resources", "EventsQueue"): "cfn/messaging.yaml"})
    assert str(found) == (
        "cfn/messaging.yaml: EventsQueue.VisibilityTimeout: is 59 s; "
        "six times the timeout of the function that reads it is 60 s"
    )


DECLARED = {
    "Days": {"Type": "Number", "MinValue": 1, "MaxValue": 35},
    "Size": {"Type": "String", "AllowedValues": ["small", "large"], "Default": "small"},
    "Name": {"Type": "String", "AllowedPattern": "[a-z]+", "MaxLength": 4, "Default": "ab"},
    "ArtifactBucket": {"Type": "String"},
}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"Days": "7", "Sise": "small"}, "Sise: the template has no such parameter"),
        ({}, "Days: has no value, and cfn/a.yaml declares no default"),
        ({"Days": "0"}, "Days: is '0'; MinValue is 1"),
        ({"Days": "36"}, "Days: is '36'; MaxValue is 35"),
        ({"Days": "week"}, "Days: is 'week', which is no number"),
        ({"Days": "7", "Size": "huge"}, "Size: is 'huge'; allowed are small, large"),
        ({"Days": "7", "Name": "aB"}, "Name: is 'aB', which does not match [a-z]+"),
        ({"Days": "7", "Name": "abcde"}, "Name: is 'abcde'; MaxLength is 4"),
    ],
)
def test_a_stages_values_fit_the_parameters(given, problem):
    (found,) = check_parameters(DECLARED, given, "dev.json", {("Parameters", "Days"): "cfn/a.yaml"})
    assert str(found).startswith(f"dev.json: {problem}")


def test_only_what_is_known_at_deployment_may_lack_a_value():
    assert list(check_parameters(DECLARED, {"Days": "7"}, "dev.json", {})) == []


def test_more_than_a_quota_is_refused():
    many = {"Resources": {f"R{number}": {} for number in range(501)}, "Outputs": {f"O{n}": {} for n in range(201)}}
    found = {problem.subject: problem.what for problem in check_limits(uses({}, many))}
    assert found == {
        "resources": "501 are more than CloudFormation's 500",
        "outputs": "201 are more than CloudFormation's 200",
    }


def test_a_template_of_more_than_a_megabyte_is_refused():
    large = {"Resources": {"A": {"Description": "x" * 1_000_000}}}
    assert [problem.subject for problem in check_limits(uses(large, large))] == ["body in bytes"]


def test_what_is_used_of_a_quota_is_told_in_full():
    assert str(Use("resources", 243, 500)) == "resources 243 of 500 (49%)"


def test_all_faults_are_reported_together(tmp_path):
    """One run tells everything that is to be mended."""
    folder = tmp_path / "cfn"
    shutil.copytree(PROJECT / "cfn", folder)
    (folder / "extra.yaml").write_text(queue("!Ref Nobody") + "Outputs:\n  Extra: {Value: !Ref Nowhere}\n")
    path = folder / "parameters" / "dev.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "Unheard": "of"}))
    with pytest.raises(PackagingError) as refused:
        assemble("dev", folder=folder)
    assert {problem.subject for problem in refused.value.problems} == {
        "Extra.Properties.QueueName.Ref",
        "Extra.Value.Ref",
        "Unheard",
    }


def test_a_stage_without_values_is_told_which_file_to_write(tmp_path):
    shutil.copytree(PROJECT / "cfn", tmp_path / "cfn", ignore=shutil.ignore_patterns("staging.json"))
    with pytest.raises(PackagingError, match=r"cfn/parameters/staging\.json: staging: there is no such file"):
        assemble("staging", folder=tmp_path / "cfn")


def test_an_unknown_stage_is_told_which_there_are():
    with pytest.raises(PackagingError, match="preview: is no stage; there are dev, staging, production"):
        assemble("preview")
