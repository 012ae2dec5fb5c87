"""What HttpWebhooks does with receivers that are there: signatures, TLS, and every way to behave badly."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from chalicelib.adapters.webhooks import HttpWebhooks
from chalicelib.services.endpoints import new_secret
from tests.receiver import answers, drips, floods, is_silent, receiving, says
from tests.tls_redis import certify

BODY = '{"type":"alert.firing","data":{"name":"Ä"}}'.encode()
SECRET = new_secret()


def send(receiver, *, secrets=(SECRET,), timeout_s=5.0, at=None):
    webhooks = HttpWebhooks(to_private=True, timeout_s=timeout_s)
    at = at or datetime.now(UTC)
    return webhooks.send(receiver.url("/hook?key=1"), BODY, message_id="msg_1", secrets=secrets, at=at)


def test_what_arrives_is_a_signed_post():
    with receiving(answers(204)) as receiver:
        answer = send(receiver)
    (got,) = receiver.got
    assert (answer.arrived, answer.status, answer.error) == (True, 204, "")
    assert (got.line, got.body) == ("POST /hook?key=1 HTTP/1.1", BODY)
    assert got.headers["content-type"] == "application/json"
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert Webhook(SECRET).verify(got.body, got.headers) == {"type": "alert.firing", "data": {"name": "Ä"}}


def test_with_two_live_secrets_either_verifies_and_no_other():
    older = new_secret()
    with receiving(answers(200)) as receiver:
        send(receiver, secrets=(SECRET, older))
    (got,) = receiver.got
    for secret in (SECRET, older):
        Webhook(secret).verify(got.body, got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(got.body, got.headers)


def test_a_body_that_was_changed_on_the_way_does_not_verify():
    with receiving(answers(200)) as receiver:
        send(receiver)
    (got,) = receiver.got
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(got.body.replace(b"firing", b"friing"), got.headers)


@pytest.mark.parametrize("status", [400, 404, 410, 500, 503])
def test_an_error_is_told_with_its_status_and_the_beginning_of_its_body(status):
    with receiving(answers(status, b"<h1>\x00Sorry\r\n " + b"so" * 500)) as receiver:
        answer = send(receiver)
    assert (answer.arrived, answer.status, answer.error) == (False, status, f"answered {status}")
    assert answer.text.startswith("<h1>Sorry so")
    assert len(answer.text) == 200


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status):
    with receiving(answers(200)) as elsewhere, receiving(answers(status, location=elsewhere.url())) as receiver:
        answer = send(receiver)
    assert (answer.arrived, answer.error) == (False, f"answered {status}: redirects are not followed")
    assert elsewhere.got == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("Mon, 23 Nov 2026 02:05:00 GMT", 300),
        ("Mon, 23 Nov 2026 01:00:00 GMT", 0),
        ("999999999999999999999", 86_400),
        ("-5", 0),
        ("soon", 0),
        ("Mon, 23 Nov 99999999999999999999 02:05:00 GMT", 0),
    ],
)
def test_retry_after_is_read_in_both_its_forms(header, seconds):
    with receiving(answers(503, retry_after=header)) as receiver:
        answer = send(receiver, at=datetime(2026, 11, 23, 2, 0, tzinfo=UTC))
    assert answer.retry_after_s == seconds


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not HTTP"),
        (b"HTTP/1.1 abc\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\na: " + b"b" * 100_000 + b"\r\n\r\n", "not HTTP"),
        (b"", "closed without an answer"),
    ],
)
def test_garbage_is_no_answer(raw, error):
    with receiving(says(raw)) as receiver:
        answer = send(receiver)
    assert not answer.arrived
    assert error in answer.error


@pytest.mark.parametrize("behaviour", [is_silent, drips])
def test_who_is_slow_is_given_up_in_time(behaviour):
    """A byte every 20 ms would keep a time limit of each read from ever being met."""
    with receiving(behaviour) as receiver:
        answer = send(receiver, timeout_s=0.3)
    assert (answer.arrived, answer.error) == (False, "no answer within 0.3 s")
    assert answer.duration_ms >= 300


def test_of_a_body_without_end_the_beginning_is_read():
    with receiving(floods) as receiver:
        answer = send(receiver)
    assert (answer.arrived, answer.text) == (True, "x" * 200)
    assert receiver.sent_bytes < 50_000_000  # what the system's buffers took, not the gigabyte


def test_a_status_counts_even_if_its_body_never_comes():
    with receiving(says(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")) as receiver:
        assert send(receiver).arrived


def test_a_receiver_that_is_not_there_is_no_connection():
    with receiving(answers(200)) as receiver:
        pass
    answer = send(receiver)
    assert (answer.arrived, answer.error) == (False, "no connection: Connection refused")


@pytest.fixture
def tls(tmp_path):
    """What a receiver called localhost has, and who trusts it."""
    certify(tmp_path, "localhost")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    return server, ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))


def over_tls(receiver, context, host="localhost"):
    webhooks = HttpWebhooks(to_private=True, tls=context, resolve=lambda *_: ["127.0.0.1"])
    url = receiver.url(scheme="https", host=host)
    return webhooks.send(url, BODY, message_id="msg_1", secrets=[SECRET], at=datetime.now(UTC))


def test_over_tls_the_certificate_has_to_be_of_the_name_although_an_address_is_connected_to(tls):
    server, trusting = tls
    with receiving(answers(204), tls=server) as receiver:
        assert over_tls(receiver, trusting).arrived
        answer = over_tls(receiver, trusting, host="elsewhere.example")
    assert not answer.arrived
    assert "elsewhere.example" in answer.error


def test_a_certificate_of_its_own_making_is_refused(tls):
    server, _ = tls
    with receiving(answers(204), tls=server) as receiver:
        answer = over_tls(receiver, None)
    assert (answer.arrived, receiver.got) == (False, [])
    assert answer.error.startswith("TLS failed: self")
