"""The policies of the VPC's endpoints against the roles behind them, and what exists before it is needed."""

import json

import pytest

from scripts.reachability.matrix import SERVICES, Matrix
from scripts.reachability.rules import logical_id
from tests.infrastructure.network_mutations import LOAD_BEARING
from tests.infrastructure.network_rules import as_list

# Lambda polls queues in the function's name, but from a network of its own.
POLLED = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}


def granted(statements):
    """(action, resource) of every statement that allows."""
    return {
        (action, json.dumps(resource, sort_keys=True))
        for statement in statements
        if statement["Effect"] == "Allow"
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    }


def statements_of(role, resources):
    for policy in role["Properties"].get("Policies", []):
        yield from policy["PolicyDocument"]["Statement"]
    for arn in role["Properties"].get("ManagedPolicyArns", []):
        if logical_id(arn) in resources:
            yield from resources[logical_id(arn)]["Properties"]["PolicyDocument"]["Statement"]


def called_from_inside(resources):
    """What the roles of functions in the VPC allow of services that have an endpoint."""
    functions = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::Lambda::Function"]
    roles = {logical_id(properties["Role"]) for properties in functions if properties.get("VpcConfig")}
    allowed = {grant for role in roles for grant in granted(statements_of(resources[role], resources))}
    return {grant for grant in allowed if grant[0].split(":")[0] in SERVICES and grant[0] not in POLLED}


def let_through(resources):
    endpoints = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::EC2::VPCEndpoint"]
    statements = [statement for p in endpoints for statement in p["PolicyDocument"]["Statement"]]
    return granted(statement for statement in statements if statement["Sid"] != "AnswersOfCustomResources")


def test_endpoints_let_through_exactly_what_functions_behind_them_may_call(resources):
    called, allowed = called_from_inside(resources), let_through(resources)
    assert called - allowed == set(), "a role allows it, but the endpoint's policy would refuse it"
    assert allowed - called == set(), "the endpoint's policy allows what no function behind it may call"


def test_a_function_whose_role_learns_a_call_needs_the_endpoint_to_learn_it_too(resources):
    role = {**resources["PollRole"], "Properties": {**resources["PollRole"]["Properties"]}}
    new = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": {"Fn::GetAtt": ["GoneQueue", "Arn"]}}
    policy = {"PolicyName": "new", "PolicyDocument": {"Statement": [new]}}
    role["Properties"]["Policies"] = [*role["Properties"]["Policies"], policy]
    assert called_from_inside({**resources, "PollRole": role}) - let_through(resources)


# --- custom resources whose function runs in the VPC ---


@pytest.fixture
def custom(resources):
    """Custom resources by logical id, with the function in the VPC that answers for each."""
    found = {
        name: function
        for name, resource in resources.items()
        if resource["Type"].startswith("Custom::")
        and resources[function := logical_id(resource["Properties"]["ServiceToken"])]["Properties"].get("VpcConfig")
    }
    assert found
    return found


def depended_on(resources, name, seen):
    """Everything that CloudFormation makes before ``name`` and deletes after it."""
    if name in seen or name not in resources:
        return seen
    seen.add(name)
    resource = resources[name]
    text = json.dumps(resource.get("Properties", {}))
    for other in resources:
        if other in as_list(resource.get("DependsOn", [])) or f'"{other}"' in text or f"${{{other}" in text:
            depended_on(resources, other, seen)
    return seen


def ways(resources, function):
    """How the function reaches the database, its secret, and the bucket that takes its answer."""
    matrix = Matrix(resources)
    return [
        (cell.sure, cell.by) for cell in (matrix.cell(function, to) for to in ("Database", "Secrets Manager", "S3"))
    ]


def test_the_ways_of_a_custom_resource_exist_before_it_and_after_it(resources, custom):
    """Called earlier, or at the stack's end later, its function's answer is lost and CloudFormation waits for an hour.

    An ACL's rules must be there with it: until they are, it refuses everything.
    """
    for name, function in custom.items():
        before = depended_on(resources, name, set())
        needed = [
            other
            for other, resource in resources.items()
            if resource["Type"] in LOAD_BEARING
            and ways({key: r for key, r in resources.items() if key != other}, function) != ways(resources, function)
        ]
        assert len(needed) > 5
        assert [other for other in needed if other not in before] == []


def test_answers_of_custom_resources_pass_the_endpoint_in_every_region(resolve_stage):
    """The bucket's name has the region without dashes, and whoever signed the URL is not of this account."""
    for region, partition, bucket in (
        ("us-east-1", "aws", "useast1"),
        ("ap-southeast-2", "aws", "apsoutheast2"),
        ("us-gov-west-1", "aws-us-gov", "usgovwest1"),
    ):
        endpoint = resolve_stage("staging", region)["Resources"]["S3Endpoint"]["Properties"]
        statement, _ = endpoint["PolicyDocument"]["Statement"]
        assert statement["Sid"] == "AnswersOfCustomResources"
        assert statement["Resource"] == f"arn:{partition}:s3:::cloudformation-custom-resource-response-{bucket}/*"
        assert "Condition" not in statement
        assert endpoint["ServiceName"] == f"com.amazonaws.{region}.s3"
