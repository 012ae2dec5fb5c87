"""What the template's resources cost by existing, by type.

Every type is in exactly one of three tables: it costs by the hour or month (``STANDING``), by use (``USED``, priced
by ``scripts.costs.usage``), or nothing (``FREE``). A type in none of them raises: nothing is free by oversight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from scripts.costs.lines import Charge
from scripts.costs.prices import MONTH_HOURS, UnpricedError

Properties = Mapping[str, Any]


def _true(value: object) -> bool:
    return value is True or value == "true"


def _number(value: object, default: int) -> Decimal:
    return Decimal(str(value)) if value is not None else Decimal(default)


def _nat_gateway(_: Properties) -> Iterable[Charge]:
    yield Charge("VPC", "NAT gateways", MONTH_HOURS, "nat-gateway-hour")


def _address(_: Properties) -> Iterable[Charge]:
    yield Charge("VPC", "public IPv4 addresses", MONTH_HOURS, "public-ipv4-hour")


def _endpoint(properties: Properties) -> Iterable[Charge]:
    if properties.get("VpcEndpointType") == "Interface":  # a gateway endpoint is free
        zones = Decimal(len(properties["SubnetIds"]))
        yield Charge("VPC", "interface endpoints", MONTH_HOURS * zones, "interface-endpoint-hour")


def _cache(properties: Properties) -> Iterable[Charge]:
    shards = _number(properties.get("NumNodeGroups"), 1)
    nodes = shards * (1 + _number(properties.get("ReplicasPerNodeGroup"), 0))
    if "NumCacheClusters" in properties:
        nodes = _number(properties["NumCacheClusters"], 1)
    node, engine = properties["CacheNodeType"], properties["Engine"]
    yield Charge("ElastiCache", f"{engine} nodes, {node}", nodes * MONTH_HOURS, f"{engine}-{node}-hour")


def _database(properties: Properties) -> Iterable[Charge]:
    zones = Decimal(2 if _true(properties.get("MultiAZ")) else 1)
    size, engine, disk = properties["DBInstanceClass"], properties["Engine"], properties["StorageType"]
    where = "two zones" if zones == 2 else "one zone"
    yield Charge("RDS", f"{engine} {size}, {where}", zones * MONTH_HOURS, f"rds-{engine}-{size}-hour")
    gb = zones * _number(properties["AllocatedStorage"], 0)  # backups up to the database's size are free
    yield Charge("RDS", f"{disk} storage, {where}", gb, f"rds-{disk}-gb")
    if _number(properties.get("PerformanceInsightsRetentionPeriod"), 7) > 7:
        raise UnpricedError("Performance Insights is free for 7 days only: price more, or keep less")
    if _true(properties.get("ManageMasterUserPassword")):
        yield Charge("Secrets Manager", "secrets", Decimal(1), "secret")


def _table(properties: Properties) -> Iterable[Charge]:
    throughput = properties.get("ProvisionedThroughput")
    if throughput:
        reads, writes = (Decimal(str(throughput[f"{kind}CapacityUnits"])) for kind in ("Read", "Write"))
        yield Charge("DynamoDB", "provisioned reads", reads * MONTH_HOURS, "dynamodb-rcu-hour")
        yield Charge("DynamoDB", "provisioned writes", writes * MONTH_HOURS, "dynamodb-wcu-hour")


def _key(_: Properties) -> Iterable[Charge]:
    yield Charge("KMS", "keys", Decimal(1), "kms-key")  # each of the first two yearly rotations adds a dollar


def _secret(_: Properties) -> Iterable[Charge]:
    yield Charge("Secrets Manager", "secrets", Decimal(1), "secret")


def _web_acl(properties: Properties) -> Iterable[Charge]:
    yield Charge("WAF", "web ACLs", Decimal(1), "waf-acl")
    yield Charge("WAF", "rules and managed groups", Decimal(len(properties.get("Rules", []))), "waf-rule")


def _hosted_zone(_: Properties) -> Iterable[Charge]:
    yield Charge("Route 53", "hosted zones", Decimal(1), "hosted-zone")


def _alarm(properties: Properties) -> Iterable[Charge]:
    metrics = [query for query in properties.get("Metrics", []) if "MetricStat" in query] or [properties]
    periods = [query.get("MetricStat", query).get("Period", 60) for query in metrics]
    price = "alarm-metric" if min(int(period) for period in periods) >= 60 else "alarm-metric-high-resolution"
    yield Charge("CloudWatch", "alarms, by metric", Decimal(len(metrics)), price)


def _composite(_: Properties) -> Iterable[Charge]:
    yield Charge("CloudWatch", "composite alarms", Decimal(1), "composite-alarm")


def _scaling_policy(properties: Properties) -> Iterable[Charge]:
    if properties["PolicyType"] != "TargetTrackingScaling":
        raise UnpricedError(f"nothing is known of the alarms of a policy {properties['PolicyType']}")
    yield Charge("CloudWatch", "alarms, by metric", Decimal(2), "alarm-metric")  # one to add and one to take away


def _dashboard(_: Properties) -> Iterable[Charge]:
    yield Charge("CloudWatch", "dashboards", Decimal(1), "dashboard")


STANDING: Mapping[str, Callable[[Properties], Iterable[Charge]]] = {
    "AWS::EC2::NatGateway": _nat_gateway,
    "AWS::EC2::EIP": _address,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::ElastiCache::ReplicationGroup": _cache,
    "AWS::RDS::DBInstance": _database,
    "AWS::DynamoDB::Table": _table,
    "AWS::KMS::Key": _key,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::WAFv2::WebACL": _web_acl,
    "AWS::Route53::HostedZone": _hosted_zone,
    "AWS::ApplicationAutoScaling::ScalingPolicy": _scaling_policy,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::CompositeAlarm": _composite,
    "AWS::CloudWatch::Dashboard": _dashboard,
}

USED: Mapping[str, str] = {
    "AWS::Backup::BackupVault": "bytes kept, by their kind",
    "AWS::Backup::RestoreTestingPlan": "what is restored, for as long as it is looked at",
    "AWS::ApiGateway::RestApi": "requests",
    "AWS::ApiGatewayV2::Api": "messages and connection minutes",
    "AWS::ApplicationAutoScaling::ScalableTarget": "GB-seconds of environments kept warm",
    "AWS::CloudFront::Distribution": "requests and bytes out",
    "AWS::EC2::FlowLog": "bytes of log",
    "AWS::Lambda::EventSourceMapping": "polls of its queue",
    "AWS::Lambda::Function": "requests and GB-seconds",
    "AWS::Logs::LogGroup": "bytes taken in and kept",
    "AWS::S3::Bucket": "bytes kept and requests",
    "AWS::SNS::Topic": "publishes",
    "AWS::SQS::Queue": "requests",
}

FREE: Mapping[str, str] = {
    "AWS::ApiGateway::Account": "a setting of the account",
    "AWS::ApiGateway::Deployment": "part of its API",
    "AWS::ApiGateway::Stage": "part of its API; it has no cache",
    "AWS::ApiGatewayV2::ApiMapping": "part of its API",
    "AWS::ApiGatewayV2::Authorizer": "its function is billed",
    "AWS::ApiGatewayV2::Deployment": "part of its API",
    "AWS::ApiGatewayV2::DomainName": "a name; its address is API Gateway's",
    "AWS::ApiGatewayV2::Integration": "part of its API",
    "AWS::ApiGatewayV2::IntegrationResponse": "part of its API",
    "AWS::ApiGatewayV2::Route": "part of its API",
    "AWS::ApiGatewayV2::RouteResponse": "part of its API",
    "AWS::ApiGatewayV2::Stage": "part of its API",
    "AWS::Backup::BackupPlan": "what it brings into the vault is billed",
    "AWS::Backup::BackupSelection": "part of its plan",
    "AWS::Backup::RestoreTestingSelection": "part of its plan",
    "AWS::Budgets::Budget": "a budget without actions",
    "AWS::CE::AnomalyMonitor": "free, as what it finds",
    "AWS::CE::AnomalySubscription": "its messages are SNS's",
    "AWS::CloudFront::CachePolicy": "part of its distribution",
    "AWS::CloudFront::OriginAccessControl": "part of its distribution",
    "AWS::CloudFront::OriginRequestPolicy": "part of its distribution",
    "AWS::CloudFront::ResponseHeadersPolicy": "part of its distribution",
    "AWS::CloudFormation::WaitConditionHandle": "a place in the order of creation",
    "AWS::CodeDeploy::Application": "deployments of Lambda functions are free",
    "AWS::CodeDeploy::DeploymentGroup": "deployments of Lambda functions are free",
    "AWS::EC2::InternetGateway": "its traffic is billed",
    "AWS::EC2::NetworkAcl": "part of the VPC",
    "AWS::EC2::NetworkAclEntry": "part of the VPC",
    "AWS::EC2::Route": "part of the VPC",
    "AWS::EC2::RouteTable": "part of the VPC",
    "AWS::EC2::SecurityGroup": "part of the VPC",
    "AWS::EC2::SecurityGroupEgress": "part of the VPC",
    "AWS::EC2::SecurityGroupIngress": "part of the VPC",
    "AWS::EC2::Subnet": "part of the VPC",
    "AWS::EC2::SubnetNetworkAclAssociation": "part of the VPC",
    "AWS::EC2::SubnetRouteTableAssociation": "part of the VPC",
    "AWS::EC2::VPC": "its gateways and endpoints are billed",
    "AWS::EC2::VPCGatewayAttachment": "part of the VPC",
    "AWS::ElastiCache::ParameterGroup": "a setting",
    "AWS::ElastiCache::SubnetGroup": "a setting",
    "AWS::ElastiCache::User": "a setting",
    "AWS::ElastiCache::UserGroup": "a setting",
    "AWS::Events::Rule": "scheduled rules of the default bus are free",
    "AWS::IAM::ManagedPolicy": "IAM is free",
    "AWS::IAM::OIDCProvider": "IAM is free",
    "AWS::IAM::Policy": "IAM is free",
    "AWS::IAM::Role": "IAM is free",
    "AWS::KMS::Alias": "a name",
    "AWS::Lambda::Alias": "a name",
    "AWS::Lambda::EventInvokeConfig": "a setting",
    "AWS::Lambda::Permission": "a policy",
    "AWS::Lambda::Version": "its invocations are billed",
    "AWS::Logs::Delivery": "CloudFront's access log to S3 is delivered free of charge",
    "AWS::Logs::DeliveryDestination": "a setting",
    "AWS::Logs::DeliverySource": "a setting",
    "AWS::Logs::ResourcePolicy": "a policy",
    "AWS::RDS::DBParameterGroup": "a setting",
    "AWS::Logs::QueryDefinition": "a text; its runs are a person's",
    "AWS::RDS::DBSubnetGroup": "a setting",
    "AWS::Route53::RecordSet": "queries of an alias to CloudFront are free",
    "AWS::S3::BucketPolicy": "a policy",
    "AWS::SNS::Subscription": "deliveries to queues are free; alarm mails too few to count",
    "AWS::SNS::TopicPolicy": "a policy",
    "AWS::SQS::QueueInlinePolicy": "a policy",
    "AWS::SQS::QueuePolicy": "a policy",
    "AWS::SecretsManager::ResourcePolicy": "a policy",
    "AWS::SecretsManager::RotationSchedule": "its function is billed",
    "AWS::WAFv2::IPSet": "the rule that uses it is billed",
    "AWS::WAFv2::LoggingConfiguration": "its log group is billed",
    "AWS::WAFv2::WebACLAssociation": "part of its web ACL",
    "AWS::XRay::Group": "a filter",
    "AWS::XRay::SamplingRule": "a setting",
}


def standing(resources: Mapping[str, Mapping[str, Any]]) -> tuple[list[Charge], dict[str, Sequence[str]]]:
    """What exists and is billed for it, and what is free, by type. Raises UnpricedError naming every unknown type."""
    charges: list[Charge] = []
    free: dict[str, list[str]] = {}
    unknown: list[str] = []
    for logical_id, resource in sorted(resources.items()):
        kind = resource["Type"]
        if kind in STANDING:
            charges.extend(_named(STANDING[kind](resource.get("Properties", {})), logical_id))
        elif kind in FREE or kind.startswith("Custom::"):  # a custom resource is its function's work
            free.setdefault(kind, []).append(logical_id)
        elif kind not in USED:
            unknown.append(f"{logical_id} ({kind})")
    if unknown:
        raise UnpricedError(f"not in the cost model, not even as free: {', '.join(unknown)}")
    return charges, dict(sorted(free.items()))


def _named(charges: Iterable[Charge], logical_id: str) -> list[Charge]:
    return [Charge(c.service, c.what, c.quantity, c.price, logical_id) for c in charges]
