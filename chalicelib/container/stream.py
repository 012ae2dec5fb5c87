"""The stream: from the source through changes and deliveries to the sockets, and what these ask for."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

from chalicelib.container.alerts import Alerts
from chalicelib.container.clients import utc_now

if TYPE_CHECKING:
    from chalicelib.ports import Source
    from chalicelib.services.census import Census
    from chalicelib.services.commands import HandleCommand
    from chalicelib.services.conflation import Conflation
    from chalicelib.services.delivery import Deliver
    from chalicelib.services.ingest import Ingest
    from chalicelib.services.process import ProcessObservations
    from chalicelib.services.sessions import ManageSessions


class Stream(Alerts):
    """The services between DefiLlama and the sockets, in the order a figure passes them."""

    @cached_property
    def source(self) -> Source:
        from chalicelib.adapters.defillama import DefiLlama

        settings = self.settings
        at = partial(
            DefiLlama,
            timeout_s=settings.source_timeout_s,
            coins_per_request=settings.coins_per_request,
            yield_min_tvl_usd=settings.yield_min_tvl_usd,
        )
        if settings.defillama_secret_id:
            from chalicelib.adapters.defillama.pro import ProSource

            return ProSource(
                key=lambda: self.secrets.values(settings.defillama_secret_id)[0], make=lambda urls: at(**urls)
            )
        return at(
            api_url=settings.defillama_api_url,
            coins_url=settings.defillama_coins_url,
            stablecoins_url=settings.defillama_stablecoins_url,
            yields_url=settings.defillama_yields_url,
        )

    @cached_property
    def ingest(self) -> Ingest:
        from chalicelib.adapters.redis.ingest import RedisIngestStore
        from chalicelib.adapters.sns import SnsPublisher
        from chalicelib.services.ingest import Ingest

        settings = self.settings
        return Ingest(
            source=self.source,
            store=RedisIngestStore(self.redis, now=utc_now),
            publisher=SnsPublisher(self._client("sns"), settings.observations_topic_arn),
            coins=settings.coins,
            now=utc_now,
        )

    @cached_property
    def process(self) -> ProcessObservations:
        from chalicelib.adapters.sqs import SqsDeadLetters, SqsRetries
        from chalicelib.services.process import ProcessObservations

        settings = self.settings
        return ProcessObservations(
            stream=self.stream,
            audience=self.audience,
            jobs=self.jobs,
            ticks=self.ticks,
            dead_letters=SqsDeadLetters(self._client("sqs"), settings.events_dead_letters_url),
            retries=SqsRetries(self._client("sqs"), settings.events_queue_url),
            now=utc_now,
            frame_bytes=settings.frame_bytes,
            posts_per_job=settings.posts_per_job,
        )

    @cached_property
    def conflation(self) -> Conflation:
        from chalicelib.adapters.sqs import SqsRetries
        from chalicelib.services.conflation import Conflation

        return Conflation(
            stream=self.stream,
            audience=self.audience,
            jobs=self.jobs,
            ticks=self.ticks,
            retries=SqsRetries(self._client("sqs"), self.settings.ticks_queue_url),
            frame_bytes=self.settings.frame_bytes,
            posts_per_job=self.settings.posts_per_job,
        )

    @cached_property
    def deliver(self) -> Deliver:
        from chalicelib.adapters.sqs import SqsGoneQueue
        from chalicelib.services.delivery import Deliver

        return Deliver(
            connections=self.connections,
            jobs=self.jobs,
            gone=SqsGoneQueue(self._queue(self.settings.gone_queue_url)),
            now=utc_now,
            attempts_max=self.settings.deliver_attempts,
        )

    @cached_property
    def sessions(self) -> ManageSessions:
        from chalicelib.services.sessions import ManageSessions

        return ManageSessions(
            sessions=self._sessions,
            connections=lambda: self.connections,
            tiers=self.settings.tiers,
            jobs=self.jobs,
            connection_seconds=self.settings.connection_seconds,
            now=utc_now,
        )

    @cached_property
    def census(self) -> Census:
        from chalicelib.services.census import Census

        return Census(sessions=self._sessions)

    @cached_property
    def commands(self) -> HandleCommand:
        from chalicelib.services.commands import HandleCommand
        from chalicelib.services.subscribe import SubscribeTopics

        settings = self.settings
        subscribe = SubscribeTopics(
            subscriptions=self._subscriptions,
            jobs=self.jobs,
            tiers=settings.tiers,
            coins=settings.coins,
            frame_bytes=settings.frame_bytes,
        )
        return HandleCommand(
            sessions=self._sessions,
            subscriptions=self._subscriptions,
            subscribe=subscribe,
            tokens=lambda: self.tokens,
            rules=lambda: self.manage_rules,
            limits=self.limits,
            jobs=self.jobs,
            tiers=settings.tiers,
            connection_seconds=settings.connection_seconds,
            now=utc_now,
        )
