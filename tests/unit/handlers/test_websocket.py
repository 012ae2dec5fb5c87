"""$connect, $default and $disconnect as API Gateway calls them."""

import json

import pytest

from tests.unit.handlers.rig import event

CONNECTION = "YBuMrfqHliACEqg="


def test_connecting_opens_the_session_that_the_authorizer_found(invoke):
    assert invoke("connect", event("websocket_connect")) == {"statusCode": 200}
    session = invoke.rig.store.sessions[CONNECTION]
    assert (session.user, session.tier, session.session_ms) == ("ann", "pro", 1795402800000)


def test_too_many_connections_are_429(invoke):
    for n in range(20):
        invoke.rig.connect(f"c{n}")
    assert invoke("connect", event("websocket_connect")) == {"statusCode": 429, "body": "too_many_connections"}


def test_a_store_that_is_down_refuses_the_handshake_as_temporary(invoke):
    invoke.rig.store.down = {"*"}
    assert invoke("connect", event("websocket_connect")) == {"statusCode": 503, "body": "store_down"}


def test_a_message_is_answered_through_the_route_response(invoke):
    invoke("connect", event("websocket_connect"))
    answer = invoke("message", event("websocket_message"))
    assert answer["statusCode"] == 200
    reply = json.loads(answer["body"])
    assert (reply["type"], reply["id"], reply["ok"]) == ("reply", 4, True)


@pytest.mark.parametrize("body", ["nonsense", "", None, "[[[[[[[[[[", "x" * 130_000])
def test_a_bad_message_is_answered_and_never_an_error_of_the_gateway(invoke, body):
    invoke("connect", event("websocket_connect"))
    answer = invoke("message", event("websocket_message", body=body))
    assert answer["statusCode"] == 200
    assert 1000 <= json.loads(answer["body"])["error"]["code"] < 1100


def test_a_message_of_a_connection_that_the_store_lost_makes_its_session_again(invoke):
    answer = invoke("message", event("websocket_message"))
    assert json.loads(answer["body"])["ok"]
    assert invoke.rig.jobs.messages(CONNECTION)[0]["name"] == "resubscribe"
    # connectedAt of the event and two hours and ten minutes: not from now
    assert invoke.rig.store.sessions[CONNECTION].ends_ms == 1795399199123 + 7800_000


def test_a_failing_store_is_said_in_the_protocols_words(invoke):
    invoke.rig.store.down = {"*"}
    reply = json.loads(invoke("message", event("websocket_message"))["body"])
    assert (reply["id"], reply["error"]["code"]) == (4, 5001)


def test_disconnecting_ends_the_session_and_leaves_a_tombstone(invoke):
    invoke("connect", event("websocket_connect"))
    assert invoke("disconnect", event("websocket_disconnect")) == {"statusCode": 200}
    assert invoke.rig.store.sessions == {}
    assert CONNECTION in invoke.rig.store.tombstones


def test_a_disconnect_without_an_authorizers_context_is_handled(invoke):
    sent = event("websocket_disconnect")
    del sent["requestContext"]["authorizer"]
    assert invoke("disconnect", sent) == {"statusCode": 200}
