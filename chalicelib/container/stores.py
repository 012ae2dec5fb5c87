"""The stores and queues that more than one service works with."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.container.clients import Clients, utc_now

if TYPE_CHECKING:
    from chalicelib.adapters.deliveries import DynamoDeliveries
    from chalicelib.adapters.dynamodb import DynamoKeys
    from chalicelib.adapters.endpoints import DynamoEndpoints
    from chalicelib.adapters.redis.positions import RedisPositions
    from chalicelib.adapters.redis.sessions import RedisLimits, RedisSessions
    from chalicelib.adapters.redis.stream import RedisAudience, RedisStream
    from chalicelib.adapters.redis.subscriptions import RedisSubscriptions
    from chalicelib.adapters.requests import DynamoRequests
    from chalicelib.adapters.sqs import SqsJobQueue, SqsTickQueue


class Stores(Clients):
    """One of each, on the process's clients."""

    @cached_property
    def stream(self) -> RedisStream:
        from chalicelib.adapters.redis.stream import RedisStream

        settings = self.settings
        return RedisStream(
            self.redis,
            thresholds=settings.thresholds,
            now=utc_now,
            log_entries=settings.log_entries,
            log_seconds=settings.log_seconds,
            applied_seconds=settings.applied_seconds,
        )

    @cached_property
    def audience(self) -> RedisAudience:
        from chalicelib.adapters.redis.stream import RedisAudience

        return RedisAudience(self.redis, now=utc_now)

    @cached_property
    def positions(self) -> RedisPositions:
        from chalicelib.adapters.redis.positions import RedisPositions

        return RedisPositions(self.redis)

    @cached_property
    def limits(self) -> RedisLimits:
        from chalicelib.adapters.redis.sessions import RedisLimits

        return RedisLimits(self.redis, now=utc_now)

    @cached_property
    def keys(self) -> DynamoKeys:
        from chalicelib.adapters.dynamodb import DynamoKeys

        return DynamoKeys(self._client("dynamodb"), self.settings.keys_table)

    @cached_property
    def requests(self) -> DynamoRequests:
        from chalicelib.adapters.requests import DynamoRequests

        self._need("idempotency_table")
        return DynamoRequests(self._client("dynamodb"), self.settings.idempotency_table, now=utc_now)

    @cached_property
    def endpoint_store(self) -> DynamoEndpoints:
        from chalicelib.adapters.endpoints import DynamoEndpoints
        from chalicelib.adapters.table import Table

        self._need("alerts_table")
        return DynamoEndpoints(Table(self._client("dynamodb"), self.settings.alerts_table))

    @cached_property
    def delivery_log(self) -> DynamoDeliveries:
        from chalicelib.adapters.deliveries import DynamoDeliveries
        from chalicelib.adapters.table import Table

        self._need("deliveries_table")
        return DynamoDeliveries(Table(self._client("dynamodb"), self.settings.deliveries_table))

    @cached_property
    def _sessions(self) -> RedisSessions:
        from chalicelib.adapters.redis.sessions import RedisSessions

        return RedisSessions(self.redis, now=utc_now, tombstone_seconds=self.settings.tombstone_seconds)

    @cached_property
    def _subscriptions(self) -> RedisSubscriptions:
        from chalicelib.adapters.redis.subscriptions import RedisSubscriptions

        return RedisSubscriptions(self.redis, now=utc_now)

    @cached_property
    def jobs(self) -> SqsJobQueue:
        from chalicelib.adapters.sqs import SqsJobQueue

        return SqsJobQueue(self._queue(self.settings.deliveries_queue_url))

    @cached_property
    def ticks(self) -> SqsTickQueue:
        from chalicelib.adapters.sqs import SqsTickQueue

        return SqsTickQueue(self._queue(self.settings.ticks_queue_url), now=utc_now)
