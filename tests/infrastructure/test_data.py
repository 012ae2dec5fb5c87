"""What remembers: that it is kept, backed up, out of reach, and fit for the code that uses it."""

from __future__ import annotations

import json
from pathlib import Path

import cfnlint
import pytest

from tests.infrastructure.kinds import of_type

# What cfn-lint holds to be state: kinds whose deletion loses data.
STATEFUL = set(
    json.loads((Path(cfnlint.__file__).parent / "data/AdditionalSpecs/StatefulResources.json").read_text())[
        "ResourceTypes"
    ]
)
# Of these, what may go with the stack, each with why.
PASSING = {
    "AWS::Logs::LogGroup": "a group that outlived its stack would stop the next one of the name from being made",
    "EventsQueue": "is polled again",
    "TicksQueue": "the sweep finds slots that no tick came for",
    "DeliveriesQueue": "clients ask again for what they miss",
    "GoneQueue": "records of connections end by themselves",
}


@pytest.fixture
def is_production(stage):
    return stage == "production"


# --- kept ---


def test_everything_that_remembers_says_what_becomes_of_it(resources):
    """Both when it is deleted and when a change replaces it; and nearly all of it stays or leaves a snapshot."""
    held = {name: resource for name, resource in resources.items() if resource["Type"] in STATEFUL}
    assert len(held) > 30
    for name, resource in held.items():
        policies = {resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")}
        if name in PASSING or resource["Type"] in PASSING:
            assert policies == {"Delete"}, name
        else:
            assert policies in ({"Retain"}, {"Snapshot"}, {"RetainExceptOnCreate", "Retain"}), name
            assert resource["UpdateReplacePolicy"] != "RetainExceptOnCreate", f"{name}: that is for DeletionPolicy only"


def test_a_first_deployment_that_fails_leaves_nothing_that_costs_or_blocks_the_next_one(resources):
    """With Retain the rollback would leave keys and secrets to pay for, and queues whose names are then taken."""
    names = {"AWS::SQS::Queue": "QueueName", "AWS::DynamoDB::Table": "TableName", "AWS::S3::Bucket": "BucketName"}
    paid = {"AWS::KMS::Key", "AWS::SecretsManager::Secret"}
    seen = set()
    for name, resource in resources.items():
        named = names.get(resource["Type"], "") in resource.get("Properties", {})
        if resource["Type"] in paid or named:
            seen.add(resource["Type"])
            assert resource["DeletionPolicy"] != "Retain", name
    assert seen == {*paid, "AWS::SQS::Queue"}


def test_production_cannot_be_deleted_by_mistake(resources, is_production):
    for name, database in of_type(resources, "AWS::RDS::DBInstance").items():
        assert database["DeletionProtection"] is is_production, name
        assert database["DeleteAutomatedBackups"] is not is_production, name
    for name, table in of_type(resources, "AWS::DynamoDB::Table").items():
        assert table["DeletionProtectionEnabled"] is is_production, name


def test_everything_is_backed_up(resources, is_production):
    days = 7 if is_production else 1
    for name, database in of_type(resources, "AWS::RDS::DBInstance").items():
        assert database["BackupRetentionPeriod"] >= days, name
        assert database["CopyTagsToSnapshot"] is True, name
    for name, cache in of_type(resources, "AWS::ElastiCache::ReplicationGroup").items():
        assert cache["SnapshotRetentionLimit"] >= days, name
    for name, table in of_type(resources, "AWS::DynamoDB::Table").items():
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, name
    for name, bucket in of_type(resources, "AWS::S3::Bucket").items():
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}, name


def test_backups_and_maintenance_do_not_meet(resources):
    """RDS refuses windows that overlap, and a backup before maintenance is one to go back to."""
    for database in of_type(resources, "AWS::RDS::DBInstance").values():
        assert database["PreferredBackupWindow"][-5:] <= database["PreferredMaintenanceWindow"][4:9]
    for cache in of_type(resources, "AWS::ElastiCache::ReplicationGroup").values():
        assert cache["SnapshotWindow"][-5:] <= cache["PreferredMaintenanceWindow"][4:9]


def test_production_survives_the_loss_of_a_zone(resources, is_production):
    for name, database in of_type(resources, "AWS::RDS::DBInstance").items():
        assert database["MultiAZ"] is is_production, name
    for name, cache in of_type(resources, "AWS::ElastiCache::ReplicationGroup").items():
        assert cache["MultiAZEnabled"] is cache["AutomaticFailoverEnabled"] is is_production, name
        assert cache["NumCacheClusters"] == (2 if is_production else 1), name


# --- out of reach ---


def test_databases_are_in_private_subnets_and_closed_groups(resources):
    kinds = ("AWS::RDS::DBSubnetGroup", "AWS::ElastiCache::SubnetGroup")
    for name, group in of_type(resources, *kinds).items():
        assert group["SubnetIds"] == [{"Ref": "PrivateSubnetA"}, {"Ref": "PrivateSubnetB"}], name
    for database in of_type(resources, "AWS::RDS::DBInstance").values():
        assert database["PubliclyAccessible"] is False
        assert database["VPCSecurityGroups"] == [{"Fn::GetAtt": ["DatabaseSecurityGroup", "GroupId"]}]
        assert database["DBSubnetGroupName"]["Ref"] in resources
    for cache in of_type(resources, "AWS::ElastiCache::ReplicationGroup").values():
        assert cache["SecurityGroupIds"] == [{"Fn::GetAtt": ["RedisSecurityGroup", "GroupId"]}]
        assert cache["CacheSubnetGroupName"]["Ref"] in resources


# --- PostgreSQL ---


def test_postgresql_is_version_16_and_mends_itself(resources):
    for database in of_type(resources, "AWS::RDS::DBInstance").values():
        assert (database["Engine"], database["EngineVersion"].partition(".")[0]) == ("postgres", "16")
        assert database["AutoMinorVersionUpgrade"] is True
        assert database["StorageType"] == "gp3"
        assert database["MaxAllocatedStorage"] >= 1.1 * database["AllocatedStorage"], "RDS wants a tenth of room"


def test_postgresql_takes_tls_only_and_nobodys_written_password(resources):
    for database in of_type(resources, "AWS::RDS::DBInstance").values():
        parameters = resources[database["DBParameterGroupName"]["Ref"]]["Properties"]
        assert parameters["Family"] == "postgres16"
        assert parameters["Parameters"]["rds.force_ssl"] == "1"
        assert database["StorageEncrypted"] is database["EnableIAMDatabaseAuthentication"] is True
        assert database["ManageMasterUserPassword"] is True
        assert database["MasterUserSecret"] == {"KmsKeyId": {"Fn::GetAtt": ["SecretsKey", "Arn"]}}
        assert "MasterUserPassword" not in database


def test_postgresql_tells_what_it_does(resources):
    groups = {name: group["LogGroupName"] for name, group in of_type(resources, "AWS::Logs::LogGroup").items()}
    for name, database in of_type(resources, "AWS::RDS::DBInstance").items():
        assert database["EnablePerformanceInsights"] is True
        assert database["PerformanceInsightsKMSKeyId"] == {"Fn::GetAtt": ["DataKey", "Arn"]}
        parameters = resources[database["DBParameterGroupName"]["Ref"]]["Properties"]["Parameters"]
        assert 0 < int(parameters["log_min_duration_statement"]) <= 1000
        wanted = {
            f"/aws/rds/instance/{database['DBInstanceIdentifier']}/{log}"
            for log in database["EnableCloudwatchLogsExports"]
        }
        made_first = {groups[group] for group in resources[name]["DependsOn"]}
        assert made_first == wanted, "RDS would make a group of its own, without retention or key"


# --- DynamoDB and S3 ---


def test_tables_cost_what_they_are_used(resources):
    for name, table in of_type(resources, "AWS::DynamoDB::Table").items():
        assert table["BillingMode"] == "PAY_PER_REQUEST", name
        assert "ProvisionedThroughput" not in table, name


def test_tables_of_passing_things_forget(resources):
    tables = of_type(resources, "AWS::DynamoDB::Table")
    for name in ("AlertsTable", "DeliveriesTable", "DueTable", "IdempotencyTable"):
        assert tables[name]["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}, name
    assert "TimeToLiveSpecification" not in tables["KeysTable"]


def test_every_attribute_that_a_table_declares_is_in_a_key(resources):
    """DynamoDB refuses a table that declares another."""
    for name, table in of_type(resources, "AWS::DynamoDB::Table").items():
        schemas = [table["KeySchema"], *(index["KeySchema"] for index in table.get("GlobalSecondaryIndexes", []))]
        in_keys = {key["AttributeName"] for schema in schemas for key in schema}
        assert {attribute["AttributeName"] for attribute in table["AttributeDefinitions"]} == in_keys, name


def test_buckets_do_not_grow_for_ever(resources):
    for name, bucket in of_type(resources, "AWS::S3::Bucket").items():
        rules = [rule for rule in bucket["LifecycleConfiguration"]["Rules"] if rule["Status"] == "Enabled"]
        assert any("AbortIncompleteMultipartUpload" in rule for rule in rules), f"{name} keeps unfinished uploads"
        assert any("NoncurrentVersionExpiration" in rule for rule in rules), f"{name} keeps every version"


def test_who_reads_a_bucket_is_logged(resources):
    """In the one bucket that has no log of its own, which would log itself."""
    buckets = of_type(resources, "AWS::S3::Bucket")
    into = {
        name: bucket.get("LoggingConfiguration", {}).get("DestinationBucketName", {}).get("Ref")
        for name, bucket in buckets.items()
    }
    assert {name for name, target in into.items() if target is None} == {"AccessLogsBucket"}
    assert set(into.values()) - {None} == {"AccessLogsBucket"}
    policy = resources["AccessLogsBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    (delivery,) = (s for s in policy if s.get("Principal") == {"Service": "logging.s3.amazonaws.com"})
    logged = {name for name, target in into.items() if target}
    assert {source["Fn::GetAtt"][0] for source in delivery["Condition"]["ArnEquals"]["aws:SourceArn"]} == logged
    prefixes = {
        f"${{AccessLogsBucket.Arn}}/{buckets[name]['LoggingConfiguration']['LogFilePrefix']}*" for name in logged
    }
    assert {resource["Fn::Sub"] for resource in delivery["Resource"]} == prefixes
