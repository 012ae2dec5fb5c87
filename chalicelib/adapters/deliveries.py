"""ports.DeliveryLog on DynamoDB: each attempt under its endpoint and under its rule, and what was to be told once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from chalicelib.adapters.table import Table
from chalicelib.ports.endpoints import Attempt

KEPT_S = 90 * 86_400


class DynamoDeliveries:
    """ports.DeliveryLog. DynamoDB deletes what has expired within days: until then it is given still."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, attempt: Attempt, message: bytes) -> None:
        ends = {"N": str(int(attempt.at.timestamp()) + KEPT_S)}
        row = {
            "attempt": {"S": f"{attempt.at:%Y-%m-%dT%H:%M:%S.%fZ}#{attempt.delivery}#{attempt.number}"},
            "data": {"S": msgspec.json.encode(attempt).decode()},
            "expires_at": ends,
        }
        self._table.put({"endpoint": {"S": attempt.endpoint}, **row})
        if not attempt.rule:
            return
        self._table.put({"endpoint": {"S": _of(attempt.rule)}, **row})
        if attempt.number == 1 and not attempt.replay:
            kept = {"message": {"S": message.decode()}, "expires_at": ends}
            self._table.put({**_message_key(attempt.rule, attempt.delivery), **kept})

    def of_endpoint(self, endpoint_id: str, *, after: str | None, limit: int) -> tuple[Sequence[Attempt], str | None]:
        return self._page(endpoint_id, after, limit)

    def of_rule(self, rule_id: str, *, after: str | None, limit: int) -> tuple[Sequence[Attempt], str | None]:
        return self._page(_of(rule_id), after, limit)

    def message(self, rule_id: str, delivery: str) -> bytes | None:
        item = self._table.get(_message_key(rule_id, delivery))
        return item["message"]["S"].encode() if item else None

    def _page(self, name: str, after: str | None, limit: int) -> tuple[Sequence[Attempt], str | None]:
        condition, values = "endpoint = :name", {":name": {"S": name}}
        if after:
            condition, values = f"{condition} AND attempt < :after", {**values, ":after": {"S": after}}
        items = self._table.query(condition, values, ScanIndexForward=False, Limit=limit + 1)
        found = [_decoder.decode(item["data"]["S"]) for item in items[:limit]]
        return found, items[limit - 1]["attempt"]["S"] if len(items) > limit else None


def _of(rule_id: str) -> str:
    return f"deliveries:{rule_id}"


def _message_key(rule_id: str, delivery: str) -> dict[str, Any]:
    return {"endpoint": {"S": f"messages:{rule_id}"}, "attempt": {"S": delivery}}


_decoder = msgspec.json.Decoder(Attempt)
