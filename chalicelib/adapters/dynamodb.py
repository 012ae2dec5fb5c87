"""ports.KeyStore on DynamoDB: one item a key, under the SHA-256 of the key (which has 192 random bits)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import StoreDownError
from chalicelib.ports import ApiKey
from chalicelib.telemetry.outside import DYNAMODB, outside

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoKeys:
    """ports.KeyStore."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def find(self, key_hash: str) -> ApiKey | None:
        try:
            with outside(DYNAMODB, "GetItem", table_name=self._table):
                answer = self._client.get_item(TableName=self._table, Key={"hash": {"S": key_hash}})
        except (BotoCoreError, ClientError) as error:
            raise _down("read", error) from error
        item = answer.get("Item")
        return _key(item) if item else None

    def put(self, key: ApiKey) -> None:
        item: dict[str, Any] = {
            "hash": {"S": key.hash},
            "user": {"S": key.user},
            "tier": {"S": key.tier},
            "name": {"S": key.name},
            "created_at": {"S": key.created_at},
        }
        if key.revoked_at:
            item["revoked_at"] = {"S": key.revoked_at}
        try:
            with outside(DYNAMODB, "PutItem", table_name=self._table):
                self._client.put_item(TableName=self._table, Item=item)
        except (BotoCoreError, ClientError) as error:
            raise _down("written", error) from error

    def all(self) -> Sequence[ApiKey]:
        try:
            with outside(DYNAMODB, "Scan", table_name=self._table):
                pages = self._client.get_paginator("scan").paginate(TableName=self._table)
                return [_key(item) for page in pages for item in page["Items"]]
        except (BotoCoreError, ClientError) as error:
            raise _down("read", error) from error


# What a person can do about it, by the name that AWS or its client gives the cause.
_HINTS: Mapping[str, str] = {
    "AccessDeniedException": "these credentials may not use it",
    "ConnectTimeoutError": "nothing answers at this address",
    "EndpointConnectionError": "nothing answers at this address",
    "ExpiredTokenException": "these credentials have expired",
    "NoCredentialsError": "no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "ParamValidationError": "that cannot be a table's name",
    "PartialCredentialsError": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, both",
    "ResourceNotFoundException": "there is no such table in this region",
    "UnrecognizedClientException": "these credentials are not accepted",
}


def _down(done: str, error: BotoCoreError | ClientError) -> StoreDownError:
    cause = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    hint = f" ({_HINTS[cause]})" if cause in _HINTS else ""
    return StoreDownError(f"the table of keys cannot be {done}: {cause}{hint}")


def _key(item: Any) -> ApiKey:
    text = {name: value["S"] for name, value in item.items()}
    return ApiKey(
        user=text["user"],
        tier=text["tier"],
        name=text["name"],
        hash=text["hash"],
        created_at=text["created_at"],
        revoked_at=text.get("revoked_at"),
    )
