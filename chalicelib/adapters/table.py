"""One DynamoDB table: the calls that stores make of it, each counted and traced, its failures of one kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import StoreDownError
from chalicelib.telemetry.outside import DYNAMODB, outside

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = Mapping[str, Any]  # as DynamoDB writes it: {"pk": {"S": "user:ada"}}

KEYS_PER_READ = 100  # BatchGetItem
UNPROCESSED_TRIES = 5  # of a read that the table had no capacity for at once
CONFLICT_TRIES = 5  # of a transaction that met another


class ConditionFailedError(Exception):
    """A write's condition did not hold: nothing was written. ``place`` says whose, in a transaction, from 0."""

    def __init__(self, place: int = 0) -> None:
        super().__init__(place)
        self.place = place


class Table:
    """Every method may raise StoreDownError."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self.name = name

    def get(self, key: Item) -> Item | None:
        """Consistently read."""
        with self._call("GetItem"):
            return self._client.get_item(TableName=self.name, Key=key, ConsistentRead=True).get("Item")

    def find(self, keys: Sequence[Item]) -> Sequence[Item]:
        """Those of them that are there, in no order; consistently read."""
        found: list[Item] = []
        for start in range(0, len(keys), KEYS_PER_READ):
            found += self._find(keys[start : start + KEYS_PER_READ])
        return found

    def _find(self, keys: Sequence[Item]) -> Sequence[Item]:
        found: list[Item] = []
        left: Mapping[str, Any] = {self.name: {"Keys": list(keys), "ConsistentRead": True}}
        for _ in range(UNPROCESSED_TRIES):
            with self._call("BatchGetItem"):
                answer = self._client.batch_get_item(RequestItems=left)
            found += answer["Responses"].get(self.name, [])
            left = answer.get("UnprocessedKeys") or {}
            if not left:
                return found
        raise StoreDownError(f"the table {self.name} is asked for too much")

    def put(self, item: Item, *, condition: str = "", values: Item | None = None) -> None:
        """Raises ConditionFailedError."""
        more: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
        if values:
            more["ExpressionAttributeValues"] = values
        with self._call("PutItem"):
            self._client.put_item(TableName=self.name, Item=item, **more)

    def update(self, key: Item, expression: str, *, condition: str, values: Item) -> None:
        """Raises ConditionFailedError."""
        with self._call("UpdateItem"):
            self._client.update_item(
                TableName=self.name,
                Key=key,
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
            )

    def delete(self, key: Item) -> None:
        with self._call("DeleteItem"):
            self._client.delete_item(TableName=self.name, Key=key)

    def scan(self, after: Item | None, *, limit: int) -> tuple[Sequence[Item], Item | None]:
        """A page of everything, and where the next begins."""
        more: dict[str, Any] = {"ExclusiveStartKey": after} if after else {}
        with self._call("Scan"):
            answer = self._client.scan(TableName=self.name, Limit=limit, **more)
        return answer["Items"], answer.get("LastEvaluatedKey")

    def query(self, condition: str, values: Item, *, consistent: bool = False, **more: Any) -> Sequence[Item]:
        """One page: 1 MB at most."""
        with self._call("Query"):
            return self._client.query(
                TableName=self.name,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=values,
                ConsistentRead=consistent,
                **more,
            )["Items"]

    def together(self, *writes: Mapping[str, Any]) -> None:
        """All or none of them, each without its table's name. Raises ConditionFailedError for the first that may not be."""
        named: list[Any] = [
            {kind: {"TableName": self.name, **what} for kind, what in write.items()} for write in writes
        ]
        for _ in range(CONFLICT_TRIES):
            try:
                with self._call("TransactWriteItems"):
                    self._client.transact_write_items(TransactItems=named)
                return
            except _ConflictError:
                continue
        raise StoreDownError(f"the table {self.name} is being written to by others")

    @contextmanager
    def _call(self, operation: str) -> Iterator[None]:
        try:
            with outside(DYNAMODB, operation, table_name=self.name):
                yield
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "ConditionalCheckFailedException":
                raise ConditionFailedError from None
            if code == "TransactionCanceledException":
                raise _cancelled(error) from None
            raise StoreDownError(f"the table {self.name}: {code}") from error
        except BotoCoreError as error:
            raise StoreDownError(f"the table {self.name}: {type(error).__name__}") from error


class _ConflictError(Exception):
    """Another write was under way."""


def _cancelled(error: ClientError) -> Exception:
    response: Mapping[str, Any] = error.response
    codes = [reason.get("Code") for reason in response.get("CancellationReasons", ())]
    if "ConditionalCheckFailed" in codes:
        return ConditionFailedError(codes.index("ConditionalCheckFailed"))
    if "TransactionConflict" in codes:
        return _ConflictError()
    return StoreDownError(f"a transaction was cancelled: {codes}")
