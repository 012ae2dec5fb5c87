"""Secrets Manager: values kept for five minutes, so that a rotation is seen soon and calls stay few; and versions."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import StoreDownError
from chalicelib.ports import SecretState
from chalicelib.telemetry.outside import SECRETS, outside

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

KEEP_S = 300
RETRY_S = 10
_ALL = ""  # in place of a secret's id


class SecretsManager:
    """ports.Secrets: AWSCURRENT, then AWSPREVIOUS if there is one."""

    def __init__(self, client: SecretsManagerClient, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._monotonic = monotonic
        self._failed_at: dict[str, float] = {}
        self._kept: dict[str, tuple[float, list[str]]] = {}

    def values(self, secret_id: str, *, max_age_s: float = KEEP_S) -> Sequence[str]:
        kept = self._kept.get(secret_id)
        if kept and self._monotonic() - kept[0] < max_age_s:
            return kept[1]
        if kept and self._failed_lately(secret_id):
            return kept[1]
        try:
            values = [value for stage in ("AWSCURRENT", "AWSPREVIOUS") if (value := self._read(secret_id, stage))]
        except StoreDownError:
            if kept:
                return kept[1]
            raise
        if not values:
            raise StoreDownError(f"secret {secret_id} has no value")
        self._kept[secret_id] = (self._monotonic(), values)
        return values

    def _read(self, secret_id: str, stage: str) -> str | None:
        try:
            with outside(SECRETS, "GetSecretValue"):
                try:
                    return self._client.get_secret_value(SecretId=secret_id, VersionStage=stage)["SecretString"]
                except self._client.exceptions.ResourceNotFoundException:
                    return None
        except (BotoCoreError, ClientError) as error:
            self._failed_at[_ALL if isinstance(error, BotoCoreError) else secret_id] = self._monotonic()
            raise StoreDownError("Secrets Manager cannot be read") from error

    def _failed_lately(self, secret_id: str) -> bool:
        """A refusal is about one secret. No answer is about all: who needs three must not wait seven seconds thrice."""
        return any(self._monotonic() - self._failed_at.get(name, -RETRY_S) < RETRY_S for name in (secret_id, _ALL))


class SecretsManagerVersions:
    """ports.SecretVersions. Nothing is kept: each step of a rotation looks anew."""

    def __init__(self, client: SecretsManagerClient) -> None:
        self._client = client

    def state(self, secret_id: str) -> SecretState:
        try:
            with outside(SECRETS, "DescribeSecret"):
                found = self._client.describe_secret(SecretId=secret_id)
        except (BotoCoreError, ClientError) as error:
            raise _down("described", error) from None
        labels = {version: frozenset(each) for version, each in found.get("VersionIdsToStages", {}).items()}
        return SecretState(rotates=found.get("RotationEnabled", False), labels=labels)

    def value(self, secret_id: str, version: str) -> str | None:
        try:
            with outside(SECRETS, "GetSecretValue"):
                try:
                    return self._client.get_secret_value(SecretId=secret_id, VersionId=version).get("SecretString")
                except self._client.exceptions.ResourceNotFoundException:
                    return None
        except (BotoCoreError, ClientError) as error:
            raise _down("read", error) from None

    def put(self, secret_id: str, version: str, value: str) -> None:
        try:
            with outside(SECRETS, "PutSecretValue"):
                self._client.put_secret_value(
                    SecretId=secret_id, ClientRequestToken=version, SecretString=value, VersionStages=["AWSPENDING"]
                )
        except (BotoCoreError, ClientError) as error:
            raise _down("written", error) from None

    def promote(self, secret_id: str, version: str, *, instead_of: str | None) -> None:
        removed = {} if instead_of is None else {"RemoveFromVersionId": instead_of}
        try:
            with outside(SECRETS, "UpdateSecretVersionStage"):
                self._client.update_secret_version_stage(
                    SecretId=secret_id, VersionStage="AWSCURRENT", MoveToVersionId=version, **removed
                )
        except (BotoCoreError, ClientError) as error:
            raise _down("promoted", error) from None


def _down(done: str, error: BotoCoreError | ClientError) -> StoreDownError:
    """Only the cause's name: botocore quotes values that it refuses, and here they are secrets."""
    cause = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    return StoreDownError(f"a secret could not be {done}: {cause}")
