"""Calls that leave the process: each is a subsegment of the trace, and one of a store that fails is counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chalicelib.telemetry import metrics, tracing


@dataclass(frozen=True, slots=True)
class Node:
    """An outside system: its name on the trace map, and its value of the dimension Store if it has one."""

    name: str
    namespace: str
    store: str | None = None


REDIS = Node("Redis", "remote", "redis")
POSTGRES = Node("PostgreSQL", "remote", "postgres")
DYNAMODB = Node("DynamoDB", "aws", "dynamodb")
SECRETS = Node("SecretsManager", "aws", "secrets")
SQS = Node("SQS", "aws", "sqs")
SNS = Node("SNS", "aws", "sns")
S3 = Node("S3", "aws", "s3")
CLOUDFRONT = Node("CloudFront", "aws")
WAF = Node("WAFV2", "aws")
CODEDEPLOY = Node("CodeDeploy", "aws")
LAMBDA = Node("Lambda", "aws")
CLOUDFORMATION = Node("CloudFormation", "remote")
DEFILLAMA = Node("DefiLlama", "remote")
CONNECTIONS = Node("@connections", "remote")
WEBHOOK = Node("webhook", "remote")
SES = Node("SES", "aws")


@contextmanager
def outside(node: Node, operation: str, **aws: str) -> Iterator[None]:
    """One call, retries of its client included. ``aws`` names what is called: queue_url, topic_arn, table_name.

    An error that is no failure (a secret without a previous version) must not leave the block.
    """
    known = {"operation": operation, **aws} if node.namespace == "aws" else None
    with tracing.subsegment(node.name, namespace=node.namespace, aws=known, operation=operation):
        try:
            yield
        except Exception:
            failed(node)
            raise


def failed(node: Node) -> None:
    """Count a failure that was answered and not raised."""
    if node.store is not None:
        metrics.count("StoreErrors", Store=node.store)
