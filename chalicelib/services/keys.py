"""API keys: issued once, kept as hashes, revoked for good."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime

from chalicelib.domain.keys import hash_key, new_key
from chalicelib.errors import RefusedError
from chalicelib.ports import ApiKey, KeyStore
from chalicelib.protocol.pushes import rfc3339

SHOWN_HASH = 12


class KeyRing:
    """Issue, list and revoke keys. Only ``issue`` ever sees a key itself."""

    def __init__(self, *, keys: KeyStore, tiers: Collection[str], now: Callable[[], datetime]) -> None:
        self._keys = keys
        self._tiers = tiers
        self._now = now

    def issue(self, *, tier: str, name: str, user: str | None = None) -> tuple[str, ApiKey]:
        """A new key, shown this once. Raises RefusedError for an unknown tier."""
        if tier not in self._tiers:
            raise RefusedError(f"tier {tier!r} is not one of {', '.join(self._tiers)}")
        key = new_key()
        kept = ApiKey(
            user=user or f"user-{secrets.token_hex(6)}",
            tier=tier,
            name=name,
            hash=hash_key(key),
            created_at=rfc3339(self._now()),
        )
        self._keys.put(kept)
        return key, kept

    def list(self) -> Sequence[ApiKey]:
        return sorted(self._keys.all(), key=lambda key: key.created_at)

    def revoke(self, hash_prefix: str) -> ApiKey:
        """Revoke by the start of its hash. Raises RefusedError unless exactly one key fits."""
        fitting = [key for key in self._keys.all() if key.hash.startswith(hash_prefix)]
        if len(fitting) != 1 or len(hash_prefix) < 8:
            raise RefusedError(f"{len(fitting)} keys start with {hash_prefix!r}: give 8 characters that fit one")
        revoked = replace(fitting[0], revoked_at=fitting[0].revoked_at or rfc3339(self._now()))
        self._keys.put(revoked)
        return revoked
