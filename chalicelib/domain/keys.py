"""API keys: ``ds_`` and 32 random URL-safe characters, kept only as their SHA-256."""

from __future__ import annotations

import hashlib
import secrets

PREFIX = "ds_"
MAX_KEY_LENGTH = 128


def new_key() -> str:
    """A key with 192 random bits: enough that a plain hash of it can be stored."""
    return PREFIX + secrets.token_urlsafe(24)


def hash_key(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
