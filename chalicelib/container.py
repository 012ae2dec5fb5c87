"""The composition root: the only place that knows concrete classes.

Everything is built on first use, so that a cold start imports and connects only what its function needs.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.errors import SettingsError
from chalicelib.settings import Settings, from_env
from chalicelib.telemetry import log, metrics

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

    from chalicelib.adapters.connections import ConnectionsClient
    from chalicelib.adapters.dynamodb import DynamoKeys
    from chalicelib.adapters.edge import CloudFrontEdge
    from chalicelib.adapters.postgres.months import PostgresMonths
    from chalicelib.adapters.postgres.session import PostgresSession
    from chalicelib.adapters.redis.catalogue import RedisCatalogue
    from chalicelib.adapters.redis.client import Redis
    from chalicelib.adapters.redis.positions import RedisPositions
    from chalicelib.adapters.redis.results import RedisDataVersions
    from chalicelib.adapters.redis.sessions import RedisLimits, RedisSessions
    from chalicelib.adapters.redis.stream import RedisAudience, RedisStream
    from chalicelib.adapters.redis.subscriptions import RedisSubscriptions
    from chalicelib.adapters.secrets import SecretsManager
    from chalicelib.adapters.sqs import Queue, SqsJobQueue, SqsTickQueue
    from chalicelib.ports import CustomResources, Deployments, Source
    from chalicelib.services.authorize import AuthorizeConnection
    from chalicelib.services.callers import Callers
    from chalicelib.services.commands import HandleCommand
    from chalicelib.services.conflation import Conflation
    from chalicelib.services.delivery import Deliver
    from chalicelib.services.health import CheckHealth
    from chalicelib.services.history import RecordHistory
    from chalicelib.services.idempotency import DoOnce
    from chalicelib.services.ingest import Ingest
    from chalicelib.services.process import ProcessObservations
    from chalicelib.services.queries import AnswerQuery
    from chalicelib.services.reading import ReadHistory
    from chalicelib.services.retention import KeepMonths
    from chalicelib.services.rotation import RotateSecret
    from chalicelib.services.schema import MigrateSchema
    from chalicelib.services.sessions import ManageSessions
    from chalicelib.services.snapshots import ReadSnapshot
    from chalicelib.services.tokens import Tokens
    from chalicelib.services.verification import VerifyRelease

RECORDED = Path(__file__).parent / "recorded_events"


def utc_now() -> datetime:
    return datetime.now(UTC)


class Container:
    """One of each thing, for one process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        log.configure(
            level=settings.log_level,
            stage=settings.stage,
            version=settings.version,
            sample_rate=settings.log_sample_rate,
        )
        metrics.configure(stage=settings.stage)

    # --- what handlers call ---

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
    def authorize_connection(self) -> AuthorizeConnection:
        from chalicelib.services.authorize import AuthorizeConnection

        return AuthorizeConnection(
            tokens=self.tokens,
            secrets=self.secrets,
            tiers=self.settings.tiers,
            allowed_origins=self.settings.allowed_origins,
            origin_secret_ids=self.settings.origin_secret_ids,
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
            limits=self.limits,
            jobs=self.jobs,
            tiers=settings.tiers,
            connection_seconds=settings.connection_seconds,
            now=utc_now,
        )

    @cached_property
    def tokens(self) -> Tokens:
        from chalicelib.services.tokens import Tokens

        settings = self.settings
        return Tokens(
            keys=self.keys,
            secrets=self.secrets,
            limits=self.limits,
            secret_id=settings.token_secret_id,
            token_seconds=settings.token_seconds,
            session_seconds=settings.session_seconds,
            anonymous_per_minute=settings.anonymous_tokens_per_minute,
            now=utc_now,
        )

    @cached_property
    def catalogue(self) -> RedisCatalogue:
        from chalicelib.adapters.redis.catalogue import RedisCatalogue

        return RedisCatalogue(self.redis)

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
    def callers(self) -> Callers:
        from chalicelib.services.callers import Callers

        settings = self.settings
        return Callers(
            tokens=lambda: self.tokens,
            limits=self.limits,
            tiers=settings.tiers,
            anonymous_per_minute=settings.anonymous_requests_per_minute,
        )

    @cached_property
    def do_once(self) -> DoOnce:
        from chalicelib.adapters.requests import DynamoRequests
        from chalicelib.services.idempotency import DoOnce

        self._need("idempotency_table")
        table = self.settings.idempotency_table
        return DoOnce(requests=DynamoRequests(self._client("dynamodb"), table, now=utc_now))

    @cached_property
    def read_snapshot(self) -> ReadSnapshot:
        from chalicelib.protocol.rest import MAX_SNAPSHOTS
        from chalicelib.services.snapshots import ReadSnapshot

        return ReadSnapshot(positions=self.positions, topics_max=MAX_SNAPSHOTS)

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
    def keep_months(self) -> KeepMonths:
        from chalicelib.services.retention import KeepMonths

        fine = self.settings.history_fine_months
        return KeepMonths(
            months=self._months(self.postgres("maintain", timeout_ms=20_000)),
            now=utc_now,
            kept={"observations": self.settings.history_months, "candles_1": fine, "candles_5": fine},
            grace=timedelta(days=self.settings.history_grace_days),
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
    def data_versions(self) -> RedisDataVersions:
        from chalicelib.adapters.redis.results import RedisDataVersions

        return RedisDataVersions(self.redis)

    @cached_property
    def rotate_secret(self) -> RotateSecret:
        from chalicelib.adapters.secrets import SecretsManagerVersions
        from chalicelib.services.rotation import RotateSecret, origin_secrets

        return RotateSecret(
            versions=SecretsManagerVersions(self._patient_client("secretsmanager")),
            edge=lambda: self.edge,
            token_secret_id=self.settings.token_secret_id,
            origin_secrets=origin_secrets(self.settings.origin_secret_ids),
        )

    @cached_property
    def migrate_schema(self) -> MigrateSchema:
        from chalicelib.adapters.postgres.owner import Postgres
        from chalicelib.adapters.schema import AlembicSchema
        from chalicelib.services.schema import MigrateSchema

        settings = self.settings
        self._need("database_host", "database_secret_id")
        postgres = Postgres(
            host=settings.database_host,
            port=settings.database_port,
            name=settings.database_name,
            sslmode=settings.database_sslmode,
            secrets=self.secrets,
            secret_id=settings.database_secret_id,
        )
        return MigrateSchema(schema=AlembicSchema(postgres))

    @cached_property
    def verify_release(self) -> VerifyRelease:
        from chalicelib.adapters.functions import LambdaFunctions
        from chalicelib.services.verification import VerifyRelease

        return VerifyRelease(
            deployments=deployments(),
            functions=LambdaFunctions(self._invoking_client()),
            recorded=self._recorded,
            name_prefix=self.settings.name_prefix,
        )

    # --- what those share ---

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
    def postgres_reads(self) -> PostgresSession:
        """One connection a process for all that only reads."""
        return self.postgres("query", timeout_ms=int(self.settings.query_timeout_s * 1000), reads=True)

    def postgres(self, application: str, *, timeout_ms: int = 5000, reads: bool = False) -> PostgresSession:
        """A login as the functions' user, if need be for reads only. The server knows it as ``application``."""
        from chalicelib.adapters.postgres.login import IamToken
        from chalicelib.adapters.postgres.session import READS, PostgresSession

        settings = self.settings
        self._need("database_host", "database_user")
        host, port, user = settings.database_host, settings.database_port, settings.database_user
        token = IamToken(host=host, port=port, user=user, region=settings.region, credentials=self._frozen_credentials)
        return PostgresSession(
            host=host,
            port=port,
            name=settings.database_name,
            user=user,
            sslmode=settings.database_sslmode,
            application=application,
            password=None if settings.database_sslmode == "disable" else token,  # a token is a password: never in clear
            timeout_ms=timeout_ms,
            settings=READS if reads else {},
        )

    def _months(self, session: PostgresSession) -> PostgresMonths:
        from chalicelib.adapters.postgres.months import PostgresMonths

        return PostgresMonths(session)

    @cached_property
    def redis(self) -> Redis:
        from chalicelib.adapters.redis.client import Redis

        settings = self.settings
        if not settings.redis_user:
            return Redis(settings.redis_url)
        from chalicelib.adapters.redis.iam import IamCredentials

        signed = IamCredentials(
            user=settings.redis_user,
            group=settings.redis_group,
            region=settings.region,
            credentials=self._frozen_credentials,
        )
        return Redis(settings.redis_url, credentials=signed)

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
    def positions(self) -> RedisPositions:
        from chalicelib.adapters.redis.positions import RedisPositions

        return RedisPositions(self.redis)

    @cached_property
    def keys(self) -> DynamoKeys:
        from chalicelib.adapters.dynamodb import DynamoKeys

        return DynamoKeys(self._client("dynamodb"), self.settings.keys_table)

    @cached_property
    def audience(self) -> RedisAudience:
        from chalicelib.adapters.redis.stream import RedisAudience

        return RedisAudience(self.redis, now=utc_now)

    @cached_property
    def limits(self) -> RedisLimits:
        from chalicelib.adapters.redis.sessions import RedisLimits

        return RedisLimits(self.redis, now=utc_now)

    @cached_property
    def _sessions(self) -> RedisSessions:
        from chalicelib.adapters.redis.sessions import RedisSessions

        return RedisSessions(self.redis, now=utc_now, tombstone_seconds=self.settings.tombstone_seconds)

    @cached_property
    def _subscriptions(self) -> RedisSubscriptions:
        from chalicelib.adapters.redis.subscriptions import RedisSubscriptions

        return RedisSubscriptions(self.redis, now=utc_now)

    @cached_property
    def connections(self) -> ConnectionsClient:
        from chalicelib.adapters.connections import ConnectionsClient

        credentials = self._session.get_credentials()
        return ConnectionsClient(
            endpoint_url=self.settings.connections_url,
            region=self.settings.region,
            credentials=credentials.get_frozen_credentials,
            size=self.settings.deliver_connections,
            posts_per_s=self.settings.deliver_posts_per_s,
        )

    @cached_property
    def secrets(self) -> SecretsManager:
        from chalicelib.adapters.secrets import SecretsManager

        return SecretsManager(self._client("secretsmanager"))

    @cached_property
    def edge(self) -> CloudFrontEdge:
        from chalicelib.adapters.edge import CloudFrontEdge

        return CloudFrontEdge(
            cloudfront=self._patient_client("cloudfront"),
            wafv2=self._patient_client("wafv2"),
            distribution_id=self.settings.distribution_id,
            web_acl_arn=self.settings.origin_web_acl_arn,
        )

    @cached_property
    def jobs(self) -> SqsJobQueue:
        from chalicelib.adapters.sqs import SqsJobQueue

        return SqsJobQueue(self._queue(self.settings.deliveries_queue_url))

    @cached_property
    def ticks(self) -> SqsTickQueue:
        from chalicelib.adapters.sqs import SqsTickQueue

        return SqsTickQueue(self._queue(self.settings.ticks_queue_url), now=utc_now)

    def _recorded(self, name: str) -> Any:
        """An event of chalicelib/recorded_events, about this stage's own token key where it is about a secret."""
        import json

        text = (RECORDED / f"{name}.json").read_text(encoding="utf-8")
        return json.loads(text.replace("TOKEN_SECRET_ID", self.settings.token_secret_id))

    def _need(self, *names: str) -> None:
        """Raises SettingsError for settings that only some functions have."""
        missing = [name.upper() for name in names if not getattr(self.settings, name)]
        if missing:
            raise SettingsError("bad settings: " + "; ".join(f"{name} is missing" for name in missing))

    def _queue(self, url: str) -> Queue:
        from chalicelib.adapters.sqs import Queue

        return Queue(self._client("sqs"), url)

    @cached_property
    def _session(self) -> Any:
        import boto3

        return boto3.Session(region_name=self.settings.region)

    def _frozen_credentials(self) -> ReadOnlyCredentials:
        """Those of now: Lambda's are temporary. Raises botocore's NoCredentialsError."""
        from botocore.exceptions import NoCredentialsError

        credentials = self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        frozen: ReadOnlyCredentials = credentials.get_frozen_credentials()
        return frozen

    @cache  # noqa: B019 - one container a process, which lives as long as it
    def _client(self, service: str) -> Any:
        from botocore.config import Config

        # At worst some seven seconds, less than any function's timeout: its caller must still hear an answer of ours.
        quick = Config(connect_timeout=1, read_timeout=2.5, retries={"mode": "standard", "total_max_attempts": 2})
        return self._session.client(service, config=quick)

    def _patient_client(self, service: str) -> Any:
        """For what nobody waits for: a change of a distribution or a web ACL may take seconds."""
        from botocore.config import Config

        patient = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 4})
        return self._session.client(service, config=patient)

    def _invoking_client(self) -> Any:
        """Waits for the slowest function, and leaves it to its caller to call again."""
        from botocore.config import Config

        once = Config(connect_timeout=2, read_timeout=58, retries={"mode": "standard", "total_max_attempts": 1})
        return self._session.client("lambda", config=once)


@cache
def container() -> Container:
    """The process's container. Raises SettingsError on first use if a variable is wrong."""
    return Container(from_env(os.environ))


def custom_resources() -> CustomResources:
    """Needs no settings: CloudFormation must be told when they are wrong."""
    from chalicelib.adapters.cloudformation import CloudFormation

    return CloudFormation()


@cache
def deployments() -> Deployments:
    """Needs no settings: CodeDeploy must be told when they are wrong."""
    import boto3
    from botocore.config import Config

    from chalicelib.adapters.codedeploy import CodeDeploy

    quick = Config(connect_timeout=1, read_timeout=2.5, retries={"mode": "standard", "total_max_attempts": 2})
    return CodeDeploy(boto3.client("codedeploy", region_name=os.environ.get("AWS_REGION"), config=quick))
