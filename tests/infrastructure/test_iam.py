"""Every role allows what its function needs, by a recorded run, and nothing else."""

from __future__ import annotations

import asyncio
import copy
import fnmatch
from collections.abc import Iterator
from typing import Any

import pytest

from scripts.packaging.assemble import Assembled
from scripts.packaging.transform import resolve
from tests.infrastructure import deployment_model as deployment
from tests.infrastructure import iam_model as model
from tests.infrastructure.conftest import assembled_stage, transformed_stage
from tests.infrastructure.iam_model import Grant
from tests.infrastructure.kinds import Resources, actions, listed, of_type, statements
from tests.infrastructure.recorded_cloud import Call
from tests.infrastructure.recording import record

# Templates that have more, or less, than the three stages as they are.
VARIATIONS = {
    "as it is": {},
    "with a Pro key": {"DefiLlamaPlan": "pro"},
    "without an edge": {"EdgeEnabled": "false"},
    "with e-mail": {"EmailSender": "alerts@example.com", "DomainName": "stream.example.com"},
}

# Roles that deploy have tests of their own: test_deployment_roles.py.
DEPLOYMENT = deployment.ROLES | deployment.POLICIES

# Actions for which AWS knows no resource, or whose resource cannot be known: a policy must say "*".
EVERYWHERE = {
    "xray:PutTraceSegments": "X-Ray has no resource for segments",
    "xray:PutTelemetryRecords": "X-Ray has no resource for its daemon's health",
    "ec2:DescribeNetworkInterfaces": "EC2 limits nothing that describes",
    "ec2:DescribeSubnets": "EC2 limits nothing that describes",
    "tag:GetResources": "tags know no resource",
    "codedeploy:BatchGetDeploymentTargets": "CodeDeploy has no resource for targets",
    "codedeploy:ListDeploymentTargets": "CodeDeploy has no resource for targets",
    "codedeploy:PutLifecycleEventHookExecutionStatus": "CodeDeploy has no resource for the call of a hook",
}


@pytest.fixture(scope="session")
def calls(tmp_path_factory: pytest.TempPathFactory) -> set[Call]:
    """What every function called in one run of the whole platform, with Redis's user as the template makes it."""
    user = resolved("dev")["RedisUser"]["Properties"]
    directory = tmp_path_factory.mktemp("recording")
    return asyncio.run(record(directory, user=user["UserId"], access=user["AccessString"]))


def resolved(stage: str, **parameters: str) -> Resources:
    values = {**assembled_stage(stage).parameters, **parameters}
    resources: Resources = resolve(transformed_stage(stage), values)["Resources"]
    return resources


def comparison(resources: Resources, assembled: Assembled, calls: set[Call]) -> list[str]:
    """Where roles and needs differ, one line each."""
    found = model.functions(resources, assembled)
    return [line for name, function in found.items() for line in differences(resources, name, function, calls)]


def differences(resources: Resources, name: str, function: str, calls: set[Call]) -> list[str]:
    role = model.role_of(resources, function)
    own = {call for call in calls if call.function == name}
    needed, allowed = model.needed(resources, function, own), model.allowed(resources, role)
    lacking = [f"{name}: {role} lacks {grant}" for grant in sorted(needed - allowed)]
    return lacking + [f"{name}: {role} allows {grant}, which nothing uses" for grant in sorted(allowed - needed)]


@pytest.mark.timeout(180)  # with the recorded run
@pytest.mark.parametrize("variation", VARIATIONS)
def test_a_role_allows_what_its_function_needs_and_nothing_else(stage, assembled, calls, variation):
    """What its code called, what Lambda does in its name, and the keys of what either touches."""
    lines = comparison(resolved(stage, **VARIATIONS[variation]), assembled, calls)
    assert lines == [], "\n".join(["roles in cfn/iam.yaml and what functions do differ:", *lines])


@pytest.mark.timeout(180)
def test_every_function_was_recorded(resources, assembled, calls):
    """A function that the run does not reach would be compared with nothing. All that maintain calls is PostgreSQL."""
    assert {call.function for call in calls} == set(model.functions(resources, assembled)) - {"maintain"}


@pytest.mark.timeout(180)
def test_a_lost_permission_and_a_new_one_are_both_found(resources, assembled, calls):
    """Each statement of each role, taken away or given one action more."""
    for name, function in model.functions(resources, assembled).items():
        role = model.role_of(resources, function)
        for index in range(len(own_statements(resources, role))):
            less, more = ({**resources, role: copy.deepcopy(resources[role])} for _ in range(2))
            del own_statements(less, role)[index]
            statement = own_statements(more, role)[index]
            statement["Action"] = [*listed(statement["Action"]), "sqs:PurgeQueue"]
            assert any("lacks" in line for line in differences(less, name, function, calls)), statement
            assert any("sqs:PurgeQueue" in line for line in differences(more, name, function, calls)), statement


def own_statements(resources: Resources, role: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = resources[role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    return found


@pytest.mark.timeout(180)
def test_what_was_recorded_are_actions_that_iam_knows(calls):
    """An operation may be judged under another name: SendMessageBatch is SendMessage."""
    recorded = {tuple(model.action_of(call).split(":")) for call in calls}
    known = model.service_reference()
    assert {(service, name) for service, name in recorded if name not in known[service]["privileges"]} == set()


# --- the boundary ---


def test_every_function_has_a_role_of_its_own_inside_the_boundary(resources, assembled):
    roles = [model.role_of(resources, function) for function in model.functions(resources, assembled).values()]
    assert len(set(roles)) == len(roles)
    bounded = {role for role in roles if resources[role]["Properties"].get("PermissionsBoundary")}
    assert bounded == set(roles)
    assert {str(resources[role]["Properties"]["PermissionsBoundary"]) for role in roles} == {
        "{'Ref': 'FunctionBoundary'}"
    }


def test_the_boundary_leaves_every_permission_and_holds_none_that_no_role_has(resources, assembled):
    """One that is missing there would be refused on AWS although the role allows it."""
    roles = [model.role_of(resources, function) for function in model.functions(resources, assembled).values()]
    granted = {grant for role in roles for grant in model.allowed(resources, role)}
    bounds = list(boundary(resources, "Allow"))
    assert [
        str(grant) for grant in sorted(granted) if not any(within(resources, grant, bound) for bound in bounds)
    ] == []
    unused = {bound.action for bound in bounds} - {grant.action for grant in granted}
    assert unused == set(), "the boundary allows what no role does"


def test_the_boundary_denies_to_become_somebody_else(resources):
    document = resources["FunctionBoundary"]["Properties"]["PolicyDocument"]
    denied = {
        action for statement in statements(document) if statement["Effect"] == "Deny" for action in actions(statement)
    }
    assert {"iam:*", "sts:AssumeRole"} <= denied


def boundary(resources: Resources, effect: str) -> Iterator[Grant]:
    for statement in statements(resources["FunctionBoundary"]["Properties"]["PolicyDocument"]):
        if statement["Effect"] == effect:
            yield from model.grants_of(statement)


def within(resources: Resources, grant: Grant, bound: Grant) -> bool:
    return grant.action == bound.action and fnmatch.fnmatchcase(model.likely_arn(resources, grant), bound.resource)


# --- every policy of the template ---


def policies(resources: Resources) -> Iterator[tuple[str, dict[str, object]]]:
    """Every statement that gives an identity something, with who has it."""
    for name, properties in of_type(resources, "AWS::IAM::Role", "AWS::IAM::ManagedPolicy").items():
        documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        documents += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
        for document in documents:
            yield from ((name, statement) for statement in statements(document))


def test_no_policy_allows_by_a_wildcard(resources):
    wild = [
        (name, action)
        for name, statement in policies(resources)
        if statement["Effect"] == "Allow"
        for action in actions(statement)
        if "*" in action
    ]
    assert wild == []


def test_every_action_is_one_that_aws_has(resources):
    """A misspelt one is accepted by IAM and allows nothing."""
    known = model.service_reference()
    unknown = [
        (name, action)
        for name, statement in policies(resources)
        for action in actions(statement)
        if "*" not in action and action.split(":")[1] not in known[action.split(":")[0]]["privileges"]
    ]
    assert unknown == []


def test_only_what_has_no_resource_is_allowed_everywhere(resources):
    wide = {
        action
        for name, statement in policies(resources)
        if statement["Effect"] == "Allow" and "*" in listed(statement["Resource"]) and name != "FunctionBoundary"
        for action in actions(statement)
        if name not in DEPLOYMENT
    }
    assert wide == set(EVERYWHERE), "say why in EVERYWHERE, or name the resource"


def test_what_is_allowed_everywhere_has_no_resource_by_aws_own_account():
    limited = {action: kinds for action in EVERYWHERE if (kinds := model.kinds_of(action))}
    assert limited == {}


def test_no_function_may_pass_a_role(resources):
    passing = [name for name, statement in policies(resources) if "iam:PassRole" in actions(statement)]
    assert set(passing) <= DEPLOYMENT


TRUSTED = {
    "lambda.amazonaws.com": "functions",
    "apigateway.amazonaws.com": "writes access logs",
    "vpc-flow-logs.amazonaws.com": "writes flow logs",
    "codedeploy.amazonaws.com": "moves aliases",
    "backup.amazonaws.com": "copies what remembers",
}


def test_a_role_is_taken_by_one_service_only(resources):
    for name, role in of_type(resources, "AWS::IAM::Role").items():
        if name in DEPLOYMENT:
            continue
        (statement,) = statements(role["AssumeRolePolicyDocument"])
        assert statement["Action"] == "sts:AssumeRole", name
        assert statement["Principal"].keys() == {"Service"}, name
        assert statement["Principal"]["Service"] in TRUSTED, name


def test_functions_are_the_only_ones_that_lambda_takes_roles_for(resources, assembled):
    roles = {model.role_of(resources, function) for function in model.functions(resources, assembled).values()}
    taken = {
        name
        for name, role in of_type(resources, "AWS::IAM::Role").items()
        if "lambda.amazonaws.com" in str(role["AssumeRolePolicyDocument"])
    }
    assert taken == roles
