"""The variables of functions on the laptop: what the template gives them, with the addresses of what runs here."""

from __future__ import annotations

from collections.abc import Mapping

from localcloud.ministack import ACCESS_KEY, REGION, SECRET_KEY
from localcloud.stores import PostgresServer

STAGE = "local"
SENDER = "alerts@localhost.localdomain"  # e-mails go no further than the emulator of SES


def function_environment(
    outputs: Mapping[str, str],
    *,
    aws_url: str,
    redis_url: str,
    postgres: PostgresServer,
    database_secret_id: str,
    connections_url: str,
    feed_url: str | None,
    speed: float,
    public_url: str,
) -> dict[str, str]:
    """The same for all functions. ``outputs`` are the stack's; without a ``feed_url`` DefiLlama's own is asked;
    ``speed`` is that of what it plays."""
    environment = {
        "STAGE": STAGE,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_ENDPOINT_URL": aws_url,
        "LOG_LEVEL": "INFO",
        "REDIS_URL": redis_url,
        "CONNECTIONS_URL": connections_url,
        "OBSERVATIONS_TOPIC_ARN": outputs["ObservationsTopicArn"],
        "EVENTS_QUEUE_URL": outputs["EventsQueueUrl"],
        "EVENTS_DEAD_LETTERS_URL": outputs["EventsDeadLettersUrl"],
        "DELIVERIES_QUEUE_URL": outputs["DeliveriesQueueUrl"],
        "TICKS_QUEUE_URL": outputs["TicksQueueUrl"],
        "GONE_QUEUE_URL": outputs["GoneQueueUrl"],
        "HISTORY_QUEUE_URL": outputs["HistoryQueueUrl"],
        "HISTORY_DEAD_LETTERS_URL": outputs["HistoryDeadLettersUrl"],
        "ALERTS_QUEUE_URL": outputs["AlertsQueueUrl"],
        "ALERTS_DEAD_LETTERS_URL": outputs["AlertsDeadLettersUrl"],
        "NOTIFICATIONS_QUEUE_URL": outputs["NotificationsQueueUrl"],
        "ALERTS_TABLE": outputs["AlertsTable"],
        "DELIVERIES_TABLE": outputs["DeliveriesTable"],
        "DUE_TABLE": outputs["DueTable"],
        "RAW_BUCKET": outputs["RawBucket"],
        "KEYS_TABLE": outputs["KeysTable"],
        "IDEMPOTENCY_TABLE": outputs["IdempotencyTable"],
        "TOKEN_SECRET_ID": outputs["TokenSecretId"],
        "DATABASE_HOST": "127.0.0.1",
        "DATABASE_PORT": str(postgres.port),
        "DATABASE_NAME": "postgres",
        "DATABASE_SECRET_ID": database_secret_id,
        "DATABASE_USER": "defi_stream",
        "DATABASE_READER": "defi_stream_reader",
        "DATABASE_SSLMODE": "disable",
        "EMAIL_SENDER": SENDER,
        "PUBLIC_URL": public_url,
        "WEBHOOKS_TO_PRIVATE_ADDRESSES": "on",  # a receiver that is tried out is on the laptop too
        "HISTORY_MONTHS": "0",  # the tape plays what is long over
        "HISTORY_FINE_MONTHS": "0",
        # One laptop, few workers: the account's quota is not shared with ten of them.
        "DELIVER_POSTS_PER_S": "5000",
        "DELIVER_CONNECTIONS": "16",
        "ANONYMOUS_TOKENS_PER_MINUTE": "600",
        "ANONYMOUS_REQUESTS_PER_MINUTE": "6000",
    }
    if feed_url:
        environment |= {f"DEFILLAMA_{host}_URL": feed_url for host in ("API", "COINS", "STABLECOINS", "YIELDS")}
        environment["SOURCE_SPEED"] = f"{speed:g}"
    return environment
