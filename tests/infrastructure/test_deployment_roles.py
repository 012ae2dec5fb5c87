"""Who may deploy from GitHub, as whom, and how far CloudFormation's own role reaches."""

from __future__ import annotations

import ast
import fnmatch
import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from scripts.packaging.project import PROJECT
from scripts.packaging.transform import resolve
from tests.infrastructure import deployment_model as deployment
from tests.infrastructure import iam_model as model
from tests.infrastructure.conftest import assembled_stage, transformed_stage
from tests.infrastructure.kinds import Resources, actions, listed, of_type, statements

REPOSITORY = "example/defi-stream"

ROTATION = "AWS::SecretsManager::RotationSchedule"

# Every condition of the template that makes a resource, met.
EVERYTHING = {
    "GitHubRepository": REPOSITORY,
    "NatGateways": "per-zone",
    "DefiLlamaPlan": "pro",
    "AlarmEmail": "alarms@example.com",
    "DomainName": "stream.example.com",
    "EmailSender": "alerts@example.com",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/0",
    "HostedZoneId": "Z000000000000",
    "DeniedIpv4": "192.0.2.0/24",
    "DeniedIpv6": "2001:db8::/32",
    "ProvisionedConcurrency": "yes",
    "BackupRawObservations": "true",
    "BackupTests": "true",
}


def made(stage: str, **parameters: str) -> Resources:
    values = {**assembled_stage(stage).parameters, **parameters}
    resources: Resources = resolve(transformed_stage(stage), values)["Resources"]
    return resources


@pytest.fixture(scope="session")
def whole(stage: str) -> Resources:
    """The stage with everything that a parameter can add."""
    return made(stage, **EVERYTHING)


def execution(resources: Resources) -> list[dict[str, Any]]:
    return list(model.of_role(resources, "ExecutionRole"))


def allowed_actions(resources: Resources) -> set[str]:
    return {action for each in execution(resources) if each["Effect"] == "Allow" for action in actions(each)}


def test_everything_that_a_condition_can_add_is_looked_at(whole, transformed):
    conditional = {name for name, each in transformed["Resources"].items() if "Condition" in each}
    assert conditional - whole.keys() == set()


def test_cloudformation_may_do_what_the_resources_take_and_nothing_else(whole):
    """By the schemas of the resource types: a new type, or a feature first used, shows here."""
    of_people = deployment.ROLES | deployment.POLICIES | {"GitHubProvider"}
    needed = deployment.deploying({name: each for name, each in whole.items() if name not in of_people})
    needed |= deployment.BESIDES.keys()
    allowed = allowed_actions(whole)
    assert {"lacks": sorted(needed - allowed), "has too much": sorted(allowed - needed)} == {
        "lacks": [],
        "has too much": [],
    }


def test_no_feature_is_called_unused_that_no_schema_lists():
    """A line of the table that matches nothing says nothing."""
    resources = made("staging", **EVERYTHING)
    types = {each["Type"] for each in resources.values()}
    every = {action for kind in types for action in deployment.permissions().get(kind, set())}
    idle = [pattern for pattern in deployment.UNUSED if not any(pattern in deployment.unused(each) for each in every)]
    assert idle == []


def test_cloudformation_calls_migrate_and_tries_the_rotation_out_and_no_other_function(whole):
    """A rotation schedule names the alias: Secrets Manager has its caller's right to invoke that checked."""
    (calling,) = [each for each in execution(whole) if "lambda:InvokeFunction" in actions(each)]
    called = {model.text(each).partition(":function:")[2] for each in listed(calling["Resource"])}
    prefix = next(iter(called)).rpartition("-")[0] + "-"
    rotating = {each["RotationLambdaARN"]["Ref"] for each in of_type(whole, ROTATION).values()}
    assert rotating == {"RotateAliaslive"}
    assert called == {f"{prefix}migrate", f"{prefix}rotate", f"{prefix}rotate:live"}


def test_the_macro_runs_in_the_roles_name(whole):
    (macro,) = [each for each in execution(whole) if "cloudformation:CreateChangeSet" in actions(each)]
    assert model.text(macro["Resource"]).endswith(":aws:transform/Serverless-2016-10-31")


def test_only_what_has_no_resource_is_allowed_everywhere(whole):
    limited = [
        action
        for each in execution(whole)
        if each["Effect"] == "Allow" and "*" in listed(each["Resource"])
        for action in actions(each)
        if model.kinds_of(action)
    ]
    assert limited == []


def test_a_policy_fits_into_what_iam_takes(whole):
    """6,144 characters a managed policy and 10,240 a role's own, white space not counted."""
    for name in deployment.POLICIES:
        assert size(whole[name]["Properties"]["PolicyDocument"]) < 6144, name
    for name, role in of_type(whole, "AWS::IAM::Role").items():
        assert sum(size(policy["PolicyDocument"]) for policy in role.get("Policies", [])) < 10240, name


def size(document: dict[str, Any]) -> int:
    return len("".join(json.dumps(document).split()))


def test_it_changes_roles_only_inside_the_boundary(whole):
    """Every action by which a role could come to allow more."""
    widening = {"iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:PutRolePermissionsBoundary"}
    for each in execution(whole):
        if each["Effect"] == "Allow" and widening & set(actions(each)):
            assert each["Condition"] == {"StringEquals": {"iam:PermissionsBoundary": {"Ref": "FunctionBoundary"}}}
            assert widening <= set(actions(each))


def test_it_cannot_widen_itself_the_workflows_role_or_the_boundary(whole):
    (denial,) = [each for each in execution(whole) if each["Effect"] == "Deny"]
    denied = set(actions(denial))
    changing = {"Attach", "Create", "Delete", "Detach", "Put", "Update", "Set"}
    able = {
        action
        for action in allowed_actions(whole)
        if action.startswith("iam:") and any(action.startswith(f"iam:{verb}") for verb in changing)
    }
    harmless = {
        "iam:CreateRole": "of another name",
        "iam:CreatePolicy": "of another name",
        "iam:CreateServiceLinkedRole": "a service's own",
        "iam:UpdateRoleDescription": "text",
    }
    assert able - denied == harmless.keys()
    held = [model.text(each).rpartition(":")[2] for each in listed(denial["Resource"])]
    (stack,) = {
        pattern.removeprefix("role/").partition("-DeployRole")[0] for pattern in held if "DeployRole" in pattern
    }
    for name in deployment.ROLES | deployment.POLICIES | {"FunctionBoundary"}:
        # CloudFormation names them after the stack, their logical id and something random.
        made_as = f"{'role' if name in deployment.ROLES else 'policy'}/{stack}-{name}-0X1Y2Z"
        assert any(fnmatch.fnmatchcase(made_as, pattern) for pattern in held), name


def test_it_hands_roles_to_five_services_only(whole):
    (passing,) = [each for each in execution(whole) if "iam:PassRole" in actions(each)]
    assert set(passing["Condition"]["StringEquals"]["iam:PassedToService"]) == {
        "lambda.amazonaws.com",
        "apigateway.amazonaws.com",
        "vpc-flow-logs.amazonaws.com",
        "codedeploy.amazonaws.com",
        "backup.amazonaws.com",
    }


# --- the workflow ---


def test_without_a_repository_nobody_deploys_from_github(stage):
    resources = made(stage, GitHubRepository="")
    names = deployment.ROLES | deployment.POLICIES | {"GitHubProvider"}
    assert names & resources.keys() == set()


@pytest.mark.parametrize("repository", [REPOSITORY, "example@12/defi-stream@34"], ids=["names", "immutable ids"])
def test_one_repository_and_the_stages_own_environment_are_trusted(stage, repository):
    """Nothing but equality: a pattern could be met by a name that somebody else registers."""
    resources = made(stage, GitHubRepository=repository)
    (trust,) = statements(resources["DeployRole"]["Properties"]["AssumeRolePolicyDocument"])
    issuer = "token.actions.githubusercontent.com"
    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trust["Principal"] == {"Federated": {"Ref": "GitHubProvider"}}
    assert trust["Condition"] == {
        "StringEquals": {
            f"{issuer}:aud": "sts.amazonaws.com",
            f"{issuer}:sub": f"repo:{repository}:environment:{stage}",
        }
    }


def test_the_accounts_provider_is_used_where_there_is_one(stage):
    arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    resources = made(stage, GitHubRepository=REPOSITORY, GitHubProviderArn=arn)
    (trust,) = statements(resources["DeployRole"]["Properties"]["AssumeRolePolicyDocument"])
    assert "GitHubProvider" not in resources
    assert trust["Principal"] == {"Federated": arn}


def test_a_workflow_changes_this_stack_as_the_execution_role_and_no_other_way(whole):
    for each in model.of_role(whole, "DeployRole"):
        if "iam:PassRole" in actions(each):
            assert model.text(each["Resource"]) == "${ExecutionRole.Arn}"
            assert each["Condition"] == {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}}
        if "cloudformation:CreateChangeSet" in actions(each) and "transform" not in model.text(each["Resource"]):
            assert {key: model.text(value) for key, value in each["Condition"]["StringEquals"].items()} == {
                "cloudformation:RoleArn": "${ExecutionRole.Arn}"
            }
    services = {action.split(":")[0] for each in model.of_role(whole, "DeployRole") for action in actions(each)}
    assert services == {"s3", "cloudformation", "iam", "lambda", "codedeploy", "cloudwatch", "sns", "sqs", "kms"}


def test_a_workflows_policy_names_every_resource_that_there_is(whole):
    """For some actions of CodeDeploy and of drift detection AWS has none."""
    everywhere = [
        action
        for each in model.of_role(whole, "DeployRole")
        if "*" in listed(each["Resource"])
        for action in actions(each)
    ]
    assert [action for action in everywhere if model.kinds_of(action)] == []


def granted(resources: Resources, action: str) -> list[str]:
    """On what a workflow may do something, by ARN without its beginning."""
    of_it = [each for each in model.of_role(resources, "DeployRole") if action in actions(each)]
    return [model.text(name).split(":", 5)[-1] for each in of_it for name in listed(each["Resource"])]


def test_a_workflow_deletes_versions_and_never_a_function(whole, assembled):
    """A version's ARN has one colon more."""
    assert granted(whole, "lambda:DeleteFunction") == [f"function:{assembled.parameters['NamePrefix']}*:*"]


def test_a_workflow_writes_the_records_of_its_own_stage_and_reads_all(whole, stage):
    def of_records(action: str) -> list[str]:
        return [name for name in granted(whole, action) if "/stages/" in name]

    assert [name.partition("/")[2] for name in of_records("s3:PutObject")] == [f"stages/{stage}/*"]
    assert [name.partition("/")[2] for name in of_records("s3:GetObject")] == ["stages/*"]


def test_a_workflow_may_move_aliases_stop_shifts_and_try_a_stage_out(whole):
    held = {action for each in model.of_role(whole, "DeployRole") for action in actions(each)}
    back = {"lambda:UpdateAlias", "lambda:GetAlias", "lambda:ListVersionsByFunction"}
    shift = {"codedeploy:ListDeployments", "codedeploy:GetDeployment", "codedeploy:StopDeployment"}
    watch = {"cloudwatch:DescribeAlarms", "cloudwatch:DescribeAlarmHistory", "cloudformation:DetectStackDrift"}
    smoke = {"sns:Publish", "sqs:SendMessage", "kms:GenerateDataKey"}
    assert back | shift | watch | smoke <= held
    assert "lambda:InvokeFunction" not in held


# What deploy, rollback, smoke and releases call, and where: s3 calls its permissions by other names.
COMMANDS = [
    *(PROJECT / "scripts/deployment").glob("*.py"),
    PROJECT / "scripts/artifacts.py",
    PROJECT / "scripts/changeset.py",
]
CALLED = ("cloudformation", "cloudwatch", "codedeploy", "lambda")
NOT_A_WORKFLOWS = {
    "cloudformation:DeleteStack": "of a first deployment that failed, which is a person's",
}


def words_of(path: Path) -> set[str]:
    """Every attribute and every text in a source: a call, or the name of a paginator."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return attributes | {str(node.value) for node in nodes if isinstance(node, ast.Constant)}


def test_a_workflow_may_call_whatever_the_commands_call(whole):
    words = {word for path in COMMANDS for word in words_of(path)}
    session = botocore.session.get_session()
    needed = {
        f"{service}:{operation}"
        for service in CALLED
        for operation in session.get_service_model(service).operation_names
        if xform_name(operation) in words
    }
    held = {action for each in model.of_role(whole, "DeployRole") for action in actions(each)}
    assert len(needed) > 20, "the sources are read rightly"
    assert needed - held == NOT_A_WORKFLOWS.keys()


def test_a_key_that_is_not_there_is_told_from_one_that_may_not_be_read(whole):
    """S3 decides that by ListBucket without a prefix, which a condition on prefixes never meets."""
    (finding,) = [each for each in model.of_role(whole, "DeployRole") if "s3:ListBucket" in actions(each)]
    assert "Condition" not in finding
