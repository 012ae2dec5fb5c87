"""ports.KeyStore and ports.Secrets: fakes, and DynamoDB and Secrets Manager made from our template."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

import scripts.keys
from chalicelib.adapters.dynamodb import DynamoKeys
from chalicelib.adapters.secrets import KEEP_S, SecretsManager
from chalicelib.domain.keys import hash_key
from chalicelib.errors import StoreDownError
from chalicelib.ports import ApiKey, KeyStore, Secrets
from tests.fakes import FakeKeyStore, FakeSecrets

KEY = ApiKey("u", "pro", "a laptop", "0" * 64, "2026-11-23T02:00:00.000Z")


@pytest.fixture(params=["fake", "dynamodb"])
def keys(request: pytest.FixtureRequest) -> KeyStore:
    if request.param == "fake":
        return FakeKeyStore()
    stack = request.getfixturevalue("ministack")
    client, table = stack.aws.client("dynamodb"), stack.outputs["KeysTable"]
    for item in client.scan(TableName=table)["Items"]:
        client.delete_item(TableName=table, Key={"hash": item["hash"]})
    return DynamoKeys(client, table)


def test_a_key_is_found_by_its_hash_as_it_was_put(keys):
    keys.put(KEY)
    assert keys.find(KEY.hash) == KEY
    assert keys.find("1" * 64) is None


def test_putting_a_key_again_replaces_it(keys):
    keys.put(KEY)
    revoked = replace(KEY, revoked_at="2026-11-24T00:00:00.000Z")
    keys.put(revoked)
    assert keys.find(KEY.hash) == revoked
    assert list(keys.all()) == [revoked]


def test_all_keys_are_listed(keys):
    put = [replace(KEY, hash=f"{n:064}") for n in range(30)]
    for key in put:
        keys.put(key)
    assert sorted(keys.all(), key=lambda key: key.hash) == put


def test_a_table_that_is_not_there_is_named_as_the_cause(ministack):
    keys = DynamoKeys(ministack.aws.client("dynamodb"), "never-made")
    with pytest.raises(StoreDownError, match=r"cannot be read: ResourceNotFoundException \(there is no such table"):
        keys.all()
    with pytest.raises(StoreDownError, match="cannot be written: ResourceNotFoundException"):
        keys.put(KEY)


@pytest.mark.shows_a_secret
def test_the_command_issues_lists_and_revokes_without_credentials(ministack, capsys, monkeypatch):
    """As localcloud's banner has it pasted into a terminal that knows no AWS."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    place = ["--endpoint-url", ministack.aws.url, "--table", ministack.outputs["KeysTable"], "--json"]

    def told(*command):
        assert scripts.keys.main([*command, *place]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    (issued,) = told("issue", "--tier", "pro", "--name", "a maker")
    assert issued["hash"] == hash_key(issued["key"])
    assert issued["hash"] in [key["hash"] for key in told("list")]
    assert told("revoke", issued["hash"][:12])[0]["revoked_at"]


@dataclass
class Vault:
    """``rotate`` gives the secret another value."""

    secrets: Secrets
    secret_id: str
    rotate: Callable[[str], object]
    later: Callable[[], object]


def fake_vault() -> Vault:
    secrets = FakeSecrets(signing=["first"])

    def rotate(value: str) -> None:
        secrets.secrets["signing"] = [value, secrets.secrets["signing"][0]]

    return Vault(secrets, "signing", rotate, lambda: None)


@pytest.fixture(params=["fake", "secrets manager"])
def vault(request: pytest.FixtureRequest) -> Vault:
    if request.param == "fake":
        return fake_vault()
    client = request.getfixturevalue("ministack").aws.client("secretsmanager")
    secret = client.create_secret(Name=f"signing-{request.node.name}", SecretString="first")
    seconds = [0.0]

    def later() -> None:
        seconds[0] += KEEP_S + 1

    return Vault(
        secrets=SecretsManager(client, monotonic=lambda: seconds[0]),
        secret_id=secret["ARN"],
        rotate=lambda value: client.put_secret_value(SecretId=secret["ARN"], SecretString=value),
        later=later,
    )


def test_a_secret_has_one_live_value_until_it_is_rotated(vault):
    assert list(vault.secrets.values(vault.secret_id)) == ["first"]


def test_during_a_rotation_the_newest_value_is_first_and_the_one_before_still_lives(vault):
    vault.secrets.values(vault.secret_id)
    vault.rotate("second")
    vault.later()
    assert list(vault.secrets.values(vault.secret_id)) == ["second", "first"]
    vault.rotate("third")
    vault.later()
    assert list(vault.secrets.values(vault.secret_id)) == ["third", "second"]


def test_a_secret_that_is_not_there_is_a_store_that_is_down(vault):
    with pytest.raises(StoreDownError):
        vault.secrets.values("never made")
