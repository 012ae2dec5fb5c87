"""What goes into the vault, who may take it out, and that it is tried."""

from __future__ import annotations

import pytest

from tests.infrastructure.kinds import actions, listed, of_type

VAULT, PLAN = "AWS::Backup::BackupVault", "AWS::Backup::BackupPlan"
SELECTION, TRIAL = "AWS::Backup::BackupSelection", "AWS::Backup::RestoreTestingSelection"
# State without a nightly copy, each with why.
UNCOPIED = {
    "IdempotencyTable": "what a request may be told again within a day",
    "Redis": "AWS Backup does not know ElastiCache, which takes a snapshot a night by itself",
}
STORES = ("AWS::RDS::DBInstance", "AWS::DynamoDB::Table", "AWS::ElastiCache::ReplicationGroup")


def tags(properties):
    return {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}


def rules(resources):
    return [rule for plan in of_type(resources, PLAN).values() for rule in plan["BackupPlan"]["BackupPlanRule"]]


def test_every_store_is_copied_every_night_or_says_why_not(resources):
    """By the very tags that the selection asks for."""
    (selection,) = (one["BackupSelection"] for one in of_type(resources, SELECTION).values())
    wanted = {
        one["ConditionKey"].removeprefix("aws:ResourceTag/"): one["ConditionValue"]
        for one in selection["Conditions"]["StringEquals"]
    }
    held = of_type(resources, *STORES)
    taken = {name for name, one in held.items() if wanted.items() <= tags(one).items()}
    assert set(wanted) == {"Backup", "Environment"}
    assert taken | UNCOPIED.keys() == set(held)
    assert taken.isdisjoint(UNCOPIED)


def test_the_selection_looks_where_the_stores_are(resources):
    (selection,) = (one["BackupSelection"] for one in of_type(resources, SELECTION).values())
    patterns = "".join(str(one) for one in selection["Resources"])
    for pattern in (":rds:", ":db:*", ":dynamodb:", ":table/*"):
        assert pattern in patterns


def test_the_vault_is_encrypted_locked_and_stays(resources):
    (name,) = of_type(resources, VAULT)
    vault = resources[name]
    assert vault["DeletionPolicy"] == "RetainExceptOnCreate"
    assert vault["Properties"]["EncryptionKeyArn"] == {"Fn::GetAtt": ["DataKey", "Arn"]}
    lock = vault["Properties"]["LockConfiguration"]
    assert "ChangeableForDays" not in lock, "that alone makes it a lock that nobody can ever open again"
    for rule in rules(resources):
        assert lock["MinRetentionDays"] <= int(rule["Lifecycle"]["DeleteAfterDays"]) <= lock["MaxRetentionDays"]


@pytest.mark.parametrize("days", ["7", "35"])
def test_the_lock_takes_what_the_parameter_allows(template, days):
    """A plan outside of the vault's bounds fails every night."""
    resources = template(BackupDays=days)["Resources"]
    (vault,) = of_type(resources, VAULT).values()
    (rule,) = rules(resources)
    lock = vault["LockConfiguration"]
    assert lock["MinRetentionDays"] <= int(rule["Lifecycle"]["DeleteAfterDays"]) <= lock["MaxRetentionDays"]


def test_compliance_is_asked_for_by_name(template):
    (vault,) = of_type(template(BackupLock="compliance")["Resources"], VAULT).values()
    assert vault["LockConfiguration"]["ChangeableForDays"] >= 3  # AWS takes no less


def test_backups_are_copied_to_another_region_where_one_is_named(template):
    vault = "arn:aws:backup:eu-west-1:123456789012:backup-vault:elsewhere"
    (rule,) = rules(template()["Resources"])
    assert "CopyActions" not in rule
    resources = template(BackupCopyVaultArn=vault)["Resources"]
    (rule,) = rules(resources)
    assert [copy["DestinationBackupVaultArn"] for copy in rule["CopyActions"]] == [vault]
    allowed = [one for one in role_statements(resources) if "backup:CopyIntoBackupVault" in actions(one)]
    assert vault in allowed[0]["Resource"]


def test_backups_do_not_meet_the_databases_own(resources):
    """RDS refuses a snapshot within its window; the plan begins when both of its windows are over."""
    (rule,) = rules(resources)
    begins = int(rule["ScheduleExpression"].split()[1])
    for database in of_type(resources, "AWS::RDS::DBInstance").values():
        assert begins >= int(database["PreferredBackupWindow"][-5:-3]) + 1
        assert begins >= int(database["PreferredMaintenanceWindow"][-5:-3]) + 1


def test_whoever_backs_up_may_only_be_taken_by_aws_backup_of_this_account(resources):
    (trust,) = resources["BackupRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "backup.amazonaws.com"}
    assert set(trust["Condition"]["StringEquals"]) == {"aws:SourceAccount"}


def test_whoever_backs_up_destroys_nothing_that_serves(resources):
    """It deletes snapshots of its own; what it may write are resources that a restore test has made."""
    for statement in role_statements(resources):
        for action in actions(statement):
            verb = action.partition(":")[2]
            assert "*" not in verb, action
            if verb.startswith(("Delete", "Modify", "Restore", "Put", "BatchWrite", "Update")):
                where = str(statement["Resource"])
                own = ("awsbackup", "/backup/", "AwsBackupManagedRule", "RawBucket")
                assert any(mark in where for mark in own), (action, where)


def test_raw_observations_are_copied_only_where_asked_for(template):
    """And only then may the role touch their bucket."""
    without, with_raw = template()["Resources"], template(BackupRawObservations="true")["Resources"]
    assert len(of_type(without, SELECTION)) + 1 == len(of_type(with_raw, SELECTION))
    assert not any(action.startswith("s3:") for one in role_statements(without) for action in actions(one))
    assert any(action == "s3:GetObjectVersion" for one in role_statements(with_raw) for action in actions(one))


def test_backups_are_tried_in_production_only(resources, stage):
    trials = [one["Properties"] for one in resources.values() if one["Type"] == TRIAL]
    assert {one["ProtectedResourceType"] for one in trials} == ({"RDS", "DynamoDB"} if stage == "production" else set())
    for one in trials:
        assert one.get("RestoreMetadataOverrides", {}).get("publiclyAccessible", "false") == "false"


def test_the_vault_may_say_what_its_alarm_cannot_know(resources):
    """Its topic takes it, and the topic's key."""
    (vault,) = of_type(resources, VAULT).values()
    topic = vault["Notifications"]["SNSTopicArn"]
    policies = of_type(resources, "AWS::SNS::TopicPolicy").values()
    (policy,) = (one for one in policies if topic in one["Topics"])
    key = resources["MessagingKey"]["Properties"]["KeyPolicy"]
    for statements in (policy["PolicyDocument"]["Statement"], key["Statement"]):
        principals = [one["Principal"] for one in statements if isinstance(one["Principal"], dict)]
        assert any("backup.amazonaws.com" in listed(one.get("Service", [])) for one in principals)


def test_the_alarm_watches_this_vault(monitored):
    (vault,) = of_type(monitored, VAULT).values()
    alarm = monitored["BackupFailuresTooMany"]["Properties"]
    watched = [one["MetricStat"]["Metric"]["Dimensions"] for one in alarm["Metrics"] if "MetricStat" in one]
    assert watched == [[{"Name": "BackupVaultName", "Value": vault["BackupVaultName"]}]] * 2


def role_statements(resources):
    policies = resources["BackupRole"]["Properties"]["Policies"]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]
