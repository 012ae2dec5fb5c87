"""ports.Requests on DynamoDB: an item a key, which forgets itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import StoreDownError
from chalicelib.ports import Begun
from chalicelib.telemetry.outside import DYNAMODB, outside

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# DynamoDB deletes what has expired within days: what has is no longer there for us.
_FREE = "attribute_not_exists(id) OR expires_at <= :now"
_OURS = "fingerprint = :fingerprint"


class DynamoRequests:
    """ports.Requests."""

    def __init__(self, client: DynamoDBClient, table: str, *, now: Callable[[], datetime]) -> None:
        self._client, self._table, self._now = client, table, now

    def begin(self, key: str, fingerprint: str, *, lease_s: int) -> Begun:
        held = self._write(_FREE, {":now": self._in(0)}, self._item(key, fingerprint, lease_s))
        if held is None:
            return Begun("ours")
        if held.get("fingerprint") != {"S": fingerprint}:
            return Begun("other")
        return Begun("done", held["answer"]["S"]) if "answer" in held else Begun("running")

    def done(self, key: str, fingerprint: str, answer: str, *, keep_s: int) -> None:
        item = {**self._item(key, fingerprint, keep_s), "answer": {"S": answer}}
        self._write(_OURS, {":fingerprint": {"S": fingerprint}}, item)

    def give_up(self, key: str, fingerprint: str) -> None:
        self._write(_OURS, {":fingerprint": {"S": fingerprint}}, self._item(key, fingerprint, 0))

    def _item(self, key: str, fingerprint: str, lasts_s: int) -> dict[str, Any]:
        return {"id": {"S": key}, "fingerprint": {"S": fingerprint}, "expires_at": self._in(lasts_s)}

    def _in(self, seconds: int) -> dict[str, str]:
        return {"N": str(int(self._now().timestamp()) + seconds)}

    def _write(self, condition: str, values: Mapping[str, Any], item: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """None if it was written; else the item that did not fulfil the condition."""
        try:
            with outside(DYNAMODB, "PutItem", table_name=self._table):
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression=condition,
                    ExpressionAttributeValues=values,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                response: Mapping[str, Any] = error.response
                return cast(Mapping[str, Any], response.get("Item", {}))
            raise StoreDownError(f"the table of requests: {error.response['Error']['Code']}") from error
        except BotoCoreError as error:
            raise StoreDownError(f"the table of requests: {type(error).__name__}") from error
        return None
