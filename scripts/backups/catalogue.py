"""What was backed up and what was restored: documents that outlive the command, in a folder or in the bucket.

backups/STAGE/ID.json    one backup: its stores, where each is kept and what it held
restores/STAGE/ID.json   one restore: how far each store has come
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, Self

from botocore.exceptions import ClientError

from scripts.backups.store import Kept
from scripts.deployment.errors import RefusedError, StackError

ID_FORMAT = "%Y%m%dT%H%M%SZ"


class Documents(Protocol):
    def read(self, key: str) -> dict[str, Any] | None: ...

    def write(self, key: str, document: Mapping[str, Any]) -> None: ...

    def keys(self, prefix: str) -> list[str]: ...


class Folder:
    """Documents as files; one that is half written is never seen."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, key: str) -> dict[str, Any] | None:
        file = self.path / key
        found: dict[str, Any] | None = json.loads(file.read_text()) if file.exists() else None
        return found

    def write(self, key: str, document: Mapping[str, Any]) -> None:
        file = self.path / key
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(document, indent=1))
        part.replace(file)

    def keys(self, prefix: str) -> list[str]:
        found = self.path.glob(f"{prefix}*.json")
        return sorted(str(file.relative_to(self.path)) for file in found)


class Bucket:
    """Documents as objects."""

    def __init__(self, s3: Any, name: str) -> None:
        self._s3 = s3
        self._name = name

    def read(self, key: str) -> dict[str, Any] | None:
        try:
            body = self._s3.get_object(Bucket=self._name, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
                return None
            raise StackError(f"s3://{self._name}/{key}: {error}") from error
        found: dict[str, Any] = json.loads(body)
        return found

    def write(self, key: str, document: Mapping[str, Any]) -> None:
        body = json.dumps(document, indent=1).encode()
        self._s3.put_object(Bucket=self._name, Key=key, Body=body, ContentType="application/json")

    def keys(self, prefix: str) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix)
        return sorted(found["Key"] for page in pages for found in page.get("Contents", []))


@dataclass(slots=True, kw_only=True)
class Backup:
    """One backup; ``finished`` is empty until every store that was asked for is in ``stores``."""

    id: str
    stage: str
    wanted: list[str]
    finished: str = ""
    stores: dict[str, Kept] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "stage": self.stage,
            "wanted": self.wanted,
            "finished": self.finished,
            "stores": {name: kept.as_json() for name, kept in self.stores.items()},
        }

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Self:
        stores = {name: Kept.of_json(kept) for name, kept in document["stores"].items()}
        return cls(**{**document, "stores": stores})


class Catalogue:
    """The backups and restores of one stage."""

    def __init__(self, documents: Documents, stage: str) -> None:
        self._documents = documents
        self.stage = stage

    def keep(self, backup: Backup) -> None:
        self._documents.write(f"backups/{self.stage}/{backup.id}.json", backup.as_json())

    def backups(self) -> list[Backup]:
        """The newest first, those that were not finished too."""
        keys = self._documents.keys(f"backups/{self.stage}/")
        found = [self._documents.read(key) for key in reversed(keys)]
        return [Backup.of_json(document) for document in found if document]

    def kept(self, to: str, store: str) -> Kept:
        """The copy of a store that is meant by a backup's id, ``newest``, or a time: the last one before it.

        Raises RefusedError, with what there is, if there is none.
        """
        candidates = [one.stores[store] for one in self.backups() if store in one.stores and to in (one.id, "newest")]
        moment = moment_of(to)
        if moment:
            found = [one.stores[store] for one in self.backups() if store in one.stores]
            found.sort(key=lambda kept: kept.moment, reverse=True)
            candidates = [kept for kept in found if datetime.fromisoformat(kept.moment) <= moment]
        if not candidates:
            there = ", ".join(one.id for one in self.backups()[:10] if store in one.stores) or "none"
            missing = f"before {to}" if moment else f"named {to!r} (a time is like 2026-11-23T02:30)"
            raise RefusedError(f"no backup of {store} {'at all' if to == 'newest' else missing}; there are: {there}")
        return candidates[0]

    def restore(self, name: str) -> dict[str, Any] | None:
        return self._documents.read(f"restores/{self.stage}/{name}.json")

    def keep_restore(self, name: str, document: Mapping[str, Any]) -> None:
        self._documents.write(f"restores/{self.stage}/{name}.json", document)

    def restores(self) -> list[dict[str, Any]]:
        """The newest first."""
        keys = self._documents.keys(f"restores/{self.stage}/")
        return [found for found in map(self._documents.read, reversed(keys)) if found]


def new_id(now: datetime) -> str:
    return now.astimezone(UTC).strftime(ID_FORMAT)


def moment_of(text: str) -> datetime | None:
    """A time as a person writes it, UTC unless it says otherwise; None for what is a backup's id, or no time."""
    if text == "newest" or (text.endswith("Z") and "-" not in text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
