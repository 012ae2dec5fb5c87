"""The APIs' documents: up to date, valid, and true of what the handlers and services really say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import msgspec
import pytest

import app
from chalicelib.domain.alerts import AlertState
from chalicelib.protocol.commands import ACTIONS
from chalicelib.protocol.pushes import encode_notice, encode_update
from chalicelib.protocol.rule_reading import read_rule
from scripts.apidocs import frames
from scripts.apidocs.__main__ import documents, main
from scripts.apidocs.alerting import EXAMPLE_RULE
from scripts.apidocs.asyncapi import COMMANDS, asyncapi
from scripts.apidocs.openapi import openapi
from scripts.apidocs.operations import EXAMPLE_QUERY, OPERATIONS
from tests.fake_alerts import MADE_AT, rule_of
from tests.unit.services.socket_rig import API_KEY, SocketRig

ROOT = Path(__file__).parents[3]
DOCUMENTS = {"openapi": openapi, "asyncapi": asyncapi}


def test_the_files_are_what_the_types_say(capsys):
    assert main(["--check"]) == 0, capsys.readouterr().err


def test_a_file_that_is_not_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("scripts.apidocs.__main__.ROOT", tmp_path)
    assert main(["--check"]) == 1
    assert all(str(path) in capsys.readouterr().err for path in list(documents())[:1])


# --- OpenAPI ---


def test_every_route_is_documented_and_no_other():
    routes = {(method, path) for path, methods in app.app.routes.items() for method in methods if method != "OPTIONS"}
    assert {(each.method, each.path) for each in OPERATIONS} == routes


def test_every_route_may_be_asked_for_by_other_origins():
    assert all("OPTIONS" in methods for methods in app.app.routes.values())


def test_the_document_is_valid_openapi():
    schemathesis = pytest.importorskip("schemathesis")
    assert schemathesis.openapi.from_dict(openapi()).validate() is None


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_reference_leads_somewhere(name):
    document = DOCUMENTS[name]()
    references = set(re.findall(r'"\$ref": "(#[^"]+)"', json.dumps(document)))
    assert references
    for reference in references:
        node = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in node, reference
            node = node[part]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_schema_is_one(name):
    for schema in DOCUMENTS[name]()["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def fits(document, schema, instance):
    """Whether an instance is what one of a document's schemas says."""
    whole = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
    return jsonschema.Draft202012Validator(whole).is_valid(instance)


def test_the_example_of_a_query_is_one():
    assert fits(openapi(), "Query", EXAMPLE_QUERY)
    assert not fits(openapi(), "Query", {**EXAMPLE_QUERY, "form": "candles"})


def test_the_example_of_a_rule_is_one():
    assert fits(openapi(), "RuleBody", EXAMPLE_RULE)
    assert read_rule(json.dumps(EXAMPLE_RULE).encode(), id="ru_1", user="ann", now=MADE_AT).name == EXAMPLE_RULE["name"]


# --- AsyncAPI ---


def test_every_action_is_documented_and_no_other():
    assert {kind.__struct_config__.tag for kind in COMMANDS} == set(ACTIONS)


def test_the_socket_has_a_message_for_every_type_and_an_operation_for_every_command():
    document = asyncapi()
    assert document["asyncapi"] == "3.0.0"
    received = [each for each in document["operations"].values() if each["action"] == "receive"]
    assert len(received) == len(ACTIONS)
    channel = document["channels"]["stream"]["messages"]
    for operation in document["operations"].values():
        for said in [*operation["messages"], *operation.get("reply", {}).get("messages", [])]:
            assert said["$ref"].removeprefix("#/channels/stream/messages/") in channel


@pytest.fixture
def rig():
    made = SocketRig()
    made.see("price:ethereum", "100", "101")
    made.connect()
    made.rule_store.create(rule_of("ann"), limit=1)
    made.alert_states.put(AlertState(rule="ru_1", phase="firing", alert="al_1", version=1))
    return made


SAID = [
    ("subscribe", {"topics": ["price:ethereum", "prize:x", "tvl:*"], "filter": {"min_change_pct": "1"}}),
    ("unsubscribe", {"topics": ["*"]}),
    ("list", {}),
    ("ping", {}),
    ("ack", {"rule": "ru_1", "alert": "al_1"}),
]


@pytest.mark.parametrize(("action", "fields"), SAID, ids=[action for action, _ in SAID])
def test_a_reply_of_the_service_is_what_the_document_says(rig, action, fields):
    rig.ask("subscribe", topics=["price:ethereum"], filter={"chains": ["Base"]})
    reply = rig.ask(action, id=1, **fields)
    documented = getattr(frames, f"{action.capitalize()}Reply")
    msgspec.convert(reply, documented)
    assert fits(asyncapi(), documented.__name__, reply)


def test_a_refreshed_sessions_reply_is_what_the_document_says(rig):
    token = rig.tokens.issue(api_key=API_KEY, address="x").token
    reply = rig.ask("refresh", token=token)
    msgspec.convert(reply, frames.RefreshReply)


def test_a_refusal_of_the_service_is_what_the_document_says(rig):
    reply = rig.ask("subscribe", topics=[])
    msgspec.convert(reply, frames.ErrorReply)
    assert fits(asyncapi(), "ErrorReply", reply)


def test_a_frame_of_updates_is_what_the_document_says(rig):
    change = rig.store.topics["price:ethereum"].newest
    update = json.loads(encode_update(change, None, snapshot=True))
    frame = {"type": "updates", "sent_at": "2026-11-23T01:02:03.456Z", "updates": [update]}
    msgspec.convert(frame, frames.Updates)
    assert fits(asyncapi(), "Updates", frame)


@pytest.mark.parametrize("name", ["resubscribe", "going_away"])
def test_a_notice_is_what_the_document_says(rig, name):
    notice = json.loads(encode_notice(name, "text", rig.clock()))
    msgspec.convert(notice, frames.Notice)
    assert fits(asyncapi(), "Notice", notice)
