"""Cost Explorer's names of services and usage types, as the estimate calls the same things.

A usage type is a region's code and a name: ``USE1-NatGateway-Hours``. One that is not here is shown under its own name
and compared with nothing; that no total depends on this table is the point of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

SERVICES: Mapping[str, str] = {
    "AWS Key Management Service": "KMS",
    "AWS Lambda": "Lambda",
    "AWS Secrets Manager": "Secrets Manager",
    "AWS WAF": "WAF",
    "AWS X-Ray": "X-Ray",
    "Amazon API Gateway": "API Gateway",
    "Amazon CloudFront": "CloudFront",
    "Amazon DynamoDB": "DynamoDB",
    "Amazon ElastiCache": "ElastiCache",
    "Amazon Relational Database Service": "RDS",
    "Amazon Route 53": "Route 53",
    "Amazon Simple Notification Service": "SNS",
    "Amazon Simple Queue Service": "SQS",
    "Amazon Simple Storage Service": "S3",
    "Amazon Virtual Private Cloud": "VPC",
    "AmazonCloudWatch": "CloudWatch",
    "EC2 - Other": "VPC",  # NAT gateways are billed there, addresses and endpoints under the VPC
}

# By service: what a usage type matches, and the prices (scripts/costs/prices.json) that the estimate has for it.
_PATTERNS: Mapping[str, Sequence[tuple[str, str]]] = {
    "API Gateway": (
        (r"ApiGatewayMessage", r"websocket-message"),
        (r"ApiGatewayMinute", r"websocket-connection-minute"),
        (r"ApiGatewayRequest", r"rest-request"),
    ),
    "CloudFront": ((r"DataTransfer-Out-Bytes", r"cloudfront-gb"), (r"Requests", r"cloudfront-request")),
    "CloudWatch": (
        (r"CompositeAlarm", r"composite-alarm"),
        (r"HighResAlarm", r"alarm-metric-high-resolution"),
        (r"AlarmMonitorUsage", r"alarm-metric"),
        (r"MetricMonitorUsage", r"metric"),
        (r"DashboardsUsage", r"dashboard"),
        (r"DataProcessing-Bytes|VendedLog-Bytes", r"logs-gb"),
        (r"TimedStorage-ByteHrs", r"logs-storage-gb"),
    ),
    "DynamoDB": (
        (r"ReadRequestUnits", r"dynamodb-read"),
        (r"ReadCapacityUnit", r"dynamodb-rcu-hour"),
        (r"WriteCapacityUnit", r"dynamodb-wcu-hour"),
        (r"TimedPITRStorage", r"dynamodb-pitr-gb"),
        (r"TimedStorage-ByteHrs", r"dynamodb-gb"),
    ),
    "ElastiCache": ((r"NodeUsage:", r"valkey-.*"),),
    "KMS": ((r"KMS-Keys", r"kms-key"), (r"KMS-Requests", r"kms-request")),
    "Lambda": ((r"Lambda-GB-Second", r"lambda-.*-gb-second"), (r"Request", r"lambda-request")),
    "RDS": ((r"InstanceUsage:|Multi-AZUsage:", r"rds-postgres-.*"), (r"Storage", r"rds-gp3-gb")),
    "Route 53": ((r"HostedZone", r"hosted-zone"),),
    "S3": ((r"TimedStorage", r"s3-gb"), (r"Requests-Tier1", r"s3-put"), (r"Requests-Tier2", r"s3-get")),
    "SNS": ((r"Requests", r"sns-publish"),),
    "SQS": ((r"Requests", r"sqs-request"),),
    "Secrets Manager": ((r"APIRequest", r"secret-request"), (r"Secrets", r"secret")),
    "VPC": (
        (r"NatGateway-Hours", r"nat-gateway-hour"),
        (r"NatGateway-Bytes", r"nat-gateway-gb"),
        (r"PublicIPv4", r"public-ipv4-hour"),
        (r"VpcEndpoint-Hours", r"interface-endpoint-hour"),
        (r"VpcEndpoint-Bytes", r"interface-endpoint-gb"),
    ),
    "WAF": ((r"WebACL", r"waf-acl"), (r"Rule", r"waf-rule"), (r"Request", r"waf-request")),
    "X-Ray": ((r"Traces", r"xray-trace"),),
}
_REGION = re.compile(r"^(?:[A-Z]{2,4}\d?|Global)-(?=[A-Z])")


def service_of(name: str) -> str:
    """The estimate's name of a service, or Cost Explorer's own."""
    return SERVICES.get(name, name)


def without_region(usage: str) -> str:
    """``NatGateway-Hours`` of ``USE1-NatGateway-Hours``."""
    return _REGION.sub("", usage)


def prices_of(service: str, usage: str) -> str | None:
    """A pattern of the prices that pay for a usage type of one of the estimate's services; None of an unknown one."""
    name = without_region(usage)
    return next((prices for pattern, prices in _PATTERNS.get(service, ()) if re.search(pattern, name)), None)
