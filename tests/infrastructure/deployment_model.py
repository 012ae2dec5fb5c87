"""What CloudFormation calls to make, change and remove the resources of a template, by the registry's own schemas."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint

from tests.infrastructure.iam_model import service_reference
from tests.infrastructure.kinds import Resources

# Features of these kinds that the template does not use, by the actions that the schemas list for them.
UNUSED: Mapping[str, str] = {
    "amplify:*": "web ACLs of other kinds of resource",
    "apprunner:*": "web ACLs of other kinds of resource",
    "appsync:*": "web ACLs of other kinds of resource",
    "bedrock-agentcore:*": "web ACLs of other kinds of resource",
    "cognito-idp:*": "web ACLs of other kinds of resource",
    "elasticloadbalancing:*": "web ACLs of other kinds of resource",
    "ec2:*VerifiedAccess*": "web ACLs of other kinds of resource",
    "autoloop:*": "logs of other services",
    "codewhisperer:*": "logs of other services",
    "payments:*": "logs of other services",
    "workmail:*": "logs of other services",
    "firehose:*": "everything is logged to CloudWatch Logs",
    "codedeploy:RegisterOnPremisesInstance": "functions only",
    "autoscaling:*": "nothing of EC2 Auto Scaling",
    "elasticfilesystem:*": "functions have no file system",
    "s3files:*": "functions have no file system",
    "kinesis:*": "no streams",
    "s3tables:*": "no S3 tables",
    "s3:*Metadata*": "no metadata tables",
    "s3:*Replica*": "no bucket is replicated",
    "s3:*Accelerate*": "no transfer acceleration",
    "s3:*Analytics*": "no storage class analysis",
    "s3:*Inventory*": "no inventories",
    "s3:*IntelligentTiering*": "no intelligent tiering",
    "s3:*Metrics*": "no request metrics",
    "s3:*ObjectLock*": "no object lock",
    "s3:*Website*": "CloudFront reads the page, not S3's web server",
    "s3:*C[Oo][Rr][Ss]*": "the page and its API have one origin",
    "s3:*Acl": "access lists are off",
    "s3:*BucketAbac": "no access by attributes",
    "s3:*Object": "buckets keep their objects",
    "s3:GetObjectVersion": "buckets keep their objects",
    "s3:REST.PUT.OBJECT": "not an action",
    "dynamodb:*Replica*": "tables are in one region",
    "dynamodb:*Kinesis*": "no streams",
    "dynamodb:*Import*": "tables begin empty",
    "dynamodb:*Item": "what makes a table reads none of it",
    "dynamodb:Query": "what makes a table reads none of it",
    "dynamodb:Scan": "what makes a table reads none of it",
    "dynamodb:PutResourcePolicy": "tables have no policies",
    "dynamodb:DeleteResourcePolicy": "tables have no policies",
    "ec2:AcceptAddressTransfer": "addresses are the account's own",
    "ec2:*NatGatewayAddress": "one address a gateway",
    "ec2:*SubnetCidrBlock": "no IPv6",
    "ec2:*Vpn*": "no VPN",
    "ec2:*VpcEncryptionControl*": "no encryption control",
    "ec2:ModifyVpcTenancy": "tenancy stays",
    "ec2:DescribeInstances": "no instances",
    "elasticache:CreateCacheCluster": "a replication group makes its own",
    "elasticache:DeleteCacheCluster": "a replication group makes its own",
    "elasticache:ModifyReplicationGroupShardConfiguration": "one shard",
    "cloudfront:*ConnectionGroup": "no tenants",
    "cloudfront:GetVpcOrigin": "origins are public",
    "cloudfront:UpdateDistributionWithStagingConfig": "no staging distribution",
    "rds:*Role*DBInstance": "the database takes no roles",
    "rds:*ReadReplica": "no read replica",
    "rds:*Cluster*": "one instance, no cluster",
    "rds:Restore*": "to restore is a person's work",
    "rds:*AutomatedBackups*": "backups stay in the region",
    "lambda:*CodeSigning*": "no code signing",
    "lambda:*FunctionScaling*": "no capacity provider",
    "lambda:PassCapacityProvider": "no capacity provider",
    "lambda:AssociateRuntimeAlias": "the runtime is AWS's newest",
    "lambda:PutRuntimeManagementConfig": "the runtime is AWS's newest",
    "lambda:GetLayerVersion": "no layers",
    "logs:*DataProtection*": "no data protection",
    "logs:*IndexPolicy": "no field indexes",
    "logs:*IndexPolicies": "no field indexes",
    "logs:PutBearerTokenAuthentication": "no bearer tokens",
    "logs:PutLogGroupDeletionProtection": "groups end with the stack",
    "logs:*DeliveryDestinationPolicy": "logs stay in the account",
    "logs:CreateLogStream": "services write for themselves",
    "logs:DescribeLogStreams": "services write for themselves",
    "logs:PutLogEvents": "services write for themselves",
    "sns:*DataProtection*": "no data protection",
    "secretsmanager:*Replicat*": "secrets are in one region",
    "wafv2:*PermissionPolicy": "web ACLs are not shared",
    "vpc-lattice:*": "no service networks",
    "vpce:*": "endpoints are in one region",
    "iam:*User*": "roles only",
    "iam:*Group*": "roles only",
    "iam:DescribeOrganization": "not an action",
    "iam:ListRoles": "only its own",
    "iam:DeleteRolePermissionsBoundary": "a boundary is never taken off",
    "iam:UpdateAssumeRolePolicy": "who may take a role is changed by a person",
}


@cache
def permissions() -> dict[str, set[str]]:
    """By type of resource, what its handlers call, as cfn-lint carries the registry's schemas."""
    found: dict[str, set[str]] = {}
    for path in Path(cfnlint.__file__).parent.glob("data/schemas/resources/*.json"):
        schema: dict[str, Any] = json.loads(path.read_text())
        handlers = schema.get("handlers", {})
        calls = [handlers.get(name, {}).get("permissions", []) for name in ("create", "read", "update", "delete")]
        found.setdefault(schema["typeName"], {action for each in calls for action in each})
    return found


def deploying(resources: Resources) -> set[str]:
    """The actions that the resources' handlers call, less those of features that are not used."""
    types = {resource["Type"] for resource in resources.values()}
    known = permissions()
    listed = {action for kind in types for action in known.get(kind, set())}
    return {action for action in listed if _exists(action) and not unused(action)}


def unused(action: str) -> list[str]:
    return [pattern for pattern in UNUSED if fnmatch.fnmatchcase(action, pattern)]


def _exists(action: str) -> bool:
    """Schemas name some actions that IAM does not have."""
    service, name = action.split(":")
    return name in service_reference().get(service, {}).get("privileges", {})


# What deploying takes besides, with the reason.
BESIDES: Mapping[str, str] = {
    "cloudformation:CreateChangeSet": "CloudFormation runs SAM's macro in the role's name",
    "route53:AssociateVPCWithHostedZone": "private DNS of an interface endpoint; its schema does not list it",
    "kms:GenerateDataKeyWithoutPlaintext": "what DynamoDB asks of whoever makes a table under a key",
    "kms:ReEncryptFrom": "what DynamoDB asks of whoever makes a table under a key",
    "kms:ReEncryptTo": "what DynamoDB asks of whoever makes a table under a key",
    "s3:GetObject": "Lambda reads the zip in the name of who makes the function",
    "cloudfront:AllowVendedLogDeliveryForResource": "the schema of a delivery source names no service",
    "iam:GetOpenIDConnectProvider": "a person makes the provider, but its tag Version changes with every release",
    "iam:TagOpenIDConnectProvider": "a person makes the provider, but its tag Version changes with every release",
    "iam:UntagOpenIDConnectProvider": "a person makes the provider, but its tag Version changes with every release",
}

ROLES = frozenset({"DeployRole", "ExecutionRole"})
POLICIES = frozenset(
    {"DeployNetwork", "DeployStores", "DeployMessages", "DeployFunctions", "DeployMonitoring", "DeployBackups"}
)
