"""The bucket that releases lie in, by their content, and that remembers what each stage was given.

functions/SHA.zip and templates/SHA.json   what CloudFormation reads
releases/VERSION/release.json              never changed once it is there
stages/STAGE/releases/TIME-VERSION.json    the record of each deployment
stages/STAGE/current.json                  the record of the one that serves
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from scripts.deployment import records
from scripts.deployment.errors import RefusedError, StackError
from scripts.deployment.records import Record
from scripts.deployment.release import TEMPLATE, ZIP, Release, from_json, read_folder

Say = Callable[[str], None]
_ABSENT = ("404", "NoSuchKey", "NotFound")


class Artifacts:
    """One bucket. Raises StackError for one that is not there or not ours to use."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self.bucket = bucket

    def upload(self, folder: Path, *, say: Say = lambda _: None) -> Release:
        """Put a release where it can be promoted from. What is there is left; ``release.json`` comes last.

        Raises RefusedError if files are not those that release.json names, or if its version names another release.
        """
        release = read_folder(folder)
        there = self._read(_key(release.version))
        if there is not None:
            if there != json.loads(json.dumps(release.raw)):
                raise RefusedError(
                    f"version {release.version} is another release already: give this one a name of its own"
                )
            return release
        self._put_file(folder, ZIP, release.zip_key, say)
        for name, stage in release.stages.items():
            self._put_file(folder, f"{name}/{TEMPLATE}", stage.key, say)
        self._write(_key(release.version), release.raw)
        return release

    def release(self, version: str) -> Release:
        """By its version. Raises RefusedError if there is none."""
        found = self._read(_key(version))
        if found is None:
            raise RefusedError(f"no release {version} in bucket {self.bucket}")
        return from_json(found)

    def check(self, release: Release, stage: str) -> None:
        """That zip and template are byte for byte those that the release names. Raises RefusedError."""
        template = release.stage(stage)
        wanted = {release.zip_key: release.zip_sha256, template.key: template.sha256}
        with ThreadPoolExecutor() as pool:
            for key, is_now in zip(wanted, pool.map(self._digest, wanted), strict=True):
                if is_now != wanted[key]:
                    raise RefusedError(f"s3://{self.bucket}/{key} is not what release {release.version} was made of")

    def template(self, key: str) -> dict[str, Any]:
        """A template, to be looked into. Raises RefusedError if it is not there."""
        found = self._read(key)
        if found is None:
            raise RefusedError(f"no template s3://{self.bucket}/{key}")
        return found

    def url(self, key: str) -> str:
        """By which CloudFormation reads an object, in the caller's name."""
        signed = self._s3.generate_presigned_url("get_object", Params={"Bucket": self.bucket, "Key": key})
        return str(signed.partition("?")[0])

    def keep(self, record: Record) -> None:
        """Write a record, over itself if it was begun before; one that took becomes the current one."""
        self._write(record.key, record.as_json())
        if record.outcome == records.DEPLOYED:
            self._write(f"stages/{record.stage}/current.json", record.as_json())

    def history(self, stage: str, *, at_most: int = 50) -> list[Record]:
        """The newest deployments, the newest first."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=records.prefix(stage))
        try:
            keys = sorted((found["Key"] for page in pages for found in page.get("Contents", [])), reverse=True)
        except ClientError as error:
            raise StackError(f"bucket {self.bucket}: {error}") from error
        with ThreadPoolExecutor() as pool:
            documents = list(pool.map(self._read, keys[:at_most]))
        return [records.from_json(document) for document in documents if document is not None]

    def _put_file(self, folder: Path, name: str, key: str, say: Say) -> None:
        if self._exists(key):
            return
        path = folder / name
        say(f"upload {name}, {path.stat().st_size / 1e6:.1f} MB")
        try:
            self._s3.upload_file(str(path), self.bucket, key)
        except S3UploadFailedError as error:
            raise StackError(str(error)) from error

    def _exists(self, key: str) -> bool:
        try:
            self._s3.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return False
            raise StackError(f"s3://{self.bucket}/{key}: {error}") from error
        return True

    def _digest(self, key: str) -> str:
        digest = hashlib.sha256()
        try:
            for chunk in self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].iter_chunks(1 << 20):
                digest.update(chunk)
        except ClientError as error:
            raise RefusedError(f"s3://{self.bucket}/{key}: {error}") from error
        return digest.hexdigest()

    def _read(self, key: str) -> dict[str, Any] | None:
        try:
            body = self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return None
            raise StackError(f"s3://{self.bucket}/{key}: {error}") from error
        document: dict[str, Any] = json.loads(body)
        return document

    def _write(self, key: str, document: Mapping[str, Any]) -> None:
        body = json.dumps(document, indent=2, sort_keys=True).encode()
        self._s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="application/json")


def _key(version: str) -> str:
    return f"releases/{version}/release.json"
