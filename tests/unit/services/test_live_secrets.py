"""Several processes that each keep secrets for minutes, while the secrets change."""

from datetime import timedelta

import jwt
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib.adapters.secrets import SecretsManager
from chalicelib.domain.keys import hash_key
from chalicelib.errors import AuthenticationError, NotAllowedError
from chalicelib.ports import ApiKey
from chalicelib.services.authorize import AuthorizeConnection
from chalicelib.services.tokens import Tokens
from tests.fake_rotation import FakeSecretsClient
from tests.fake_store import FakeLimits
from tests.fakes import FakeClock, FakeKeyStore
from tests.unit.services.socket_rig import API_KEY, TIERS

OLD, NEW = "the signing key before, thirty-two bytes", "the signing key after, thirty-two bytes."


class World:
    """Secrets Manager and the processes that read it, on one clock."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.client = FakeSecretsClient(signing=[OLD], a=["a-1"], b=["b-1"])
        self.limits = FakeLimits(self.clock)
        self.keys = FakeKeyStore(ApiKey("ann", "pro", "test", hash_key(API_KEY), "2026-11-23T00:00:00.000Z"))

    def secrets(self) -> SecretsManager:
        return SecretsManager(self.client, monotonic=lambda: self.clock().timestamp())

    def process(self) -> Tokens:
        """A function's own memory of the secrets."""
        return Tokens(
            keys=self.keys,
            secrets=self.secrets(),
            limits=self.limits,
            secret_id="signing",
            token_seconds=300,
            session_seconds=3600,
            anonymous_per_minute=3,
            now=self.clock,
        )

    def authorizer(self) -> AuthorizeConnection:
        return AuthorizeConnection(
            tokens=self.process(),
            secrets=self.secrets(),
            tiers=TIERS,
            allowed_origins=(),
            origin_secret_ids=("a", "b"),
        )

    def forged(self) -> str:
        claims = {"sub": "x", "tier": "pro", "aud": "defi-stream", "jti": "x", "exp": self.clock() + timedelta(60)}
        return jwt.encode(claims, "somebody else's key, of thirty-two bytes", algorithm="HS256")

    def handshake(self, authorizer: AuthorizeConnection, a: str, b: str) -> bool:
        try:
            authorizer.run(token=None, api_key=API_KEY, origin=None, origin_verify=[a, b])
        except NotAllowedError:
            return False
        return True


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("under_attack", [False, True])
@pytest.mark.parametrize("read_before_s", [0, 1, 9, 299])
def test_no_good_token_is_refused_while_the_signing_key_changes(world, read_before_s, under_attack):
    """The reader met the old key at any time before; forged tokens may have just made it read again in vain."""
    reader, signer = world.process(), world.process()
    reader.redeem(signer.issue(api_key=API_KEY, address="a").token)
    world.clock.forward(seconds=read_before_s)
    world.client.secrets["signing"] = [NEW, OLD]
    signers = [signer, world.process()]  # one that keeps the old key, one that starts with both
    signed_by_new = 0
    for _ in range(330):
        if under_attack:
            with pytest.raises(AuthenticationError):
                reader.redeem(world.forged())
        for each in signers:
            token = each.issue(api_key=API_KEY, address="a").token
            signed_by_new += each._signed_by(NEW, token) is not None
            assert reader.redeem(token).user == "ann"
        world.clock.forward(seconds=1)
    assert signed_by_new > 300  # and the new key is used


def test_forged_tokens_cannot_hammer_secrets_manager(world):
    reader = world.process()
    for _ in range(600):
        with pytest.raises(AuthenticationError):
            reader.redeem(world.forged())
        world.clock.forward(seconds=0.1)
    assert world.client.calls <= 2 * 7  # two versions, once in ten seconds of this minute


def test_no_handshake_is_refused_while_the_origin_secrets_change_in_turn(world):
    """Each secret changes at CloudFront first, place by place, and is current some minutes later."""
    authorizers = [world.authorizer(), world.authorizer()]
    sent = {"a": "a-1", "b": "b-1"}
    for name in ("a", "b"):
        for second in range(700):
            if second == 60:
                sent[name] = f"{name}-2"
            if second == 360:
                world.client.secrets[name] = [f"{name}-2", f"{name}-1"]
            places = [sent, {**sent, name: f"{name}-1"}] if 60 <= second < 360 else [sent]
            for authorizer in authorizers[: 1 + second % 2]:
                assert all(world.handshake(authorizer, place["a"], place["b"]) for place in places)
            world.clock.forward(seconds=1)


def test_callers_who_go_round_the_edge_cannot_hammer_secrets_manager(world):
    authorizer = world.authorizer()
    for _ in range(600):
        assert not world.handshake(authorizer, "a-0", "b-0")
        world.clock.forward(seconds=0.1)
    assert world.client.calls <= 2 * 2 * 7


def test_who_needs_three_secrets_waits_once_while_secrets_manager_does_not_answer(world):
    """Each wait takes seven of the authorizer's ten seconds, and a function that is ended forgets what it kept."""
    secrets = world.secrets()
    kept = [secrets.values(name) for name in ("a", "b", "signing")]
    world.client.fault = ReadTimeoutError(endpoint_url="https://secretsmanager")
    for _ in range(3):
        world.clock.forward(seconds=301)
        world.client.calls = 0
        assert [secrets.values(name) for name in ("a", "b", "signing")] == kept
        assert world.client.calls == 1


def test_a_secret_that_is_refused_keeps_no_other_from_being_read(world):
    secrets = world.secrets()
    for name in ("a", "b"):
        secrets.values(name)
    world.clock.forward(seconds=301)
    world.client.fault = ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetSecretValue")
    assert secrets.values("a") == ["a-1"]
    world.client.fault, world.client.secrets["b"] = None, ["b-2", "b-1"]
    assert secrets.values("b") == ["b-2", "b-1"]
