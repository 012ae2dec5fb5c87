"""ports.Timers: SQS up to its 15 minutes, beyond them a DynamoDB table by time, from which ``sweep`` feeds SQS."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.adapters.sqs import MAX_DELAY_S, Queue
from chalicelib.adapters.table import Item, Table
from chalicelib.errors import StoreDownError
from chalicelib.ports.alerts import Due, QueueName

SHARDS = 8  # so that one minute is not one hot partition
ROWS_PER_SWEEP = 2000  # of a shard; the rest is taken a minute later, long before it is due
_NAMES: Mapping[str, Any] = {"ExpressionAttributeNames": {"#shard": "shard"}}  # a word that DynamoDB keeps for itself
KEPT_S = 7 * 86_400  # after its time a row that no sweep found is no help to anybody


class QueueTimers:
    """ports.Timers."""

    def __init__(self, table: Table, queues: Mapping[QueueName, Queue], *, now: Callable[[], datetime]) -> None:
        self._table, self._queues, self._now = table, queues, now

    def put(self, due: Sequence[Due]) -> None:
        soon = [each for each in due if self._delay_s(each) <= MAX_DELAY_S]
        self._send(soon)
        for each in due:
            if self._delay_s(each) > MAX_DELAY_S:
                self._table.put(_row(each))

    def sweep(self) -> int:
        return sum(self._sweep(str(shard)) for shard in range(SHARDS))

    def _sweep(self, shard: str) -> int:
        until = _sortable(self._now() + timedelta(seconds=MAX_DELAY_S))
        values = {":shard": {"S": shard}, ":until": {"S": until}}
        swept = 0
        while swept < ROWS_PER_SWEEP:
            rows = self._table.query("#shard = :shard AND due < :until", values, Limit=100, **_NAMES)
            if not rows:
                break
            self._send([_due(row) for row in rows])
            for row in rows:
                self._table.delete({"shard": row["shard"], "due": row["due"]})
            swept += len(rows)
        return swept

    def _send(self, due: Sequence[Due]) -> None:
        for name, queue in self._queues.items():
            mine = [each for each in due if each.queue == name]
            delays = [self._delay_s(each) for each in mine]
            tenants = [each.tenant for each in mine]
            if mine and queue.send([each.body for each in mine], delays_s=delays, tenants=tenants):
                raise StoreDownError(f"the queue {name} did not take every message")

    def _delay_s(self, due: Due) -> int:
        """Never early: delays are whole seconds."""
        return max(0, math.ceil((due.at - self._now()).total_seconds()))


def _row(due: Due) -> dict[str, Any]:
    return {
        "shard": {"S": str(zlib.crc32(due.id.encode()) % SHARDS)},
        "due": {"S": f"{_sortable(due.at)}#{due.id}"},
        "queue": {"S": due.queue},
        "body": {"B": due.body},
        "tenant": {"S": due.tenant},
        "expires_at": {"N": str(int(due.at.timestamp()) + KEPT_S)},
    }


def _due(row: Item) -> Due:
    at, _, name = row["due"]["S"].partition("#")
    tenant = row.get("tenant", {"S": ""})["S"]  # a release before did not write it
    return Due(name, row["queue"]["S"], row["body"]["B"], datetime.strptime(at, _FORM).replace(tzinfo=UTC), tenant)


_FORM = "%Y-%m-%dT%H:%M:%S.%fZ"


def _sortable(at: datetime) -> str:
    return at.strftime(_FORM)
