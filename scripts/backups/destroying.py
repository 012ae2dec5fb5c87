"""What the drill does to a platform of its own, and to nothing else: fills it, and destroys what it holds."""

from __future__ import annotations

from typing import Any

import psycopg
import redis

from localcloud.cloud import LocalCloud
from scripts.operations.place import Place

DESTROY = {
    "postgresql": "drop_database",
    "redis": "flush_redis",
    "dynamodb": "delete_tables",
    "s3": "empty_bucket",
}


class Destroy:
    """Bound to a platform that this process has started."""

    def __init__(self, cloud: LocalCloud, place: Place) -> None:
        self._cloud = cloud
        self._place = place

    def held(self) -> int:
        """Observations in the database."""
        with psycopg.connect(self._cloud.postgres.url) as connection:
            exists = connection.execute("SELECT to_regclass('history.observations') IS NOT NULL").fetchone()
            if not (exists and exists[0]):
                return 0
            row = connection.execute("SELECT count(*) FROM history.observations").fetchone()
            return int(row[0]) if row else 0

    def issue_keys(self, count: int) -> list[str]:
        table = self._cloud.outputs["KeysTable"]
        return [self._cloud.aws.issue_key(table, name=f"drill {number}") for number in range(count)]

    def drop_database(self) -> str:
        url, _, name = self._cloud.postgres.url.rpartition("/")
        with psycopg.connect(f"{url}/template1", autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        return "postgresql: database dropped"

    def flush_redis(self) -> str:
        with redis.Redis.from_url(self._cloud.redis.url) as client:
            client.flushall()
        return "redis: flushed"

    def delete_tables(self) -> str:
        client: Any = self._place.client("dynamodb")
        tables = self._place.of_type("AWS::DynamoDB::Table").values()
        for table in tables:
            client.update_table(TableName=table, DeletionProtectionEnabled=False)
            client.delete_table(TableName=table)
        return f"dynamodb: {len(tables)} tables deleted"

    def empty_bucket(self) -> str:
        """Every version of every object, as somebody does who wants it gone."""
        client, bucket = self._place.client("s3"), self._cloud.outputs["RawBucket"]
        count = 0
        for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            for one in found:
                client.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
            count += len(found)
        return f"s3: {count} versions deleted for good"
