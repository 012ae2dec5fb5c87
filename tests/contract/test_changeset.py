"""Stacks by change set, against an emulator of CloudFormation."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping

import pytest

from scripts.changeset import ChangeSet, StackError, StackEvent
from tests.conftest import DeployedStack


@pytest.fixture
def change(ministack: DeployedStack) -> ChangeSet:
    """Of a stack of the test's own."""
    return ChangeSet(ministack.aws.client("cloudformation"), f"test-{uuid.uuid4().hex[:8]}", every_s=0.02)


def template(**properties: object) -> Mapping[str, str]:
    queue = {"Type": "AWS::SQS::Queue", "Properties": properties}
    body = {"Resources": {"Waiting": queue}, "Outputs": {"Url": {"Value": {"Ref": "Waiting"}}}}
    return {"TemplateBody": json.dumps(body)}


def test_a_stack_is_created_and_each_resource_told_of(change: ChangeSet) -> None:
    events: list[StackEvent] = []
    outputs = change.deploy(template(), {}, on_event=events.append)
    assert outputs["Url"].startswith("http")
    told = [(event.logical_id, event.status) for event in events]
    assert told.index(("Waiting", "CREATE_IN_PROGRESS")) < told.index(("Waiting", "CREATE_COMPLETE"))
    assert [(found.logical_id, found.type) for found in change.stack.resources()] == [("Waiting", "AWS::SQS::Queue")]


def test_a_second_deployment_updates_and_tells_only_of_itself(change: ChangeSet) -> None:
    created = change.deploy(template(VisibilityTimeout=30), {})
    events: list[StackEvent] = []
    assert change.deploy(template(VisibilityTimeout=60), {}, on_event=events.append) == created
    assert {event.status for event in events if event.logical_id == "Waiting"} == {
        "UPDATE_IN_PROGRESS",
        "UPDATE_COMPLETE",
    }


def test_nothing_to_change_is_success(change: ChangeSet) -> None:
    events: list[StackEvent] = []
    created = change.deploy(template(), {})
    assert change.deploy(template(), {}, on_event=events.append) == created
    assert events == []


def test_no_empty_change_sets_pile_up(change: ChangeSet, ministack: DeployedStack) -> None:
    change.deploy(template(), {})
    for _ in range(3):
        change.deploy(template(), {})
    listed = ministack.aws.client("cloudformation").list_change_sets(StackName=change.stack.name)["Summaries"]
    assert [found for found in listed if found["Status"] == "FAILED"] == []


def test_a_resource_that_cannot_be_made_fails_with_its_name_and_reason(change: ChangeSet) -> None:
    with pytest.raises(StackError, match=r"ROLLBACK_COMPLETE(?s:.*)Waiting \(AWS::SQS::Queue\): .*VisibilityTimeout"):
        change.deploy(template(VisibilityTimeout=-5), {})


def test_an_unknown_type_fails_before_anything_is_made(change: ChangeSet) -> None:
    stranger = {"TemplateBody": json.dumps({"Resources": {"Stranger": {"Type": "AWS::NoSuch::Thing"}}})}
    with pytest.raises(StackError, match="AWS::NoSuch::Thing"):
        change.deploy(stranger, {})
