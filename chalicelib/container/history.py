"""The history: recorded, read, queried, and kept as long as it should be."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.container.clients import utc_now
from chalicelib.container.stores import Stores

if TYPE_CHECKING:
    from chalicelib.adapters.postgres.months import PostgresMonths
    from chalicelib.adapters.postgres.session import PostgresSession
    from chalicelib.adapters.redis.results import RedisDataVersions
    from chalicelib.services.dry_run import DryRun
    from chalicelib.services.history import RecordHistory
    from chalicelib.services.queries import AnswerQuery
    from chalicelib.services.reading import ReadHistory
    from chalicelib.services.retention import KeepMonths


class History(Stores):
    """The services that work with PostgreSQL, and the versions of its data that Redis keeps."""

    @cached_property
    def record_history(self) -> RecordHistory:
        from chalicelib.adapters.postgres.history import PostgresHistoryWriter
        from chalicelib.adapters.s3 import S3RawArchive
        from chalicelib.adapters.sqs import SqsDeadLetters, SqsRetries
        from chalicelib.services.history import RecordHistory

        settings = self.settings
        self._need("history_queue_url", "history_dead_letters_url", "raw_bucket")
        session = self.postgres("record", timeout_ms=10_000)
        return RecordHistory(
            writer=PostgresHistoryWriter(session, self._months(session)),
            versions=self.data_versions,
            archive=S3RawArchive(self._client("s3"), settings.raw_bucket),
            dead_letters=SqsDeadLetters(self._client("sqs"), settings.history_dead_letters_url),
            retries=SqsRetries(self._client("sqs"), settings.history_queue_url),
            now=utc_now,
            months=settings.history_months,
        )

    @cached_property
    def data_versions(self) -> RedisDataVersions:
        from chalicelib.adapters.redis.results import RedisDataVersions

        return RedisDataVersions(self.redis)

    @cached_property
    def read_history(self) -> ReadHistory:
        from chalicelib.adapters.postgres.reader import PostgresHistoryReader
        from chalicelib.services.reading import ReadHistory

        return ReadHistory(
            reader=PostgresHistoryReader(self.postgres_reads),
            positions=self.positions,
            now=utc_now,
            fine_months=self.settings.history_fine_months,
        )

    @cached_property
    def dry_run(self) -> DryRun:
        from chalicelib.adapters.postgres.reader import PostgresHistoryReader
        from chalicelib.services.dry_run import DryRun

        return DryRun(
            reader=PostgresHistoryReader(self.postgres_reads),
            now=utc_now,
            months=self.settings.history_months,
            fine_months=self.settings.history_fine_months,
        )

    @cached_property
    def answer_query(self) -> AnswerQuery:
        from chalicelib.adapters.postgres.queries import PostgresQueries
        from chalicelib.adapters.redis.client import token
        from chalicelib.adapters.redis.results import RedisResults
        from chalicelib.protocol.planning import QueryLimits
        from chalicelib.services.queries import AnswerQuery

        settings = self.settings
        results = RedisResults(
            self.redis,
            now=utc_now,
            fresh_ms=int(settings.query_fresh_s * 1000),
            life_ms=int(settings.query_life_s * 1000),
            stale_ms=int(settings.query_stale_s * 1000),
            answer_bytes=settings.query_answer_bytes,
            budget_bytes=settings.query_cache_bytes,
            of_party=settings.queries_per_party,
            of_all=settings.queries_at_once,
            of_nobody=settings.queries_of_nobody,
        )
        return AnswerQuery(
            queries=PostgresQueries(self.postgres_reads),
            results=results,
            now=utc_now,
            token=token,
            limits=QueryLimits(days=settings.query_days, days_of_topics=settings.query_topic_days),
            timeout_s=settings.query_timeout_s,
            wait_s=settings.query_wait_s,
        )

    @cached_property
    def keep_months(self) -> KeepMonths:
        from chalicelib.services.retention import KeepMonths

        fine = self.settings.history_fine_months
        return KeepMonths(
            months=self._months(self.postgres("maintain", timeout_ms=20_000)),
            now=utc_now,
            kept={"observations": self.settings.history_months, "candles_1": fine, "candles_5": fine},
            grace=timedelta(days=self.settings.history_grace_days),
        )

    def _months(self, session: PostgresSession) -> PostgresMonths:
        from chalicelib.adapters.postgres.months import PostgresMonths

        return PostgresMonths(session)
