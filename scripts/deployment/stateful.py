"""What a change set must not take away unasked: resources that hold what cannot be made again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from scripts.deployment.changes import Change, Fate

# By type, what would be lost with one of them.
HOLDS = {
    "AWS::ApiGateway::RestApi": "its address, which clients and CloudFront know",
    "AWS::ApiGatewayV2::Api": "its address, and every open socket",
    "AWS::Backup::BackupVault": "the backups in it",
    "AWS::Cognito::UserPool": "its users",
    "AWS::CloudFront::Distribution": "its address, which DNS and clients know",
    "AWS::DynamoDB::GlobalTable": "its items",
    "AWS::DynamoDB::Table": "its items",
    "AWS::EC2::EIP": "its address, which others may have allowed",
    "AWS::EC2::VPC": "everything in it",
    "AWS::EFS::FileSystem": "its files",
    "AWS::ElastiCache::CacheCluster": "snapshots, offsets, sessions and subscriptions",
    "AWS::ElastiCache::ReplicationGroup": "snapshots, offsets, sessions and subscriptions",
    "AWS::ElastiCache::ServerlessCache": "snapshots, offsets, sessions and subscriptions",
    "AWS::KMS::Key": "the only way to read what it has encrypted",
    "AWS::Kinesis::Stream": "its records",
    "AWS::Logs::LogGroup": "its lines",
    "AWS::RDS::DBCluster": "its data",
    "AWS::RDS::DBInstance": "its data",
    "AWS::S3::Bucket": "its objects",
    "AWS::SNS::Topic": "its subscriptions, those confirmed by people among them",
    "AWS::SQS::Queue": "the messages that wait in it",
    "AWS::SecretsManager::Secret": "its value, and who knows it by its ARN",
}


@dataclass(frozen=True, slots=True)
class Loss:
    """A stateful resource that would go, and what with it."""

    change: Change
    holds: str

    def __str__(self) -> str:
        why = f" because of {', '.join(self.change.properties)}" if self.change.properties else ""
        kept = "; the old one is kept" if "Retain" in self.change.policy else ""
        kept = "; a snapshot is kept" if "Snapshot" in self.change.policy else kept
        what = f"{self.change.type} {self.change.logical_id}"
        return f"{what} would be {self.change.fate}{why}, with {self.holds}{kept}"


def losses(changes: Sequence[Change], *, allowed: Collection[str] = ()) -> list[Loss]:
    """Of a change set, all but those whose logical ids are ``allowed``."""
    return [
        Loss(change, HOLDS[change.type])
        for change in changes
        if change.type in HOLDS
        and (change.replaces or change.fate is Fate.DELETED)
        and change.logical_id not in allowed
    ]


def idle(allowed: Collection[str], changes: Sequence[Change]) -> list[str]:
    """Of what was allowed, that which nothing in the change set asks for: a wrong name, or an old permission."""
    return sorted(set(allowed) - {loss.change.logical_id for loss in losses(changes)})
