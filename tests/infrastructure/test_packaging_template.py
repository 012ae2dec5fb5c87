"""The template that is deployed: what the packager adds to Chalice's output and to cfn/."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.packaging.assemble import Assembled, assemble
from scripts.packaging.checks.limits import template_bytes
from scripts.packaging.explain import as_text, explain
from scripts.packaging.problems import PackagingError
from scripts.packaging.project import PROJECT
from scripts.packaging.tags import expected_tags, tag_property

TAGGED = {"Environment", "Service", "Version"}


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., Assembled]:
    """The template of staging with texts of one file of cfn/ replaced, or with other values of parameters."""

    def make(
        name: str = "", replace: dict[str, str] | None = None, code: str = "c" * 64, **parameters: str
    ) -> Assembled:
        folder = tmp_path / "cfn"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(PROJECT / "cfn", folder)
        for old, new in (replace or {}).items():
            text = (folder / name).read_text()
            assert old in text
            (folder / name).write_text(text.replace(old, new, 1))
        values = folder / "parameters" / "staging.json"
        values.write_text(json.dumps({**json.loads(values.read_text()), **parameters}))
        return assemble("staging", folder=folder, code_sha256=code)

    return make


def versions(made: Assembled) -> dict[str, str]:
    """By function what decides whether it gets a new version."""
    return {
        name: resource["Properties"]["AutoPublishCodeSha256"]
        for name, resource in made.template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def test_the_same_sources_give_the_same_bytes(stage):
    assert template_bytes(assemble(stage).template) == template_bytes(assemble(stage).template)


def test_every_resource_that_can_carry_tags_has_the_three(resources):
    """Those that SAM generates too."""
    lacking = {}
    for name, resource in resources.items():
        held = tag_property(resource["Type"])
        if held is None:
            continue
        tags = resource["Properties"].get(held[0], {})
        keys = set(tags) if isinstance(tags, dict) else {tag["Key"] for tag in tags}
        if missing := expected_tags(resource["Type"]).keys() - keys:
            lacking[name] = sorted(missing)
    assert lacking == {}


def test_a_tag_names_the_stage_and_the_release(assembled, stage, resources):
    tags = {tag["Key"]: tag["Value"] for tag in resources["EventsQueue"]["Properties"]["Tags"]}
    release = assembled.parameters.get("Version", assembled.template["Parameters"]["Version"].get("Default"))
    assert tags == {"Environment": stage, "Service": "defi-stream", "Version": release}


@pytest.mark.parametrize(
    ("resource_type", "property_and_form"),
    [
        ("AWS::SQS::Queue", ("Tags", "list")),
        ("AWS::ApiGatewayV2::Stage", ("Tags", "map")),
        ("AWS::SSM::Parameter", ("Tags", "map")),
        ("AWS::EFS::FileSystem", ("FileSystemTags", "list")),
        ("AWS::Serverless::Function", ("Tags", "map")),
        ("AWS::Cognito::UserPool", ("UserPoolTags", "map")),
        ("AWS::Lambda::Alias", None),
        ("AWS::IAM::ManagedPolicy", None),
        ("Custom::Anything", None),
    ],
)
def test_tags_are_written_as_the_type_wants_them(resource_type, property_and_form):
    assert tag_property(resource_type) == property_and_form


def test_a_tag_that_changes_with_each_release_is_kept_from_what_it_would_replace():
    """The registry says which: a new Version there would replace the resource or be refused."""
    assert expected_tags("AWS::SQS::Queue").keys() == TAGGED
    assert expected_tags("AWS::ServiceDiscovery::Instance") == {}
    assert expected_tags("AWS::AutoScaling::LaunchConfiguration") == {}
    assert expected_tags("AWS::MSK::ServerlessCluster").keys() == TAGGED - {"Version"}


def test_every_function_runs_on_lambdas_python_whatever_this_one_is(resources):
    functions = [one for one in resources.values() if one["Type"] == "AWS::Lambda::Function"]
    assert {one["Properties"]["Runtime"] for one in functions} == {"python3.13"}


def test_every_function_takes_the_same_zip_from_the_artefacts(resources):
    code = [one["Properties"]["Code"] for one in resources.values() if one["Type"] == "AWS::Lambda::Function"]
    assert {str(one["S3Bucket"]) for one in code} == {str({"Ref": "ArtifactBucket"})}
    assert len({one["S3Key"] for one in code}) == 1


def test_every_rest_integration_calls_the_alias(resources):
    paths = resources["RestAPI"]["Properties"]["Body"]["paths"]
    uris = [
        method["x-amazon-apigateway-integration"]["uri"]
        for methods in paths.values()
        for method in methods.values()
        if method["x-amazon-apigateway-integration"]["type"] == "aws_proxy"
    ]
    assert len(uris) >= 3
    assert all(uri["Fn::Sub"].endswith(":path/2015-03-31/functions/${APIHandlerAliaslive}/invocations") for uri in uris)


def deployment(made: Assembled) -> tuple[str, dict[str, Any]]:
    kind = "AWS::ApiGatewayV2::Deployment"
    ((name, found),) = [item for item in made.template["Resources"].items() if item[1]["Type"] == kind]
    return name, found


def test_the_sockets_deployment_follows_what_is_deployed(changed):
    """Under a fixed id CloudFormation would never deploy a changed route to the stage."""
    before, _ = deployment(changed())
    after, _ = deployment(changed("functions.yaml", {"AuthorizationType: CUSTOM": "AuthorizationType: NONE"}))
    again, _ = deployment(changed(LogRetentionDays="30"))
    assert before != after
    assert before == again


def test_the_sockets_deployment_waits_for_everything_that_it_deploys(assembled):
    name, found = deployment(assembled)
    resources = assembled.template["Resources"]
    parts = {"AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::Integration", "AWS::ApiGatewayV2::Authorizer"}
    assert {one for one, resource in resources.items() if resource["Type"] in parts} <= set(found["DependsOn"])
    assert resources["WebsocketAPIStage"]["Properties"]["DeploymentId"] == {"Ref": name}


def test_other_code_gives_every_function_a_new_version(changed):
    before, after = versions(changed()), versions(changed(code="d" * 64))
    assert all(before[name] != after[name] for name in before)


def test_a_parameters_value_that_a_function_sees_gives_it_a_new_version(changed):
    """SAM by itself looks at the code only, and the alias would keep the old value."""
    before, after = versions(changed()), versions(changed(AllowedOrigins="https://example.org"))
    assert before["WebsocketConnect"] != after["WebsocketConnect"]


def test_another_cache_behind_the_same_reference_gives_a_new_version(changed):
    """Redis is replaced, its address changes, and the text of the environment does not."""
    before, after = versions(changed()), versions(changed("data.yaml", {"Port: 6379": "Port: 6380"}))
    assert before["Process"] != after["Process"]


def test_what_no_function_sees_gives_no_new_version(changed):
    before = versions(changed())
    assert versions(changed(LogRetentionDays="30")) == before
    assert versions(changed("data.yaml", {"SnapshotWindow: 03:00": "SnapshotWindow: 02:00"})) == before


def test_events_become_resources_on_the_alias(assembled):
    made = assembled.template["Resources"]
    rule = made["PollPollEvent"]["Properties"]
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert rule["Targets"][0]["Arn"] == {"Ref": "Poll.Alias"}
    assert made["PollPollEventPermission"]["Properties"]["SourceArn"] == {"Fn::GetAtt": ["PollPollEvent", "Arn"]}
    mapping = made["ProcessProcessSqsEventSource"]["Properties"]
    assert mapping["FunctionName"] == {"Ref": "Process.Alias"}
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": ["EventsQueue", "Arn"]}


def test_it_can_be_explained_where_each_property_came_from(assembled):
    rows = {row["property"]: row for row in explain(assembled, "Process")}
    assert rows["Properties.MemorySize"]["from"] == "Chalice (app.py, .chalice/config.json)"
    assert rows["Properties.Role"]["from"].startswith("cfn/functions.yaml:")
    assert rows["Properties.Tags.Version"]["from"] == "scripts/packaging/tags.py"
    line = int(rows["Properties.Role"]["from"].rpartition(":")[2])
    assert "ProcessRole" in (PROJECT / "cfn/functions.yaml").read_text().splitlines()[line - 1]


def test_every_property_of_every_resource_can_be_explained(assembled):
    for name in assembled.template["Resources"]:
        for row in explain(assembled, name):
            assert row["from"], f"{name}.{row['property']}"


def test_what_sam_makes_is_explained_by_what_it_makes_it_from(assembled):
    rows = explain(assembled, "ProcessAliaslive")
    assert {row["from"] for row in rows} == {"SAM (AWS::Serverless) from Process"}
    assert "Properties.FunctionVersion" in as_text(rows)


def test_an_id_that_does_not_exist_is_told_what_looks_like_it(assembled):
    with pytest.raises(PackagingError, match="Procss: there is no such resource; there is Process"):
        explain(assembled, "Procss")


def test_a_name_that_is_no_resource_is_told_what_it_is(assembled):
    with pytest.raises(PackagingError, match=r"cfn/stage\.yaml has it among its Parameters"):
        explain(assembled, "NamePrefix")
