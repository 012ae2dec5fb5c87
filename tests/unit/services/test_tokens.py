"""A token is good for five minutes and one handshake; a key for as long as it is not revoked."""

from dataclasses import replace
from datetime import timedelta

import jwt
import pytest

from chalicelib.errors import (
    AuthenticationError,
    ExpiredError,
    LimitError,
    RevokedError,
    StoreDownError,
    TokenUsedError,
)
from tests.unit.services.socket_rig import API_KEY, SIGNING, SocketRig


@pytest.fixture
def rig():
    return SocketRig()


def claims(rig, **changes):
    good = {
        "sub": "ann",
        "tier": "enterprise",
        "aud": "defi-stream",
        "exp": rig.clock() + timedelta(seconds=60),
        "jti": "one",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def test_a_token_of_a_key_is_its_owners(rig):
    issued = rig.tokens.issue(api_key=API_KEY, address="a")
    assert (issued.tier, issued.expires_at) == ("pro", rig.clock() + timedelta(seconds=300))
    identity = rig.tokens.redeem(issued.token)
    assert (identity.user, identity.tier) == ("ann", "pro")
    assert identity.session_ms == int(rig.clock().timestamp() + 3600) * 1000


def test_an_anonymous_token_is_free_and_of_somebody_new(rig):
    found = [rig.tokens.redeem(rig.tokens.issue(api_key=None, address="a").token) for _ in range(2)]
    assert {identity.tier for identity in found} == {"free"}
    assert len({identity.user for identity in found}) == 2


def test_anonymous_tokens_are_limited_by_address(rig):
    for _ in range(3):
        rig.tokens.issue(api_key=None, address="a")
    with pytest.raises(LimitError) as caught:
        rig.tokens.issue(api_key=None, address="a")
    assert caught.value.retry_after == 20
    assert rig.tokens.issue(api_key=None, address="b").token
    assert rig.tokens.issue(api_key=API_KEY, address="a").token
    rig.clock.forward(seconds=20)
    assert rig.tokens.issue(api_key=None, address="a").token


def test_a_token_is_used_once(rig):
    token = rig.tokens.issue(api_key=API_KEY, address="a").token
    rig.tokens.redeem(token)
    with pytest.raises(TokenUsedError):
        rig.tokens.redeem(token)


def test_an_expired_token_says_so(rig):
    token = rig.tokens.issue(api_key=API_KEY, address="a").token
    rig.clock.forward(seconds=300)
    with pytest.raises(ExpiredError):
        rig.tokens.redeem(token)


def test_while_signing_keys_rotate_tokens_of_both_are_good(rig):
    old = rig.tokens.issue(api_key=API_KEY, address="a").token
    rig.secrets.secrets["signing"] = ["the next signing key, of as many bytes as it needs", SIGNING]
    new = rig.tokens.issue(api_key=API_KEY, address="a").token
    assert {rig.tokens.redeem(token).user for token in (old, new)} == {"ann"}


def test_once_a_signing_key_is_gone_so_are_its_tokens(rig):
    old = rig.tokens.issue(api_key=API_KEY, address="a").token
    rig.secrets.secrets["signing"] = ["the next signing key, of as many bytes as it needs"]
    with pytest.raises(AuthenticationError):
        rig.tokens.redeem(old)


@pytest.mark.parametrize(
    "changes", [{"aud": "another"}, {"aud": None}, {"exp": None}, {"sub": None}, {"jti": None}, {"tier": None}]
)
def test_a_token_that_says_too_little_or_is_for_another_is_refused(rig, changes):
    token = jwt.encode(claims(rig, **changes), SIGNING, algorithm="HS256")
    with pytest.raises(AuthenticationError):
        rig.tokens.redeem(token)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [("somebody else's key, long enough to be one", "HS256"), (SIGNING * 2, "HS512"), (None, "none")],
)
def test_a_token_signed_otherwise_is_refused(rig, key, algorithm):
    with pytest.raises(AuthenticationError):
        rig.tokens.redeem(jwt.encode(claims(rig), key, algorithm=algorithm))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é", "x" * 100_000])
def test_what_is_no_token_is_refused(rig, token):
    with pytest.raises(AuthenticationError):
        rig.tokens.redeem(token)


# --- keys ---


def test_a_key_is_its_owners(rig):
    assert rig.tokens.identify(API_KEY).user == "ann"


def test_a_revoked_key_says_so(rig):
    (key,) = rig.keys.all()
    rig.keys.put(replace(key, revoked_at="2026-11-23T00:00:00.000Z"))
    with pytest.raises(RevokedError):
        rig.tokens.identify(API_KEY)


@pytest.mark.parametrize("key", ["", "ds_", "ds_unknown", "x" * 100_000, "é"])
def test_an_unknown_key_is_refused_without_a_hint(rig, key):
    with pytest.raises(AuthenticationError) as caught:
        rig.tokens.issue(api_key=key, address="a")
    assert str(caught.value) == "not a key of ours"


def test_without_a_signing_secret_nothing_is_issued(rig):
    rig.secrets.secrets.clear()
    with pytest.raises(StoreDownError):
        rig.tokens.issue(api_key=API_KEY, address="a")
