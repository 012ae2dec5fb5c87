"""The token with which a function logs in to ElastiCache."""

from urllib.parse import parse_qs, urlsplit

import botocore.auth
import pytest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError
from botocore.model import ServiceId
from botocore.session import Session
from botocore.signers import RequestSigner
from redis.exceptions import AuthenticationError, RedisError

from chalicelib.adapters.redis.iam import KEEP_S, LIFE_S, IamCredentials

LONG_LIVED = ReadOnlyCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)
OF_A_ROLE = ReadOnlyCredentials("ASIAEXAMPLE", "another+secret/key", "a session/token+of==")


class At:
    def __init__(self, second: float) -> None:
        self.second = second

    def __call__(self) -> float:
        return self.second


def provider(credentials, clock=None):
    return IamCredentials(
        user="functions",
        group="Defi-Stream-Staging",
        region="eu-west-1",
        credentials=credentials if callable(credentials) else lambda: credentials,
        clock=clock or At(1_000_000.0),
    )


@pytest.mark.parametrize("credentials", [LONG_LIVED, OF_A_ROLE], ids=["long-lived", "of a role"])
def test_the_token_is_the_url_that_botocore_presigns(credentials, monkeypatch):
    """AWS's own example signs with RequestSigner: the same second gives the same bytes."""
    moment = botocore.auth.get_current_datetime()
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: moment)
    signer = RequestSigner(
        ServiceId("elasticache"),
        "eu-west-1",
        "elasticache",
        "v4",
        Credentials(*credentials[:3]),
        Session().get_component("event_emitter"),
    )
    request = {
        "method": "GET",
        "url": "http://defi-stream-staging/?Action=connect&User=functions",
        "body": {},
        "headers": {},
        "context": {},
    }
    url = signer.generate_presigned_url(request, "connect", expires_in=900, region_name="eu-west-1")
    assert provider(credentials).get_credentials() == ("functions", url.removeprefix("http://"))


def test_the_token_names_the_group_in_lower_case_the_user_and_its_life():
    user, token = provider(OF_A_ROLE).get_credentials()
    parts = urlsplit("//" + token)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert (user, parts.netloc, parts.path) == ("functions", "defi-stream-staging", "/")
    assert (query["Action"], query["User"], query["X-Amz-Expires"]) == ("connect", "functions", str(LIFE_S))
    assert query["X-Amz-Credential"].startswith("ASIAEXAMPLE/")
    assert query["X-Amz-Credential"].endswith("/eu-west-1/elasticache/aws4_request")
    assert query["X-Amz-Security-Token"] == "a session/token+of=="


def test_a_token_is_used_again_while_it_has_five_minutes_left(monkeypatch):
    times = iter(range(3))
    first = botocore.auth.get_current_datetime()
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: first.replace(second=next(times)))
    clock = At(1_000_000.0)
    tokens = provider(OF_A_ROLE, clock)
    token = tokens.get_credentials()
    clock.second += KEEP_S - 1
    assert tokens.get_credentials() == token
    clock.second += 1
    assert tokens.get_credentials() != token
    assert KEEP_S <= LIFE_S - 300


def test_new_credentials_sign_a_new_token():
    """Those of a role expire, and a token dies with them."""
    now = [LONG_LIVED]
    tokens = provider(lambda: now[0])
    tokens.get_credentials()
    now[0] = OF_A_ROLE
    assert "ASIAEXAMPLE" in tokens.get_credentials()[1]


def test_a_clock_that_was_set_back_signs_anew(monkeypatch):
    times = iter(range(2))
    first = botocore.auth.get_current_datetime()
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: first.replace(second=next(times)))
    clock = At(1_000_000.0)
    tokens = provider(OF_A_ROLE, clock)
    token = tokens.get_credentials()
    clock.second -= 60
    assert tokens.get_credentials() != token


def test_without_credentials_redis_is_down_and_the_reason_is_said():
    def none():
        raise NoCredentialsError

    with pytest.raises(AuthenticationError, match="no AWS credentials") as caught:
        provider(none).get_credentials()
    assert isinstance(caught.value, RedisError)
