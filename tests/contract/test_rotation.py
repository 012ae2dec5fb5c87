"""ports.SecretVersions: a fake, and Secrets Manager. Its own steps around ours are those of its documentation."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from chalicelib.adapters.secrets import SecretsManager, SecretsManagerVersions
from chalicelib.errors import StoreDownError
from chalicelib.ports import SecretVersions
from chalicelib.services.rotation import RotateSecret
from tests.fake_rotation import FakeEdge, FakeSecretVersions

KEY = "a signing key of the test, thirty-two bytes and more"
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


@dataclass
class Vault:
    """``begin`` starts a rotation as Secrets Manager does: a pending version without a value, whose id it returns."""

    versions: SecretVersions
    secret_id: str
    begin: Callable[[], str]
    live: Callable[[], list[str]]


def fake_vault() -> Vault:
    versions = FakeSecretVersions(signing=KEY)

    def begin() -> str:
        version = str(uuid.uuid4())
        versions.begin("signing", version)
        return version

    return Vault(versions, "signing", begin, lambda: versions.live("signing"))


@pytest.fixture(params=["fake", "secrets manager"])
def vault(request: pytest.FixtureRequest) -> Vault:
    if request.param == "fake":
        return fake_vault()
    client = request.getfixturevalue("ministack").aws.client("secretsmanager")
    secret_id = client.create_secret(Name=f"rotated-{uuid.uuid4()}", SecretString=KEY)["ARN"]
    function = "arn:aws:lambda:us-east-1:000000000000:function:rotate:live"
    client.rotate_secret(SecretId=secret_id, RotationLambdaARN=function, RotateImmediately=False)

    def begin() -> str:
        return str(client.rotate_secret(SecretId=secret_id)["VersionId"])

    return Vault(
        SecretsManagerVersions(client), secret_id, begin, lambda: list(SecretsManager(client).values(secret_id))
    )


def service(vault: Vault) -> RotateSecret:
    return RotateSecret(
        versions=vault.versions, edge=FakeEdge, token_secret_id=vault.secret_id, origin_secrets={}, sleep=lambda _: None
    )


def test_a_pending_version_gets_a_value_and_is_pending_still(vault):
    version = vault.begin()
    vault.versions.put(vault.secret_id, version, "next")
    state = vault.versions.state(vault.secret_id)
    assert (state.rotates, state.pending) == (True, version)
    assert vault.versions.value(vault.secret_id, version) == "next"
    assert vault.live()[0] == KEY


def test_a_version_that_has_no_value_yet_or_is_not_there_has_none(vault):
    for version in (vault.begin(), str(uuid.uuid4())):
        assert vault.versions.value(vault.secret_id, version) is None


def test_a_promoted_version_is_current_and_the_one_before_it_previous(vault):
    version = vault.begin()
    vault.versions.put(vault.secret_id, version, "next")
    before = vault.versions.state(vault.secret_id).current
    vault.versions.promote(vault.secret_id, version, instead_of=before)
    state = vault.versions.state(vault.secret_id)
    assert (state.current, state.pending) == (version, None)
    assert vault.live() == ["next", KEY]


def test_a_secret_that_is_not_there_is_a_store_that_is_down(vault):
    with pytest.raises(StoreDownError):
        vault.versions.state("never-made")


def test_two_rotations_after_each_other(vault):
    for _ in range(2):
        version, before = vault.begin(), vault.live()[0]
        for step in STEPS:
            service(vault).run(step=step, secret_id=vault.secret_id, version=version, deadline=0)
        now, previous = vault.live()
        assert previous == before != now
