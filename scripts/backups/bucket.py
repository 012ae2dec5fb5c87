"""A versioned bucket of S3, on AWS and on a laptop by the same calls: what its versions were at a moment.

Every version is kept for as long as the bucket's rules say, so a backup is a list of them. ``bodies`` is for where the
versions may go too: a folder that keeps each content once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from scripts.backups.catalogue import Documents
from scripts.backups.census import Census, Collection, Tally
from scripts.backups.store import Candidate, Kept
from scripts.deployment.errors import StackError

THREADS = 16
_HEADERS = ("ContentType", "ContentEncoding")
_ABSENT = ("404", "NoSuchBucket", "NoSuchKey", "NoSuchVersion")
_BATCH = 1000  # the most that one DeleteObjects takes


class VersionedBucket:
    """store.Store of one bucket."""

    name = "s3"

    def __init__(
        self, client: Any, bucket: str, documents: Documents, stage: str, *, bodies: Path | None = None
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._documents = documents
        self._stage = stage
        self._bodies = bodies

    def back_up(self, backup: str) -> Kept:
        return self._kept(backup, datetime.now(UTC), {key: one for key, one in self._now() if not one["deleted"]})

    def at(self, moment: datetime) -> Kept | None:
        """By the versions that are still there: S3 keeps their times by the second."""
        newest: dict[str, dict[str, Any]] = {}
        for key, one in self._versions():
            held = newest.get(key)
            if one["modified"] <= moment.isoformat() and (held is None or held["modified"] < one["modified"]):
                newest[key] = one
        there = {key: one for key, one in newest.items() if not one["deleted"]}
        return self._kept(f"at-{moment:%Y%m%dT%H%M%SZ}", moment, there)

    def restore(self, kept: Kept, name: str) -> Candidate:
        manifest = self._documents.read(kept.where["manifest"])
        if manifest is None:
            raise StackError(f"the list of versions {kept.where['manifest']} is gone")
        new = f"{self._bucket[: 50 - len(name)]}-restored-{name.lower()}"
        self._make(new)
        self._each(lambda item: self._bring_back(new, *item), manifest["objects"].items())
        return {"bucket": new}

    def census(self, candidate: Candidate) -> Census:
        """Every object is read: content is compared, not what S3 says of it, which encryption changes."""
        bucket = candidate["bucket"]
        return {self._bucket: self._counted(bucket, {key: {} for key in self._keys(bucket)})}

    def switch(self, candidate: Candidate) -> str:
        """Objects that differ are put as new versions, those that were not there then get a delete marker."""
        self._make(self._bucket)
        wanted, held = self._keys(candidate["bucket"]), self._keys(self._bucket)
        self._each(lambda key: self._copy(candidate["bucket"], key, held.get(key)), wanted)
        self._delete(self._bucket, [{"Key": key} for key in held.keys() - wanted.keys()])
        self.discard(candidate)
        return f"What bucket {self._bucket} held before are older versions"

    def discard(self, candidate: Candidate) -> None:
        bucket = candidate["bucket"]
        if not self._exists(bucket):
            return
        self._delete(bucket, [{"Key": key} for key in self._keys(bucket)])
        self._client.delete_bucket(Bucket=bucket)

    # --- what is kept ---

    def _kept(self, name: str, moment: datetime, objects: Mapping[str, Mapping[str, Any]]) -> Kept:
        manifest = f"manifests/{self._stage}/{name}.json"
        counted = self._counted(self._bucket, objects, keeps=True)
        self._documents.write(manifest, {"bucket": self._bucket, "objects": objects})
        where = {"manifest": manifest}
        return Kept(store=self.name, moment=moment.isoformat(), where=where, census={self._bucket: counted})

    def _versions(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Key and version, delete markers too."""
        for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket):
            for kind in ("Versions", "DeleteMarkers"):
                for found in page.get(kind, []):
                    modified = found["LastModified"].astimezone(UTC).isoformat()
                    about = {"version": found["VersionId"], "modified": modified, "deleted": kind == "DeleteMarkers"}
                    yield found["Key"], {**about, "latest": found["IsLatest"]}

    def _now(self) -> Iterator[tuple[str, dict[str, Any]]]:
        return ((key, one) for key, one in self._versions() if one["latest"])

    def _counted(self, bucket: str, objects: Mapping[str, Any], *, keeps: bool = False) -> Collection:
        """With ``keeps`` each object's content is written down, and what it is of."""

        def read(item: tuple[str, Any]) -> bytes:
            key, one = item
            body, about = self._read(bucket, key, one.get("version"))
            digest = hashlib.sha256(body).hexdigest()
            if keeps:
                one.update(sha256=digest, about=about)
                self._store(digest, body)
            return json.dumps([key, digest, about]).encode()

        tally = Tally()
        for record in self._each(read, objects.items()):
            tally.add(record)
        return tally.result()

    # --- what is brought back ---

    def _bring_back(self, new: str, key: str, one: Mapping[str, Any]) -> None:
        """By its version; where that is gone, from the copy of its content."""
        try:
            body, about = self._read(self._bucket, key, one["version"])
        except ClientError as error:
            if error.response["Error"]["Code"] not in _ABSENT:
                raise
            file = self._bodies / one["sha256"] if self._bodies else None
            if file is None or not file.exists():
                raise StackError(
                    f"version {one['version']} of {key} is gone from bucket {self._bucket}: restore the bucket from the"
                    " backup vault"
                ) from error
            body, about = file.read_bytes(), one["about"]
        self._client.put_object(Bucket=new, Key=key, Body=body, **about)

    def _copy(self, source: str, key: str, held: str | None) -> None:
        body, about = self._read(source, key, None)
        if held is not None and (body, about) == self._read(self._bucket, key, None):
            return
        self._client.put_object(Bucket=self._bucket, Key=key, Body=body, **about)

    def _read(self, bucket: str, key: str, version: str | None) -> tuple[bytes, dict[str, str]]:
        which = {"VersionId": version} if version else {}
        found = self._client.get_object(Bucket=bucket, Key=key, **which)
        return found["Body"].read(), {name: found[name] for name in _HEADERS if found.get(name)}

    def _store(self, digest: str, body: bytes) -> None:
        if self._bodies is None or (self._bodies / digest).exists():
            return
        self._bodies.mkdir(parents=True, exist_ok=True)
        part = self._bodies / f"{digest}.part"
        part.write_bytes(body)
        part.replace(self._bodies / digest)

    # --- buckets ---

    def _keys(self, bucket: str) -> dict[str, str]:
        """With the tag of each object's content."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {found["Key"]: found["ETag"] for page in pages for found in page.get("Contents", [])}

    def _exists(self, bucket: str) -> bool:
        try:
            self._client.head_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return False
            raise
        return True

    def _make(self, bucket: str) -> None:
        """As closed as the one that it is a copy of: encrypted by default, nobody from outside."""
        if self._exists(bucket):
            return
        region = self._client.meta.region_name
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self._client.create_bucket(Bucket=bucket, **where)
        closed = dict.fromkeys(
            ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
        )
        self._client.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=closed)

    def _delete(self, bucket: str, objects: list[dict[str, str]]) -> None:
        for start in range(0, len(objects), _BATCH):
            page = objects[start : start + _BATCH]
            answer = self._client.delete_objects(Bucket=bucket, Delete={"Objects": page, "Quiet": True})
            if failed := answer.get("Errors"):
                raise StackError(f"{failed[0]['Key']} of bucket {bucket} cannot be deleted: {failed[0]['Message']}")

    @staticmethod
    def _each(work: Any, items: Iterable[Any]) -> list[Any]:
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(work, items))
