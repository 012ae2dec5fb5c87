"""The signer agrees with botocore, which agrees with AWS."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import pytest
from botocore import auth, awsrequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.connections.signer import Signer, hash_payload, signing_key

MOMENT = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
PLAIN = ReadOnlyCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)
SESSION = ReadOnlyCredentials("ASIAEXAMPLE", "secret/+=", "IQoJb3JpZ2luX2VjE//////////wEaCXVzLWVhc3QtMSJ=")

api_ids = st.binary(min_size=1, max_size=40).map(lambda raw: urlsafe_b64encode(raw).decode())
any_ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1).filter(
    lambda text: text not in (".", "..")  # botocore resolves these as directories; no gateway gives them out
)


def make_signer(credentials=PLAIN, *, method="POST", host="abc.execute-api.eu-west-1.amazonaws.com", path="/ws"):
    return Signer(
        method,
        host=host,
        base_path=path,
        region="eu-west-1",
        credentials=lambda: credentials,
        clock=MOMENT.timestamp,
    )


def by_botocore(monkeypatch, credentials, method, url, body):
    """The Authorization header that botocore's signer gives the same request."""
    monkeypatch.setattr(auth, "get_current_datetime", lambda: MOMENT.replace(tzinfo=None))
    request = awsrequest.AWSRequest(method=method, url=url, data=body)
    auth.SigV4Auth(credentials, "execute-api", "eu-west-1").add_auth(request)
    return request.headers["Authorization"]


def authorization(head: bytes) -> str:
    return head.decode().rpartition("authorization: ")[2]


def url_of(head: bytes, host: str) -> str:
    return f"https://{host}{head.split(b' ')[1].decode()}"


@pytest.mark.parametrize("credentials", [PLAIN, SESSION], ids=["user", "session"])
@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("host", ["abc.execute-api.eu-west-1.amazonaws.com", "127.0.0.1:4567"])
@pytest.mark.parametrize("path", ["", "/ws", "/_aws/execute-api/a1/dev~x"])
def test_a_signature_is_botocores(monkeypatch, credentials, method, host, path):
    body = b'{"type":"updates"}' if method == "POST" else b""
    head = make_signer(credentials, method=method, host=host, path=path).head("L0SM9cOFvHcCIhw=", hash_payload(body))
    assert f"{path}/@connections/L0SM9cOFvHcCIhw%3D" == head.split(b" ")[1].decode()
    assert authorization(head) == by_botocore(monkeypatch, credentials, method, url_of(head, host), body)


@given(connection=st.one_of(api_ids, any_ids), body=st.binary(max_size=200))
def test_any_id_and_body_are_signed_as_botocore_does(connection, body):
    with pytest.MonkeyPatch.context() as patch:
        head = make_signer().head(connection, hash_payload(body))
        url = url_of(head, "abc.execute-api.eu-west-1.amazonaws.com")
        assert authorization(head) == by_botocore(patch, PLAIN, "POST", url, body)


def test_the_session_token_is_sent_and_signed():
    head = make_signer(SESSION).head("a=", hash_payload(b"")).decode()
    assert f"x-amz-security-token: {SESSION.token}\r\n" in head
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token" in head


def test_a_new_second_brings_a_new_date_and_new_credentials():
    now = [MOMENT.timestamp()]
    credentials = [PLAIN]
    signer = Signer(
        "POST", host="h", base_path="", region="r", credentials=lambda: credentials[0], clock=lambda: now[0]
    )
    first = signer.head("a", b"0")
    credentials[0] = SESSION
    assert signer.head("a", b"0") == first
    now[0] += 1
    second = signer.head("a", b"0")
    assert b"20261123T010204Z" in second
    assert b"ASIAEXAMPLE" in second


def test_refresh_reads_the_credentials_within_the_second():
    credentials = [PLAIN]
    signer = Signer("POST", host="h", base_path="", region="r", credentials=lambda: credentials[0], clock=lambda: 0.5)
    signer.head("a", b"0")
    credentials[0] = SESSION
    signer.refresh()
    assert b"ASIAEXAMPLE" in signer.head("a", b"0")


def test_a_days_key_is_derived_once():
    signing_key.cache_clear()
    signer = make_signer()
    signer.head("a", b"0")
    signer.refresh()
    signer.head("a", b"0")
    assert signing_key.cache_info().misses == 1
