"""What a change set would do, read as CloudFormation tells it."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.deployment.changes import Change, Fate, as_text, counted, read_changes
from scripts.deployment.stateful import HOLDS, idle, losses


def detail(name: str, recreates: str = "Never", **more: Any) -> dict[str, Any]:
    target = {"Attribute": "Properties", "Name": name, "RequiresRecreation": recreates, **more.pop("target", {})}
    return {"Target": target, "Evaluation": "Static", "ChangeSource": "DirectModification", **more}


def by_attribute(name: str, entity: str) -> dict[str, Any]:
    return detail(name, "Always", Evaluation="Dynamic", ChangeSource="ResourceAttribute", CausingEntity=entity)


def modified(name: str, kind: str, replacement: str, *details: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "ResourceChange": {
            "Action": "Modify",
            "LogicalResourceId": name,
            "ResourceType": kind,
            "Replacement": replacement,
            "Details": list(details),
            **more,
        }
    }


TAGGED_KEY = modified("Key", "AWS::KMS::Key", "False", detail("Tags"))


def fates(*changes: dict[str, Any]) -> dict[str, Fate]:
    return {change.logical_id: change.fate for change in read_changes(changes)}


def test_a_new_tag_on_a_key_does_not_replace_the_database_that_names_it() -> None:
    """CloudFormation calls that conditional: every release would be refused."""
    database = modified("Database", "AWS::RDS::DBInstance", "Conditional", by_attribute("KmsKeyId", "Key.Arn"))
    assert fates(TAGGED_KEY, database) == {"Key": Fate.TAGGED, "Database": Fate.SAME}


def test_what_names_a_resource_that_is_replaced_is_perhaps_replaced() -> None:
    replaced = modified("Key", "AWS::KMS::Key", "True", detail("KeySpec", "Always"))
    database = modified("Database", "AWS::RDS::DBInstance", "Conditional", by_attribute("KmsKeyId", "Key.Arn"))
    assert fates(replaced, database)["Database"] is Fate.PERHAPS


def test_what_stays_is_found_through_others() -> None:
    queue = modified("Queue", "AWS::SQS::Queue", "Conditional", by_attribute("QueueName", "Topic.TopicName"))
    topic = modified("Topic", "AWS::SNS::Topic", "Conditional", by_attribute("TopicName", "Key.Arn"))
    assert fates(queue, topic, TAGGED_KEY)["Queue"] is Fate.SAME
    table = modified("Table", "AWS::DynamoDB::Table", "Conditional", by_attribute("TableName", "Queue.QueueName"))
    odd = modified("Topic", "AWS::SNS::Topic", "Conditional", by_attribute("TopicName", "Fn.SnapStartResponse"))
    assert fates(queue, odd, table)["Table"] is Fate.PERHAPS


def test_a_property_that_the_schema_lets_change_in_place_replaces_nothing() -> None:
    """Whoever answers for CloudFormation may not know, and says that it depends."""
    key = modified("Key", "AWS::KMS::Key", "Conditional", detail("Tags", "Conditionally"))
    reference = detail("VpcId", "Always", Evaluation="Dynamic", ChangeSource="ResourceReference", CausingEntity="Vpc")
    vpc = modified("Vpc", "AWS::EC2::VPC", "Conditional", detail("Tags", "Conditionally"))
    group = modified("Group", "AWS::EC2::SecurityGroup", "Conditional", reference, detail("SecurityGroupIngress"))
    assert fates(key, vpc, group) == {"Key": Fate.TAGGED, "Vpc": Fate.TAGGED, "Group": Fate.CHANGED}
    moved = modified("Vpc", "AWS::EC2::VPC", "Conditional", detail("CidrBlock", "Conditionally"))
    assert fates(moved, group) == {"Vpc": Fate.PERHAPS, "Group": Fate.PERHAPS}


@pytest.mark.parametrize(
    "cause",
    [
        by_attribute("KmsKeyId", "Key.LatestVersionNumber"),  # may change while the key stays
        detail("KmsKeyId", "Always", Evaluation="Dynamic"),  # the text itself
        detail("KmsKeyId", "Conditionally"),
        by_attribute("KmsKeyId", "Elsewhere.Arn"),  # a resource that the change set does not speak of
    ],
)
def test_a_doubt_that_is_not_answered_counts_as_a_replacement(cause: dict[str, Any]) -> None:
    database = modified("Database", "AWS::RDS::DBInstance", "Conditional", cause)
    assert fates(TAGGED_KEY, database)["Database"] is Fate.PERHAPS
    assert [loss.change.logical_id for loss in losses(read_changes([TAGGED_KEY, database]))] == ["Database"]


def test_a_value_that_is_the_same_before_and_after_is_no_cause() -> None:
    same = detail("Name", "Always", Evaluation="Dynamic", target={"BeforeValue": "a", "AfterValue": "a"})
    other = detail("Engine", "Never")
    database = modified("Database", "AWS::RDS::DBInstance", "Conditional", same, other)
    (change,) = read_changes([database])
    assert (change.fate, change.properties) == (Fate.CHANGED, ["Engine"])


def test_an_action_that_cloudformation_cannot_foresee_counts_as_a_replacement() -> None:
    unforeseen = modified("Table", "AWS::DynamoDB::Table", "False")
    unforeseen["ResourceChange"]["Action"] = "Dynamic"
    assert fates(unforeseen) == {"Table": Fate.PERHAPS}


def test_a_loss_says_what_is_lost_why_and_what_is_kept() -> None:
    table = modified(
        "Keys",
        "AWS::DynamoDB::Table",
        "True",
        detail("KeySchema", "Always"),
        detail("Tags"),
        PolicyAction="ReplaceAndRetain",
    )
    (loss,) = losses(read_changes([table]))
    assert str(loss) == (
        "AWS::DynamoDB::Table Keys would be replaced because of KeySchema, with its items; the old one is kept"
    )


def test_what_is_allowed_is_let_go_and_what_is_allowed_in_vain_is_told() -> None:
    changes = read_changes([modified("Keys", "AWS::DynamoDB::Table", "True", detail("KeySchema", "Always"))])
    assert losses(changes, allowed=["Keys"]) == []
    assert idle(["Keys", "Kyes"], changes) == ["Kyes"]


def test_what_matters_is_told_first_and_tags_are_counted() -> None:
    added = {"ResourceChange": {"Action": "Add", "LogicalResourceId": "New", "ResourceType": "AWS::SQS::Queue"}}
    gone = {"ResourceChange": {"Action": "Remove", "LogicalResourceId": "Old", "ResourceType": "AWS::SQS::Queue"}}
    changes = read_changes([TAGGED_KEY, added, gone])
    assert as_text(changes) == [
        "deleted           AWS::SQS::Queue Old",
        "added             AWS::SQS::Queue New",
        "tags only         1 resources",
    ]
    assert counted(changes) == "1 added, 1 tags only, 1 deleted"


def test_everything_stateful_of_the_template_is_known_to_be(assembled_types: set[str]) -> None:
    """A type with a policy to be retained holds something: whoever adds one says here what."""
    holds_nothing = {  # others use it too, or it is made again at the cost of new DNS records
        "AWS::ApiGateway::Account",
        "AWS::IAM::OIDCProvider",
        "AWS::IAM::Role",
        "AWS::SES::EmailIdentity",
    }
    assert assembled_types - HOLDS.keys() == holds_nothing


@pytest.fixture(scope="module")
def assembled_types() -> set[str]:
    from scripts.packaging.assemble import assemble

    resources = assemble("production").template["Resources"].values()
    retained = {"Retain", "Snapshot", "RetainExceptOnCreate"}
    return {one["Type"] for one in resources if one.get("DeletionPolicy") in retained}


def test_the_versions_that_every_release_brings_and_leaves_are_summed_up() -> None:
    """Twelve lines of "deleted" for what Lambda keeps would frighten whoever promotes at night."""
    version = "AWS::Lambda::Version"
    changes = [
        Change(Fate.ADDED, "PollVersion0123456789", version),
        Change(Fate.DELETED, "PollVersionabcdefabcd", version, policy="Retain"),
        Change(Fate.DELETED, "SweepVersionabcdefabcd", version),
    ]
    assert as_text(changes) == [
        "new version       Poll",
        "kept in Lambda    1 versions that leave the stack",
        f"deleted           {version} SweepVersionabcdefabcd",
    ]
    assert len(as_text(changes, verbose=True)) == 3
