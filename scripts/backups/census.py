"""What a store holds, summed up so that two of them can be compared without laying them side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self

_BITS = 128


@dataclass(frozen=True, slots=True)
class Collection:
    """A table, a kind of key, a bucket. ``newest`` is the time of its newest record and ``expires`` the first moment at
    which one of its records may end by itself, both UTC in ISO 8601, or None where records tell of no such time.
    """

    count: int
    digest: str
    newest: str | None = None
    expires: str | None = None

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Self:
        return cls(**document)


Census = Mapping[str, Collection]


class Tally:
    """Adds up a collection record by record, in whatever order they come."""

    def __init__(self) -> None:
        self._count = self._sum = 0
        self._newest: str | None = None
        self._expires: str | None = None

    def add(self, record: bytes, *, newest: str | None = None, expires: str | None = None) -> None:
        """A sum, and not a hash over all: no order, and a record twice is not one that is missing."""
        self._count += 1
        self._sum += int.from_bytes(hashlib.sha256(record).digest()[: _BITS // 8])
        if newest is not None:
            self._newest = max(self._newest or newest, newest)
        if expires is not None:
            self._expires = min(self._expires or expires, expires)

    def result(self) -> Collection:
        return Collection(self._count, f"{self._sum % (1 << _BITS):032x}", self._newest, self._expires)


def differences(wanted: Census, found: Census, *, now: datetime) -> list[str]:
    """What is otherwise than it should be, a sentence each; none if both hold the same.

    Records whose time may have come since may be missing, never be more; a collection without any needs no partner.
    """
    told = []
    for name in sorted({*wanted, *found}):
        one, other = wanted.get(name, _EMPTY), found.get(name, _EMPTY)
        if one.expires is not None and one.expires <= now.isoformat():
            if other.count > one.count:
                told.append(f"{name}: {other.count:,} records instead of at most {one.count:,}")
        elif one.count != other.count:
            told.append(f"{name}: {other.count:,} records instead of {one.count:,}")
        elif one.count and one.digest != other.digest:
            told.append(f"{name}: as many records, but not the same")
        elif one.newest != other.newest:
            told.append(f"{name}: the newest is of {other.newest} instead of {one.newest}")
    return told


def records(census: Census) -> int:
    return sum(each.count for each in census.values())


def newest(census: Census) -> str | None:
    return max((each.newest for each in census.values() if each.newest), default=None)


def as_json(census: Census | None) -> dict[str, Any] | None:
    return None if census is None else {name: asdict(each) for name, each in census.items()}


def of_json(document: Mapping[str, Any] | None) -> Census | None:
    return None if document is None else {name: Collection.of_json(each) for name, each in document.items()}


def of_seconds(seconds: float) -> str:
    """A time since 1970 as the others are written."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


_EMPTY = Collection(0, "")
