"""What reaches outside: sessions and clients of AWS, Redis and PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from chalicelib.errors import SettingsError
from chalicelib.telemetry import log, metrics

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

    from chalicelib.adapters.connections import ConnectionsClient
    from chalicelib.adapters.postgres.session import PostgresSession
    from chalicelib.adapters.redis.client import Redis
    from chalicelib.adapters.secrets import SecretsManager
    from chalicelib.adapters.sqs import Queue
    from chalicelib.settings import Settings


def utc_now() -> datetime:
    return datetime.now(UTC)


class Clients:
    """The settings, and one client of each kind, for one process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        log.configure(
            level=settings.log_level,
            stage=settings.stage,
            version=settings.version,
            sample_rate=settings.log_sample_rate,
        )
        metrics.configure(stage=settings.stage)

    @cached_property
    def redis(self) -> Redis:
        from chalicelib.adapters.redis.client import Redis

        settings = self.settings
        if not settings.redis_user:
            return Redis(settings.redis_url, timeout_s=settings.redis_timeout_s)
        from chalicelib.adapters.redis.iam import IamCredentials

        signed = IamCredentials(
            user=settings.redis_user,
            group=settings.redis_group,
            region=settings.region,
            credentials=self._frozen_credentials,
        )
        return Redis(settings.redis_url, credentials=signed, timeout_s=settings.redis_timeout_s)

    @cached_property
    def postgres_reads(self) -> PostgresSession:
        """One connection a process for all that only reads."""
        from chalicelib.adapters.postgres.session import READS

        self._need("database_reader")
        timeout_ms = int(self.settings.query_timeout_s * 1000)
        return self._postgres("query", self.settings.database_reader, timeout_ms, READS)

    def postgres(self, application: str, *, timeout_ms: int) -> PostgresSession:
        """A login as the user that changes rows. The server knows it as ``application``."""
        self._need("database_user")
        return self._postgres(application, self.settings.database_user, timeout_ms, {})

    def _postgres(self, application: str, user: str, timeout_ms: int, given: Mapping[str, str]) -> PostgresSession:
        from chalicelib.adapters.postgres.login import IamToken
        from chalicelib.adapters.postgres.session import PostgresSession

        settings = self.settings
        self._need("database_host")
        host, port = settings.database_host, settings.database_port
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
            settings=given,
        )

    @cached_property
    def secrets(self) -> SecretsManager:
        from chalicelib.adapters.secrets import SecretsManager

        return SecretsManager(self._client("secretsmanager"))

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

    def _queue(self, url: str) -> Queue:
        from chalicelib.adapters.sqs import Queue

        return Queue(self._client("sqs"), url)

    def _need(self, *names: str) -> None:
        """Raises SettingsError for settings that only some functions have."""
        missing = [name.upper() for name in names if not getattr(self.settings, name)]
        if missing:
            raise SettingsError("bad settings: " + "; ".join(f"{name} is missing" for name in missing))

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
