"""Keys and secrets: who may come in, and how what proves it is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ApiKey:
    user: str
    tier: str
    name: str
    hash: str
    created_at: str
    revoked_at: str | None = None


class KeyStore(Protocol):
    def find(self, key_hash: str) -> ApiKey | None: ...

    def put(self, key: ApiKey) -> None: ...

    def all(self) -> Sequence[ApiKey]: ...


class Secrets(Protocol):
    def values(self, secret_id: str, *, max_age_s: float = 300) -> Sequence[str]:
        """The live values, the newest first (a rotation keeps the one before alive), read at most so long ago.

        While they cannot be read again the old ones are given.
        """
        ...


@dataclass(frozen=True, slots=True)
class SecretState:
    """What a secret's versions are labelled: version → its labels."""

    rotates: bool  # rotation is turned on
    labels: Mapping[str, Set[str]]

    @property
    def current(self) -> str | None:
        return next((version for version, labels in self.labels.items() if "AWSCURRENT" in labels), None)

    @property
    def pending(self) -> str | None:
        """The version that a rotation has begun and not ended."""
        return next(
            (
                version
                for version, labels in self.labels.items()
                if "AWSPENDING" in labels and "AWSCURRENT" not in labels
            ),
            None,
        )


class SecretVersions(Protocol):
    """A secret while it is rotated. All methods raise StoreDownError."""

    def state(self, secret_id: str) -> SecretState: ...

    def value(self, secret_id: str, version: str) -> str | None:
        """None if this version has no value yet."""
        ...

    def put(self, secret_id: str, version: str, value: str) -> None:
        """Give a pending version its value."""
        ...

    def promote(self, secret_id: str, version: str, *, instead_of: str | None) -> None:
        """Make a version the current one; the one that was is the previous one then."""
        ...


class Edge(Protocol):
    """The header that our CDN sends to origins. All methods raise StoreDownError."""

    def send(self, header: str, value: str) -> None:
        """Have it sent with this value, and have the origins' web ACL accept it. Takes minutes to reach every place."""
        ...

    def sends(self, header: str, value: str) -> bool:
        """Whether every place sends this value and the web ACL accepts it."""
        ...
