"""Logging in to a real Redis over TLS with a signed token."""

import itertools

import pytest
import redis
from botocore.credentials import ReadOnlyCredentials

from chalicelib.adapters.redis.client import Redis
from chalicelib.adapters.redis.iam import KEEP_S, IamCredentials
from chalicelib.errors import StoreDownError
from tests.tls_redis import TlsRedis

USER = "functions"


@pytest.fixture
async def server(tmp_path):
    server = TlsRedis(tmp_path / "redis", user=USER)
    await server.start()
    yield server
    await server.stop()


def credentials(clock=lambda: 1_000_000.0):
    keys = (ReadOnlyCredentials(f"ASIA{number}", "secret", "token") for number in itertools.count())
    held = [next(keys)]

    def signed_by():
        return held[0]

    provider = IamCredentials(user=USER, group="stream", region="us-east-1", credentials=signed_by, clock=clock)
    return provider, lambda: held.__setitem__(0, next(keys))


def accept_only(server, token):
    """As ElastiCache judges tokens: this one, and no other password."""
    with server.admin() as admin:
        admin.acl_setuser(USER, enabled=True, reset=True, passwords=[f"+{token}"], keys=["*"], categories=["+@all"])


def test_the_token_is_the_password_of_a_fenced_connection(server):
    """Logged in first, fenced next, then the first command."""
    provider, _ = credentials()
    accept_only(server, provider.get_credentials()[1])
    store = Redis(server.tls_url, credentials=provider)
    assert store.call(lambda client: client.acl_whoami()) == USER
    with server.admin() as admin:
        assert admin.hgetall("fence")


def test_a_token_that_is_refused_is_redis_being_down(server):
    provider, change = credentials()
    accept_only(server, provider.get_credentials()[1])
    change()
    with pytest.raises(StoreDownError, match="AuthenticationError"):
        Redis(server.tls_url, credentials=provider).call(lambda client: client.ping())


def test_a_connection_that_the_server_ended_is_opened_again_with_the_token_of_then(server):
    """ElastiCache ends every one after twelve hours; the token it was opened with is long dead by then."""
    at = [1_000_000.0]
    provider, change = credentials(lambda: at[0])
    accept_only(server, provider.get_credentials()[1])
    store = Redis(server.url, credentials=provider)  # past the TLS, where an ended connection shows at once
    store.call(lambda client: client.ping())
    change()
    at[0] += KEEP_S
    accept_only(server, provider.get_credentials()[1])
    with server.admin() as admin:
        admin.client_kill_filter(user=USER)
    assert store.call(lambda client: client.acl_whoami()) == USER


def test_who_brings_no_token_is_refused(server):
    with pytest.raises(StoreDownError):
        Redis(server.tls_url).call(lambda client: client.ping())


def test_a_certificate_that_nobody_vouches_for_is_refused(server):
    """The token is never sent to who cannot prove to be Redis."""
    provider, _ = credentials()
    unverified = server.tls_url.partition("?")[0]
    with pytest.raises(StoreDownError, match="ConnectionError"):
        Redis(unverified, credentials=provider).call(lambda client: client.ping())
    with server.admin() as admin:
        assert USER not in {entry["username"] for entry in admin.acl_log()}


def test_a_certificate_of_another_host_is_refused(server):
    provider, _ = credentials()
    with pytest.raises(StoreDownError, match="ConnectionError"):
        Redis(server.tls_url.replace("localhost", "127.0.0.1"), credentials=provider).call(redis.Redis.ping)
