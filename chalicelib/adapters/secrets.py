"""ports.Secrets on Secrets Manager; kept for five minutes, so that a rotation is seen soon and calls stay few."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import StoreDownError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

KEEP_S = 300
RETRY_S = 10


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
        if kept and self._monotonic() - self._failed_at.get(secret_id, -RETRY_S) < RETRY_S:
            return kept[1]  # it is away: nobody is to wait for it at every token
        try:
            values = [value for stage in ("AWSCURRENT", "AWSPREVIOUS") if (value := self._read(secret_id, stage))]
        except StoreDownError:
            self._failed_at[secret_id] = self._monotonic()
            if kept:
                return kept[1]
            raise
        if not values:
            raise StoreDownError(f"secret {secret_id} has no value")
        self._kept[secret_id] = (self._monotonic(), values)
        return values

    def _read(self, secret_id: str, stage: str) -> str | None:
        try:
            return self._client.get_secret_value(SecretId=secret_id, VersionStage=stage)["SecretString"]
        except self._client.exceptions.ResourceNotFoundException:
            return None
        except (BotoCoreError, ClientError) as error:
            raise StoreDownError("Secrets Manager cannot be read") from error
