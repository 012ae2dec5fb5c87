"""The stores of a stage: on AWS its services, on a laptop the servers that ``python -m localcloud`` runs."""

from __future__ import annotations

from pathlib import Path

from scripts.artifacts import Artifacts
from scripts.backups.bucket import VersionedBucket
from scripts.backups.catalogue import Bucket, Catalogue, Documents, Folder
from scripts.backups.dynamodb import DynamoTables
from scripts.backups.elasticache import Elasticache
from scripts.backups.postgresql import LocalPostgresql
from scripts.backups.rdb import LocalRedis
from scripts.backups.rds import Rds
from scripts.backups.store import Store
from scripts.deployment.errors import RefusedError
from scripts.deployment.waiting import Waiting
from scripts.operations.place import Place

_RAW = "RawBucket"


def stores_of(
    place: Place, artifacts: Artifacts | None, *, folder: Path | None = None
) -> tuple[dict[str, Store], Catalogue]:
    """Every store by its name, and where backups are on record: the bucket of ``artifacts``, on a laptop a folder.

    Without ``folder`` that ends with the platform, as its tables' backups do. Raises RefusedError if the stage is not
    deployed.
    """
    tables = sorted(place.of_type("AWS::DynamoDB::Table").values())
    raw = place.of_type("AWS::S3::Bucket").get(_RAW)
    if not tables or raw is None:
        raise RefusedError(f"stack {place.stack.name} holds no tables or no bucket {_RAW}")
    if place.addresses:
        # A bucket's name is random: two platforms of a machine never take one another's backups for theirs.
        own = (folder or Path(place.addresses["directory"]) / "backups") / raw
        documents: Documents = Folder(own)
        found: list[Store] = [
            LocalPostgresql(place.addresses["postgres_url"], own),
            LocalRedis(place.addresses["redis_url"], own),
            DynamoTables(place.client("dynamodb"), tables, exact=False, waiting=Waiting(every_s=0.05)),
            VersionedBucket(place.client("s3"), raw, documents, place.stage, bodies=own / "bodies"),
        ]
    else:
        if artifacts is None:
            raise RefusedError("no bucket to keep the records in: give --bucket")
        documents = Bucket(place.client("s3"), artifacts.bucket)
        found = [
            Rds(place.client("rds"), place.of_type("AWS::RDS::DBInstance")["Database"]),
            Elasticache(place.client("elasticache"), place.of_type("AWS::ElastiCache::ReplicationGroup")["Redis"]),
            DynamoTables(place.client("dynamodb"), tables, exact=place.is_aws),
            VersionedBucket(place.client("s3"), raw, documents, place.stage),
        ]
    return {store.name: store for store in found}, Catalogue(documents, place.stage)
