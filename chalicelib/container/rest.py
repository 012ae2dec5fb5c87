"""What the REST API answers from the live stores; its past is in history.py."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.container.access import Access
from chalicelib.container.clients import utc_now

if TYPE_CHECKING:
    from chalicelib.adapters.redis.catalogue import RedisCatalogue
    from chalicelib.services.health import CheckHealth
    from chalicelib.services.idempotency import DoOnce
    from chalicelib.services.snapshots import ReadSnapshot


class Rest(Access):
    """The REST API's services of the present."""

    @cached_property
    def catalogue(self) -> RedisCatalogue:
        from chalicelib.adapters.redis.catalogue import RedisCatalogue

        return RedisCatalogue(self.redis)

    @cached_property
    def read_snapshot(self) -> ReadSnapshot:
        from chalicelib.protocol.rest import MAX_SNAPSHOTS
        from chalicelib.services.snapshots import ReadSnapshot

        return ReadSnapshot(positions=self.positions, topics_max=MAX_SNAPSHOTS)

    @cached_property
    def health(self) -> CheckHealth:
        from chalicelib.adapters.redis.ingest import RedisIngestStore
        from chalicelib.services.health import CheckHealth

        return CheckHealth(
            store=RedisIngestStore(self.redis, now=utc_now),
            now=utc_now,
            probes={
                "postgresql": lambda: self.postgres_reads.read("health", b"SELECT 1", ()),
                "dynamodb": lambda: self.keys.find("nobody's"),
            },
        )

    @cached_property
    def do_once(self) -> DoOnce:
        from chalicelib.services.idempotency import DoOnce

        return DoOnce(requests=self.requests)
