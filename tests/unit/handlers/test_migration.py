"""migrate: CloudFormation always hears what became of its request, in time and in words that may be shown."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

import app as switchboard
from chalicelib.errors import SchemaError, SettingsError, StoreDownError, UnknownActionError
from chalicelib.handlers.migration import ANSWER_S
from chalicelib.ports import Migration
from chalicelib.services.schema import MigrateSchema
from tests.unit.handlers.rig import Context

URL = "https://cloudformation-custom-resource-response-useast1.s3.amazonaws.com/answer?X-Amz-Signature=s3cr3t"


class FakeSchema:
    """A database whose package has the revisions r1, r2 and r3; ``fails`` is what an upgrade raises."""

    def __init__(self) -> None:
        self.revision: str | None = None
        self.deadline = 0.0
        self.fails: Exception | None = None

    def head(self) -> str:
        return "r3"

    def current(self, *, deadline: float) -> str | None:
        return self.revision

    def upgrade(self, target: str, *, deadline: float) -> Migration:
        self.deadline = deadline
        if self.fails:
            raise self.fails
        before = self.revision
        ahead = before is not None and before > target
        self.revision = before if ahead else target
        return Migration(before, self.revision, ahead=ahead)


class Rig:
    def __init__(self) -> None:
        self.schema = FakeSchema()
        self.answers: list[tuple[str, dict[str, Any]]] = []

    @property
    def migrate_schema(self) -> MigrateSchema:
        return MigrateSchema(schema=self.schema)

    def answer(self, url: str, body: dict[str, Any]) -> None:
        self.answers.append((url, body))

    def ask(self, kind: str, revision: str | None = "r3", **more: Any) -> dict[str, Any]:
        """CloudFormation's request; returns what it was answered."""
        properties = {"ServiceToken": "arn:aws:lambda:us-east-1:123456789012:function:migrate", "Revision": revision}
        request = {
            "RequestType": kind,
            "ResponseURL": URL,
            "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/defi-stream-dev/9f1d",
            "RequestId": "5f1c",
            "ResourceType": "Custom::DatabaseSchema",
            "LogicalResourceId": "DatabaseSchema",
            "ResourceProperties": {key: value for key, value in properties.items() if value},
            **more,
        }
        switchboard.migrate(request, Context())
        ((url, body),) = self.answers
        assert url == URL
        self.answers.clear()
        return body


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    rig = Rig()
    monkeypatch.setattr(switchboard, "container", lambda: rig)
    monkeypatch.setattr(switchboard, "custom_resources", lambda: rig)
    return rig


def test_the_answer_names_the_request_and_the_revision(rig):
    assert rig.ask("Create") == {
        "Status": "SUCCESS",
        "Reason": "the schema went from nothing to r3",
        "PhysicalResourceId": "DatabaseSchema",
        "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/defi-stream-dev/9f1d",
        "RequestId": "5f1c",
        "LogicalResourceId": "DatabaseSchema",
        "Data": {"Revision": "r3"},
    }


def test_it_goes_to_the_revision_that_the_template_names(rig):
    rig.ask("Create", "r1")
    assert rig.schema.revision == "r1"
    rig.ask("Update", "r2")
    assert rig.schema.revision == "r2"


def test_without_a_revision_it_goes_to_the_newest(rig):
    assert rig.ask("Create", None)["Data"] == {"Revision": "r3"}


def test_a_rollback_succeeds_and_says_that_nothing_was_taken_back(rig):
    rig.schema.revision = "r3"
    answer = rig.ask("Update", "r2")
    assert (answer["Status"], answer["Reason"]) == ("SUCCESS", "the schema is at r3, newer than r2: left as it is")
    assert rig.schema.revision == "r3"


def test_the_resource_keeps_its_id(rig):
    """Another would have CloudFormation delete the one before."""
    assert rig.ask("Update", PhysicalResourceId="given-before")["PhysicalResourceId"] == "given-before"


def test_deletion_needs_no_database_and_touches_none(rig, monkeypatch):
    rig.schema.revision = "r2"
    monkeypatch.setattr(switchboard, "container", lambda: pytest.fail("it asked for the database"))
    assert rig.ask("Delete", PhysicalResourceId="DatabaseSchema")["Status"] == "SUCCESS"
    assert rig.schema.revision == "r2"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SchemaError("the change to r3 failed and was undone: no"), "the change to r3 failed and was undone: no"),
        (StoreDownError("db:5432 cannot be reached: timeout"), "db:5432 cannot be reached: timeout"),
        (RuntimeError("password=hunter2"), f"RuntimeError: see the log of request {Context.aws_request_id}"),
    ],
)
def test_a_failure_is_answered_with_its_reason_and_nothing_secret(rig, error, reason):
    rig.schema.fails = error
    answer = rig.ask("Create")
    assert (answer["Status"], answer["Reason"]) == ("FAILED", reason)


def test_wrong_settings_are_answered_too(rig, monkeypatch):
    def no_container() -> Any:
        raise SettingsError("bad settings: DATABASE_HOST is missing")

    monkeypatch.setattr(switchboard, "container", no_container)
    answer = rig.ask("Create")
    assert (answer["Status"], answer["Reason"]) == ("FAILED", "bad settings: DATABASE_HOST is missing")


def test_an_answer_is_below_what_cloudformation_takes(rig):
    rig.schema.fails = SchemaError("x" * 100_000)
    assert len(json.dumps(rig.ask("Create"))) < 4096


def test_the_answer_has_time_of_its_own(rig):
    rig.ask("Create")
    assert rig.schema.deadline <= time.monotonic() + Context.get_remaining_time_in_millis() / 1000 - ANSWER_S


def test_the_url_of_the_answer_is_in_no_log(rig, capsys):
    rig.schema.fails = RuntimeError("broken")
    rig.ask("Create")
    assert "s3cr3t" not in "".join(capsys.readouterr())


def test_by_hand_it_upgrades_and_tells_where_it_is(rig):
    assert switchboard.migrate({"action": "upgrade", "revision": "r2"}, Context())["revision"] == "r2"
    assert switchboard.migrate({"action": "current"}, Context()) == {
        "revision": "r2",
        "said": "the schema is at r2, this package's newest is r3",
    }
    assert switchboard.migrate({"action": "upgrade"}, Context())["said"] == "the schema went from r2 to r3"
    assert switchboard.migrate({"action": "upgrade"}, Context())["said"] == "the schema was at r3 already"


def test_by_hand_a_failure_is_an_error(rig):
    rig.schema.fails = SchemaError("no")
    with pytest.raises(SchemaError):
        switchboard.migrate({"action": "upgrade"}, Context())


@pytest.mark.parametrize("event", [{}, {"action": "downgrade"}])
def test_what_it_does_not_know_it_refuses(rig, event):
    with pytest.raises(UnknownActionError):
        switchboard.migrate(event, Context())
