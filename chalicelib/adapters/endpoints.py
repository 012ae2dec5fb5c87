"""ports.EndpointStore on DynamoDB: beside a user's rules, one item each, and one that counts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from chalicelib.adapters.table import ConditionFailedError, Item, Table
from chalicelib.ports.endpoints import Endpoint

_PREFIX = "endpoint:"
_COUNT = "count:endpoints"


class DynamoEndpoints:
    """ports.EndpointStore. The table is encrypted under a key of ours, and the secrets with it."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def create(self, endpoint: Endpoint, *, limit: int) -> bool:
        counted = {
            "Key": _key(endpoint.user, _COUNT),
            "UpdateExpression": "ADD held :one",
            "ConditionExpression": "attribute_not_exists(held) OR held < :limit",
            "ExpressionAttributeValues": {":one": {"N": "1"}, ":limit": {"N": str(limit)}},
        }
        try:
            self._table.together(
                {"Update": counted},
                {"Put": {"Item": _item(endpoint), "ConditionExpression": "attribute_not_exists(pk)"}},
            )
        except ConditionFailedError:
            return False
        return True

    def find(self, user: str, endpoint_id: str) -> Endpoint | None:
        item = self._table.get(_key(user, _PREFIX + endpoint_id))
        return _endpoint(item) if item else None

    def of_user(self, user: str) -> Sequence[Endpoint]:
        items = self._table.query(
            "pk = :user AND begins_with(sk, :prefix)",
            {":user": {"S": f"user:{user}"}, ":prefix": {"S": _PREFIX}},
            consistent=True,
        )
        return [_endpoint(item) for item in items]

    def replace(self, endpoint: Endpoint) -> bool:
        try:
            self._table.put(
                _item(endpoint), condition="revision = :before", values={":before": {"N": str(endpoint.revision - 1)}}
            )
        except ConditionFailedError:
            return False
        return True

    def delete(self, user: str, endpoint_id: str) -> bool:
        gone = {"Key": _key(user, _PREFIX + endpoint_id), "ConditionExpression": "attribute_exists(pk)"}
        counted = {
            "Key": _key(user, _COUNT),
            "UpdateExpression": "ADD held :less",
            "ExpressionAttributeValues": {":less": {"N": "-1"}},
        }
        try:
            self._table.together({"Delete": gone}, {"Update": counted})
        except ConditionFailedError:
            return False
        return True


def _key(user: str, name: str) -> dict[str, Any]:
    return {"pk": {"S": f"user:{user}"}, "sk": {"S": name}}


def _item(endpoint: Endpoint) -> Item:
    return {
        **_key(endpoint.user, _PREFIX + endpoint.id),
        "revision": {"N": str(endpoint.revision)},
        "data": {"S": msgspec.json.encode(endpoint).decode()},
    }


_decoder = msgspec.json.Decoder(Endpoint)


def _endpoint(item: Item) -> Endpoint:
    return _decoder.decode(item["data"]["S"])
