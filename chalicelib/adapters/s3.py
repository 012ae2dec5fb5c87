"""ports.RawArchive on S3."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import StoreDownError
from chalicelib.telemetry.outside import S3, outside

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3RawArchive:
    """An object a queue message, of one JSON record a line, compressed.

    Guarantees: the same message has the same key and the same bytes, however often it is kept.
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def keep(self, records: Sequence[bytes], *, message_id: str, sent_at: datetime) -> None:
        key = f"observations/{sent_at.astimezone(UTC):%Y/%m/%d}/{message_id}.jsonl.gz"
        body = gzip.compress(b"".join(record + b"\n" for record in records), mtime=0)
        try:
            with outside(S3, "PutObject", bucket_name=self._bucket):
                self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=body, ContentType="application/jsonl", ContentEncoding="gzip"
                )
        except (BotoCoreError, ClientError) as error:
            raise StoreDownError(f"the archive did not take {key}: {type(error).__name__}") from error
