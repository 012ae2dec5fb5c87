"""What is asked of RDS and ElastiCache, by AWS's own models of their APIs; their answers are made for the test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.stub import ANY, Stubber

from scripts.backups.elasticache import Elasticache
from scripts.backups.rds import Rds
from scripts.backups.store import Kept
from scripts.deployment.errors import StackError
from scripts.deployment.waiting import Waiting

BACKUP, RESTORE = "20261123T120000Z", "20261123T130000Z"
AT = datetime(2026, 11, 23, 12, 1, tzinfo=UTC)
DATABASE = "defi-stream-production-database"
NEW, BEFORE = f"{DATABASE}-20261123t130000z", f"{DATABASE}-before-20261123t130000z"
GROUP = "defi-stream-production-redis"
INSTANCE = {
    "DBInstanceIdentifier": DATABASE,
    "DBInstanceStatus": "available",
    "DBInstanceClass": "db.m7g.large",
    "DBSubnetGroup": {"DBSubnetGroupName": "private"},
    "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1"}],
    "DBParameterGroups": [{"DBParameterGroupName": "tls-only"}],
    "MultiAZ": True,
    "IAMDatabaseAuthenticationEnabled": True,
    "EnabledCloudwatchLogsExports": ["postgresql"],
    "DeletionProtection": True,
    "BackupRetentionPeriod": 7,
    "MaxAllocatedStorage": 200,
    "CACertificateIdentifier": "rds-ca-rsa2048-g1",
    "MasterUserSecret": {"KmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/1"},
    "TagList": [{"Key": "Backup", "Value": "nightly"}, {"Key": "aws:cloudformation:stack-name", "Value": "x"}],
    "LatestRestorableTime": AT,
}
REPLICATION = {
    "ReplicationGroupId": GROUP,
    "Description": "the stream",
    "Status": "available",
    "MemberClusters": [f"{GROUP}-001", f"{GROUP}-002"],
    "CacheNodeType": "cache.m7g.large",
    "AutomaticFailover": "enabled",
    "MultiAZ": "enabled",
    "UserGroupIds": ["users"],
    "KmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/1",
    "SnapshotRetentionLimit": 7,
    "SnapshotWindow": "03:00-04:00",
}
NODE = {
    "Engine": "valkey",
    "CacheParameterGroup": {"CacheParameterGroupName": "noeviction"},
    "CacheSubnetGroupName": "private",
    "SecurityGroups": [{"SecurityGroupId": "sg-2"}],
}


class Script:
    """The calls that are expected, in their order, and their answers."""

    def __init__(self, service):
        self.client = boto3.client(
            service, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        self.stub = Stubber(self.client)
        self.stub.activate()

    def answers(self, operation, answer, **expected):
        self.stub.add_response(operation, answer, expected or None)

    def fails(self, operation, code):
        self.stub.add_client_error(operation, code)

    def described(self, *found):
        for instance in found:
            if instance is None:
                self.fails("describe_db_instances", "DBInstanceNotFound")
            else:
                self.answers("describe_db_instances", {"DBInstances": [instance]})


def waiting():
    """Of one test: its limit counts from when it is made."""
    return Waiting(every_s=0.0, limit_s=60)


@pytest.fixture
def rds():
    script = Script("rds")
    yield script, Rds(script.client, DATABASE, waiting=waiting())
    script.stub.assert_no_pending_responses()


@pytest.fixture
def elasticache():
    script = Script("elasticache")
    yield script, Elasticache(script.client, GROUP, waiting=waiting())
    script.stub.assert_no_pending_responses()


# --- RDS ---


def test_a_snapshot_is_waited_for_and_its_settings_are_remembered(rds):
    script, store = rds
    name = f"{DATABASE}-20261123t120000z"
    there = {"DBSnapshots": [{"Status": "available", "SnapshotCreateTime": AT}]}
    script.fails("describe_db_snapshots", "DBSnapshotNotFound")
    script.answers("create_db_snapshot", {}, DBInstanceIdentifier=DATABASE, DBSnapshotIdentifier=name)
    script.answers("describe_db_snapshots", {"DBSnapshots": [{"Status": "creating"}]})
    script.answers("describe_db_snapshots", there)
    script.answers("describe_db_snapshots", there)
    script.described(INSTANCE)
    kept = store.back_up(BACKUP)
    assert (kept.moment, kept.census) == (AT.isoformat(), None)
    assert kept.where["settings"]["DBSubnetGroupName"] == "private"
    assert kept.where["settings"]["PubliclyAccessible"] is False
    assert kept.where["settings"]["Tags"] == [{"Key": "Backup", "Value": "nightly"}], "AWS's own tags cannot be given"


def test_a_snapshot_that_was_begun_is_not_begun_again(rds):
    script, store = rds
    there = {"DBSnapshots": [{"Status": "available", "SnapshotCreateTime": AT}]}
    for _ in range(3):
        script.answers("describe_db_snapshots", there)
    script.described(INSTANCE)
    store.back_up(BACKUP)


def test_a_point_in_time_becomes_another_instance_with_the_settings_of_the_one_that_serves(rds):
    script, store = rds
    script.described(INSTANCE, INSTANCE)
    kept = store.at(AT - timedelta(minutes=5))
    script.described(None)
    script.answers(
        "restore_db_instance_to_point_in_time",
        {},
        SourceDBInstanceIdentifier=DATABASE,
        TargetDBInstanceIdentifier=NEW,
        RestoreTime=AT - timedelta(minutes=5),
        **kept.where["settings"],
    )
    script.described({"DBInstanceStatus": "creating"}, INSTANCE)
    assert store.restore(kept, RESTORE) == {"instance": NEW, "before": BEFORE}


def test_a_snapshot_is_restored_with_the_same_settings(rds):
    """Its API takes other parameters than the one for a point in time."""
    script, store = rds
    script.described(INSTANCE, INSTANCE)
    settings = store.at(AT).where["settings"]
    own = {name: value for name, value in settings.items() if name != "MaxAllocatedStorage"}
    script.described(None)
    script.answers(
        "restore_db_instance_from_db_snapshot", {}, DBInstanceIdentifier=NEW, DBSnapshotIdentifier="s", **own
    )
    script.described(INSTANCE)
    script.answers("modify_db_instance", {}, DBInstanceIdentifier=NEW, MaxAllocatedStorage=200)
    store.restore(Kept(store="postgresql", moment="", where={"snapshot": "s", "settings": settings}), RESTORE)


def test_a_moment_that_rds_has_not_logged_is_refused(rds):
    script, store = rds
    script.described(INSTANCE)
    with pytest.raises(StackError, match="until 2026-11-23 12:01"):
        store.at(AT + timedelta(seconds=1))


def test_the_switch_renames_the_one_that_serves_before_the_new_one(rds):
    script, store = rds
    script.described(INSTANCE, INSTANCE)
    script.answers(
        "modify_db_instance", {}, DBInstanceIdentifier=DATABASE, NewDBInstanceIdentifier=BEFORE, ApplyImmediately=True
    )
    script.described(None, INSTANCE)
    script.answers(
        "modify_db_instance", {}, DBInstanceIdentifier=NEW, NewDBInstanceIdentifier=DATABASE, ApplyImmediately=True
    )
    script.described(INSTANCE)
    assert "Deploy the stage again" in store.switch({"instance": NEW, "before": BEFORE})


def test_a_switch_that_was_broken_off_between_both_goes_on(rds):
    script, store = rds
    script.described(INSTANCE, None)
    script.answers(
        "modify_db_instance", {}, DBInstanceIdentifier=NEW, NewDBInstanceIdentifier=DATABASE, ApplyImmediately=True
    )
    script.described(INSTANCE)
    store.switch({"instance": NEW, "before": BEFORE})


# --- ElastiCache ---


def group(script, *statuses):
    for status in statuses:
        if status is None:
            script.fails("describe_replication_groups", "ReplicationGroupNotFoundFault")
        else:
            script.answers("describe_replication_groups", {"ReplicationGroups": [{**REPLICATION, "Status": status}]})


def settings(script, store):
    snapshot = {"Snapshots": [{"SnapshotStatus": "available", "NodeSnapshots": [{"SnapshotCreateTime": AT}]}]}
    script.answers("describe_snapshots", {"Snapshots": []})
    script.answers("create_snapshot", {}, ReplicationGroupId=GROUP, SnapshotName=f"{GROUP}-{BACKUP.lower()}")
    script.answers("describe_snapshots", snapshot)
    script.answers("describe_snapshots", snapshot)
    group(script, "available")
    script.answers("describe_cache_clusters", {"CacheClusters": [NODE]}, CacheClusterId=f"{GROUP}-001")
    return store.back_up(BACKUP)


def test_a_group_is_made_beside_from_a_snapshot_as_closed_as_the_other(elasticache):
    script, store = elasticache
    kept = settings(script, store)
    assert kept.moment == AT.isoformat()
    group(script, None)
    script.answers(
        "create_replication_group",
        {},
        ReplicationGroupId=ANY,
        SnapshotName=f"{GROUP}-{BACKUP.lower()}",
        **kept.where["settings"],
    )
    group(script, "creating", "available")
    name = store.restore(kept, RESTORE)["group"]
    assert len(name) <= 40
    assert "--" not in name
    assert kept.where["settings"]["TransitEncryptionEnabled"] is True
    assert kept.where["settings"]["UserGroupIds"] == ["users"]


def test_the_switch_keeps_a_last_snapshot_and_makes_the_group_anew_under_its_name(elasticache):
    script, store = elasticache
    kept = settings(script, store)
    candidate = {"group": "beside", "before": f"{GROUP}-before", **kept.where}
    script.answers("describe_snapshots", {"Snapshots": []}, SnapshotName=f"{GROUP}-before")
    group(script, "available")
    script.answers("delete_replication_group", {}, ReplicationGroupId=GROUP, FinalSnapshotIdentifier=f"{GROUP}-before")
    group(script, "deleting", None, None)
    script.answers(
        "create_replication_group",
        {},
        ReplicationGroupId=GROUP,
        SnapshotName=kept.where["snapshot"],
        **kept.where["settings"],
    )
    group(script, "creating", "available", "available")
    script.answers("delete_replication_group", {}, ReplicationGroupId="beside")
    assert store.switch(candidate) == f"What it held before is snapshot {GROUP}-before"


def test_neither_pretends_to_have_looked(rds, elasticache):
    assert rds[1].census({}) is None
    assert elasticache[1].census({}) is None
    assert elasticache[1].at(AT) is None
