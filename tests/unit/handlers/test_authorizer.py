"""The REQUEST authorizer: a policy, a 401 or a 403."""

import contextlib

import pytest
import structlog

from chalicelib.errors import StoreDownError
from localcloud.cloudwatch.emf import read_emf
from tests.unit.handlers.rig import event
from tests.unit.services.socket_rig import API_KEY

ARN = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/ws/$connect"


def effect(policy):
    (statement,) = policy["policyDocument"]["Statement"]
    assert statement["Resource"] == ARN
    return statement["Effect"]


def test_a_key_in_a_header_allows_and_says_who_it_is_in_texts(invoke):
    policy = invoke("authorize", event("authorizer_request"))
    assert (effect(policy), policy["principalId"]) == ("Allow", "ann")
    assert set(policy["context"]) == {"user", "tier", "session_ms"}
    assert all(isinstance(value, str) for value in policy["context"].values())


def test_a_token_in_the_query_allows(invoke):
    token = invoke.rig.tokens.issue(api_key=API_KEY, address="a").token
    sent = event("authorizer_request", queryStringParameters={"token": token})
    sent["headers"].pop("x-api-key")
    assert effect(invoke("authorize", sent)) == "Allow"
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        invoke("authorize", sent)  # used up


def test_names_of_headers_have_no_case(invoke):
    sent = event("authorizer_request")
    sent["headers"]["X-API-Key"] = sent["headers"].pop("x-api-key")
    assert effect(invoke("authorize", sent)) == "Allow"


@pytest.mark.parametrize(
    ("headers", "query"), [({}, {}), ({}, None), (None, None), ({"x-api-key": "ds_wrong"}, {}), ({}, {"token": "x"})]
)
def test_who_shows_nothing_good_is_unauthorized_in_exactly_that_word(invoke, headers, query):
    sent = event("authorizer_request", headers=headers, queryStringParameters=query)
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        invoke("authorize", sent)


def test_a_refusal_is_told_and_is_no_failure(invoke):
    """Every stranger would put a stack trace in the log otherwise."""
    with structlog.testing.capture_logs() as lines, pytest.raises(Exception, match=r"^Unauthorized$"):
        invoke("authorize", event("authorizer_request", headers={"x-api-key": "ds_wrong"}))
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("handshake_refused", "info"),
        ("invocation_ended", "info"),
    ]


def test_a_handshake_without_a_query_string_has_no_such_field(invoke):
    sent = event("authorizer_request")
    del sent["queryStringParameters"], sent["multiValueQueryStringParameters"]
    assert effect(invoke("authorize", sent)) == "Allow"


def test_another_origin_is_denied_and_learns_nothing(invoke):
    sent = event("authorizer_request")
    sent["headers"]["Origin"] = "https://elsewhere.example"
    policy = invoke("authorize", sent)
    assert (effect(policy), policy["principalId"], policy["context"]) == ("Deny", "nobody", {})


def test_a_store_that_is_down_is_neither_401_nor_403(invoke):
    invoke.rig.secrets.secrets.clear()
    with pytest.raises(StoreDownError):
        invoke("authorize", event("authorizer_request", queryStringParameters={"token": "a.b.c"}))


def test_the_edges_headers_are_read_each_under_its_own_name(invoke, monkeypatch):
    behind = invoke.rig.authorizer(origin_secret_ids=("a", "b"))
    monkeypatch.setattr(invoke.container, "authorize_connection", behind)
    told = []
    for sent in ({"X-Origin-Verify-A": "a-2"}, {"x-origin-verify-b": "b-1"}, {"x-origin-verify-b": "a-2"}, {}):
        handshake = event("authorizer_request")
        handshake["headers"] |= sent
        told.append(effect(invoke("authorize", handshake)))
    assert told == ["Allow", "Allow", "Deny", "Deny"]


@pytest.mark.parametrize(("key", "unauthorized"), [(API_KEY, 0), ("ds_wrong", 1)])
def test_every_handshake_says_in_a_number_whether_it_was_unauthorized(invoke, capsys, key, unauthorized):
    """Alarms subtract it from Lambda's errors; CloudWatch drops a line with a truth in it."""
    with contextlib.suppress(Exception):
        invoke("authorize", event("authorizer_request", headers={"x-api-key": key}))
    lines = [line for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    found = {datum.name: list(datum.values) for line in lines for datum in read_emf(line)}
    assert found["HandshakesUnauthorized"] == [unauthorized]
