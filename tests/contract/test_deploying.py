"""Releases deployed, refused, promoted and taken back, against an emulator of CloudFormation, S3 and Lambda."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.artifacts import Artifacts
from scripts.deployment import records
from scripts.deployment.account import Account
from scripts.deployment.changes import Fate
from scripts.deployment.console import Console
from scripts.deployment.deploying import Deploying
from scripts.deployment.errors import RefusedError, RolledBackError, StackError
from scripts.deployment.going_back import GoingBack
from scripts.deployment.options import Options, Result
from scripts.deployment.stack import stack_name
from scripts.deployment.waiting import Waiting
from tests.conftest import DeployedStack
from tests.releases import LINE, STAGE, function, queue, write_release

TABLE = {
    "Type": "AWS::DynamoDB::Table",
    "Properties": {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    },
}
YES = Options(yes=True)


@dataclass
class OwnStage:
    """One test's stage in the emulator's account: its stack, its bucket, and what was said."""

    deploying: Deploying
    folder: Path
    said: io.StringIO

    def deploy(self, version: str, resources: dict[str, Any], options: Options = YES, **how: Any) -> Result:
        folder = write_release(self.folder / version, version, resources, **how)
        return self.deploying.deploy(self.deploying.artifacts.upload(folder), options)

    def client(self, service: str) -> Any:
        return self.deploying.account.client(service)

    @property
    def history(self) -> list[records.Record]:
        return self.deploying.artifacts.history(STAGE)


@pytest.fixture
def account(ministack: DeployedStack, tmp_path: Path) -> Iterator[OwnStage]:
    clients, bucket = Account(ministack.aws.client), f"artifacts-{uuid.uuid4().hex[:8]}"
    clients.client("s3").create_bucket(Bucket=bucket)
    said = io.StringIO()
    console = Console(verbose=True, out=said)
    artifacts = Artifacts(clients.client("s3"), bucket)
    yield OwnStage(Deploying(clients, artifacts, STAGE, console=console, waiting=Waiting(every_s=0.02)), tmp_path, said)
    cloudformation = clients.client("cloudformation")
    cloudformation.delete_stack(StackName=stack_name(STAGE))
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=stack_name(STAGE), WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )


def test_a_release_is_deployed_and_on_record(account: OwnStage) -> None:
    result = account.deploy("v1", {"Waiting": queue()})
    (record,) = account.history
    assert result.outcome == record.outcome == records.DEPLOYED
    assert (record.version, record.revision, record.previous) == ("v1", "r1", None)
    assert record.started < record.finished
    assert result.record == record


def test_the_difference_between_two_releases_is_told_by_resource_and_property(account: OwnStage) -> None:
    account.deploy(
        "v1", {"Waiting": queue(VisibilityTimeout=30), "Other": queue(), "Going": {"Type": "AWS::SNS::Topic"}}
    )
    after = {"Waiting": queue(VisibilityTimeout=60), "Other": queue(), "Coming": queue()}
    result = account.deploy("v2", after, Options(yes=True, allow_replace=["Going"]))
    fates = {change.logical_id: change.fate for change in result.changes}
    assert fates == {
        "Waiting": Fate.CHANGED,
        "Other": Fate.TAGGED,
        "Coming": Fate.ADDED,
        "Going": Fate.DELETED,
    }
    (waiting,) = [change for change in result.changes if change.logical_id == "Waiting"]
    assert "VisibilityTimeout" in waiting.properties


def test_a_dry_run_shows_and_leaves_nothing(account: OwnStage) -> None:
    result = account.deploy("v1", {"Waiting": queue()}, Options(dry_run=True))
    assert [change.fate for change in result.changes] == [Fate.ADDED]
    assert account.deploying.stack.state() is None
    assert account.history == []

    account.deploy("v1", {"Waiting": queue()})
    account.deploy("v2", {"Waiting": queue(DelaySeconds=1)}, Options(dry_run=True))
    listed = account.client("cloudformation").list_change_sets(StackName=stack_name(STAGE))["Summaries"]
    assert [one["ChangeSetName"] for one in listed if one["ExecutionStatus"] == "AVAILABLE"] == []
    assert account.deploying.stack.state().parameters["Version"] == "v1"


@pytest.mark.parametrize("after", [{"Waiting": queue()}, {"Waiting": queue(), "Items": {**TABLE, "x": 1}}])
def test_what_holds_data_is_neither_deleted_nor_replaced_unless_that_is_named(
    account: OwnStage, after: dict[str, Any]
) -> None:
    account.deploy("v1", {"Waiting": queue(), "Items": TABLE})
    if "Items" in after:
        renamed = {**TABLE["Properties"], "TableName": f"items-{uuid.uuid4().hex[:8]}"}
        after = {**after, "Items": {"Type": TABLE["Type"], "Properties": renamed}}
    with pytest.raises(
        RefusedError, match=r"Items would be (deleted|replaced)[^\n]* with its items(.|\n)*--allow-replace Items"
    ):
        account.deploy("v2", after)
    assert account.deploying.stack.state().parameters["Version"] == "v1"
    assert account.deploy("v3", after, Options(yes=True, allow_replace=["Items"])).outcome == records.DEPLOYED


def test_what_cannot_be_made_is_taken_back_and_on_record(account: OwnStage) -> None:
    account.deploy("v1", {"Waiting": queue()})
    with pytest.raises(RolledBackError, match=r"UPDATE_ROLLBACK_COMPLETE:\n  Waiting \(AWS::SQS::Queue\)"):
        account.deploy("v2", {"Waiting": queue(VisibilityTimeout=-5)})
    newest, before = account.history
    assert (newest.version, newest.outcome, before.outcome) == ("v2", records.ROLLED_BACK, records.DEPLOYED)
    assert "VisibilityTimeout" in newest.reason
    assert records.serving(account.history) == before


def test_a_failed_first_deployment_is_deleted_only_when_told(account: OwnStage) -> None:
    with pytest.raises(RolledBackError):
        account.deploy("v1", {"Waiting": queue(VisibilityTimeout=-5)})
    with pytest.raises(RefusedError, match=r"first deployment failed(.|\n)*delete-stack"):
        account.deploy("v2", {"Waiting": queue()}, Options())
    assert account.deploy("v3", {"Waiting": queue()}).outcome == records.DEPLOYED


def test_what_was_changed_by_hand_is_shown_and_not_overwritten_unasked(account: OwnStage) -> None:
    account.deploy("v1", {"Waiting": queue(VisibilityTimeout=30)})
    (waiting,) = account.deploying.stack.resources()
    account.client("sqs").set_queue_attributes(QueueUrl=waiting.physical_id, Attributes={"VisibilityTimeout": "77"})
    with pytest.raises(RefusedError, match="--accept-drift"):
        account.deploy("v2", {"Waiting": queue(VisibilityTimeout=31)})
    assert "AWS::SQS::Queue Waiting: /VisibilityTimeout" in account.said.getvalue()
    accepted = Options(yes=True, accept_drift=True)
    assert account.deploy("v3", {"Waiting": queue(VisibilityTimeout=31)}, accepted).outcome == records.DEPLOYED


def test_a_change_that_is_going_on_is_followed_to_its_end_and_recorded(account: OwnStage) -> None:
    """The program that began it is gone."""
    account.deploy("v1", {"Waiting": queue()})
    deploying = account.deploying
    more = {f"More{number}": queue() for number in range(20)}
    release = deploying.artifacts.upload(write_release(account.folder / "v2", "v2", {"Waiting": queue(), **more}))
    proposal = deploying.proposing.propose(release, YES, deploying.stack.state())
    assert proposal is not None
    deploying.artifacts.keep(deploying.begin(release, records.DEPLOY))
    deploying.proposing.changes.execute(proposal)

    result = deploying.resume()
    assert result is not None
    assert result.record is not None
    assert (result.record.version, result.record.outcome) == ("v2", records.DEPLOYED)
    assert deploying.resume() is None
    assert account.history[0] == result.record


def test_a_value_that_was_once_given_stays_and_a_changed_default_arrives(account: OwnStage) -> None:
    def declared(default: str) -> dict[str, Any]:
        one = {"Type": "String", "Default": default}
        return {"Kept": one, "Followed": one}

    given = Options(yes=True, parameters={"Kept": "mine"})
    account.deploy("v1", {"Waiting": queue()}, given, parameters=declared("old"))
    account.deploy("v2", {"Waiting": queue()}, parameters=declared("new"))
    values = account.deploying.stack.state().parameters
    assert (values["Kept"], values["Followed"]) == ("mine", "new")


def test_a_value_that_aws_would_refuse_is_refused_before(account: OwnStage) -> None:
    with pytest.raises(RefusedError, match="Nonsense: the template has no such parameter"):
        account.deploy("v1", {"Waiting": queue()}, Options(yes=True, parameters={"Nonsense": "1"}))
    assert account.deploying.stack.state() is None


# --- promotion ---


def test_the_same_version_is_the_same_bytes(account: OwnStage) -> None:
    artifacts = account.deploying.artifacts
    first = artifacts.upload(write_release(account.folder / "a", "v1", {"Waiting": queue()}))
    assert artifacts.release("v1") == first
    with pytest.raises(RefusedError, match="version v1 is another release already"):
        artifacts.upload(write_release(account.folder / "b", "v1", {"Waiting": queue(DelaySeconds=1)}))
    with pytest.raises(RefusedError, match="no release v2"):
        artifacts.release("v2")


def test_an_object_that_was_exchanged_is_not_deployed(account: OwnStage) -> None:
    artifacts = account.deploying.artifacts
    release = artifacts.upload(write_release(account.folder / "a", "v1", {"Waiting": queue()}))
    account.client("s3").put_object(Bucket=artifacts.bucket, Key=release.zip_key, Body=b"something else")
    with pytest.raises(RefusedError, match=r"functions/\w+\.zip is not what release v1 was made of"):
        account.deploying.deploy(release, YES)
    assert account.deploying.stack.state() is None


def test_a_release_for_other_machines_is_refused(account: OwnStage) -> None:
    with pytest.raises(RefusedError, match="packaged for aws, and here local runs it"):
        account.deploy("v1", {"Waiting": queue()}, target="aws")


# --- back ---


@pytest.fixture
def name() -> str:
    return f"fn-{uuid.uuid4().hex[:8]}"


def serving(account: OwnStage, name: str) -> str:
    return str(account.client("lambda").get_alias(FunctionName=name, Name="live")["FunctionVersion"])


def mark(account: OwnStage, name: str) -> str:
    """Of the version that serves."""
    found = account.client("lambda").get_function_configuration(FunctionName=name, Qualifier="live")
    return str(found["Environment"]["Variables"]["MARK"])


def test_back_to_the_release_before_by_alias_and_then_by_stack(account: OwnStage, name: str) -> None:
    account.deploy("v1", function(name, "A"))
    first = serving(account, name)
    account.deploy("v2", function(name, "B"))
    assert (mark(account, name), account.history[0].aliases) == (
        "B",
        {name: {"from": first, "to": serving(account, name)}},
    )

    going_back = GoingBack(account.deploying)
    plan = going_back.plan(None)
    assert (plan.to.version, plan.versions) == ("v1", {name: first})
    result = going_back.run(plan)
    assert result.record is not None
    assert (result.record.version, result.record.kind, result.record.previous) == ("v1", records.ROLLBACK, "v2")
    assert mark(account, name) == "A"
    assert account.deploying.stack.state().parameters["Version"] == "v1"


def test_after_a_rollback_the_release_that_was_left_is_not_gone_back_to(account: OwnStage, name: str) -> None:
    for version, kind in (("v1", "A"), ("v2", "B"), ("v3", "C")):
        account.deploy(version, function(name, kind))
    going_back = GoingBack(account.deploying)
    assert going_back.run(going_back.plan(None)).record.version == "v2"
    assert going_back.plan(None).to.version == "v1"
    assert going_back.plan("v3").to.version == "v3"


def test_a_stage_whose_aliases_were_moved_and_whose_stack_was_not_is_not_deployed_to(
    account: OwnStage, name: str
) -> None:
    """CodeDeploy would refuse to shift traffic from a version that CloudFormation does not know of."""
    account.deploy("v1", function(name, "A"))
    first = serving(account, name)
    account.deploy("v2", function(name, "B"))
    account.deploying.aliases().move({name: first})
    with pytest.raises(RefusedError, match=r"python -m scripts\.rollback dev"):
        account.deploy("v3", function(name, "C"))


def test_no_alias_moves_if_one_version_is_gone(account: OwnStage, name: str) -> None:
    account.deploy("v1", function(name, "A"))
    before = serving(account, name)
    with pytest.raises(RefusedError, match=f"{name}:99"):
        account.deploying.aliases().move({name: "99"})
    assert serving(account, name) == before


def test_a_rollback_past_two_changes_of_the_schema_is_refused(account: OwnStage, name: str) -> None:
    second = [*LINE, {"revision": "r2", "oldest_code": "r1"}]
    third = [*second, {"revision": "r3", "oldest_code": "r2"}]
    account.deploy("v1", function(name, "A"))
    account.deploy("v2", function(name, "B"), schema=second)
    account.deploy("v3", function(name, "C"), schema=third)
    going_back = GoingBack(account.deploying)
    assert going_back.plan(None).to.version == "v2"
    with pytest.raises(RefusedError, match="v1 cannot serve again: the database has had revision r3"):
        going_back.plan("v1")


def test_a_rollback_with_nothing_to_go_back_to_says_so(account: OwnStage, name: str) -> None:
    account.deploy("v1", function(name, "A"))
    with pytest.raises(RefusedError, match="no other release"):
        GoingBack(account.deploying).plan(None)


def test_versions_that_no_kept_release_had_are_deleted(account: OwnStage, name: str) -> None:
    client = account.client("lambda")
    account.deploy("v1", function(name, "A"))
    for number in range(2, 5):
        account.deploy(f"v{number}", function(name, "ABCDEF"[number]))
    kept = account.history[:1]  # as if the others were too long ago
    gone = account.deploying.aliases().prune(kept)
    left = {one["Version"] for one in client.list_versions_by_function(FunctionName=name)["Versions"]}
    assert left - {"$LATEST"} == set(kept[0].aliases[name].values())
    assert gone
    assert account.deploying.aliases().prune(kept) == []


def test_a_release_that_was_taken_back_leaves_no_version_behind(account: OwnStage, name: str) -> None:
    """Lambda publishes nothing that is like the newest version: the same release could not be tried again."""
    account.deploy("v1", function(name, "A"))
    stuck = {**queue(VisibilityTimeout=-5), "DependsOn": "Live"}
    with pytest.raises(RolledBackError):
        account.deploy("v2", {**function(name, "B"), "Stuck": stuck})
    listed = account.client("lambda").list_versions_by_function(FunctionName=name)["Versions"]
    assert [one["Version"] for one in listed] == ["$LATEST", serving(account, name)]
    assert "versions of functions that were published and taken back, deleted: 1" in account.said.getvalue()
    assert account.deploy("v3", function(name, "B")).outcome == records.DEPLOYED
    assert mark(account, name) == "B"


def test_a_bucket_that_is_not_there_is_said(account: OwnStage) -> None:
    with pytest.raises(StackError, match="nowhere-at-all"):
        Artifacts(account.client("s3"), "nowhere-at-all").history(STAGE)
