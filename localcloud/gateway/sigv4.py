"""Verifying AWS Signature Version 4 of the requests to the management API.

Source: the IAM user guide, "Create a signed AWS API request". API Gateway's answers to bad signatures are 403s.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import parse_qsl, quote

SERVICE = "execute-api"
_ALGORITHM = "AWS4-HMAC-SHA256"
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


class SignatureError(Exception):
    """The request is not signed well: a 403 with ``error_type`` and this text."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


@dataclass(frozen=True, slots=True)
class _Signer:
    """What one Authorization header says without its signature; the same for a client's whole day."""

    key: bytes
    scope: str
    date: str
    names: tuple[str, ...]
    joined: str


class Verifier:
    """Accepts requests signed with one access key for one region; ``now`` is in seconds since the epoch."""

    def __init__(
        self,
        access_key: str,
        secret_key: str,
        region: str,
        *,
        max_skew_s: float = 300.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._access_key = access_key
        self._secret_key = secret_key
        self._region = region
        self._max_skew_s = max_skew_s
        self._now = now
        # A client's Authorization differs only in the signature from one request to the next.
        self._signer = lru_cache(maxsize=256)(self._read_signer)

    def verify(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> None:
        """Return if the request is signed well, else raise SignatureError.

        ``path`` and ``query`` are canonical already (``canonical_path``, ``canonical_query``); header names are
        lower case.
        """
        authorization = headers.get("authorization")
        if authorization is None:
            raise SignatureError("MissingAuthenticationTokenException", "Missing Authentication Token")
        described, _, signature = authorization.rpartition("Signature=")
        signer = self._signer(described)
        stamp = headers.get("x-amz-date", "")
        self._check_time(stamp, signer)
        body_hash = hashlib.sha256(body).hexdigest()
        if headers.get("x-amz-content-sha256", body_hash) != body_hash:
            raise SignatureError("InvalidSignatureException", _MISMATCH)
        signed = "".join([f"{name}:{_trimmed(headers.get(name, ''))}\n" for name in signer.names])
        request = f"{method}\n{path}\n{query}\n{signed}\n{signer.joined}\n{body_hash}"
        hashed = hashlib.sha256(request.encode()).hexdigest()
        to_sign = f"{_ALGORITHM}\n{stamp}\n{signer.scope}\n{hashed}"
        expected = hmac.digest(signer.key, to_sign.encode(), "sha256").hex()
        if not hmac.compare_digest(expected, signature.strip()):
            raise SignatureError("InvalidSignatureException", _MISMATCH)

    def _check_time(self, stamp: str, signer: _Signer) -> None:
        at, now = _seconds(stamp), self._now()
        if at is None:
            raise _incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
        if stamp[:8] != signer.date:
            raise SignatureError("InvalidSignatureException", "Date in Credential scope does not match X-Amz-Date")
        if at < now - self._max_skew_s:
            limit = f"{_stamp(now - self._max_skew_s)} ({_stamp(now)} - {self._max_skew_s / 60:g} min.)"
            raise SignatureError("InvalidSignatureException", f"Signature expired: {stamp} is now earlier than {limit}")
        if at > now + self._max_skew_s:
            limit = f"{_stamp(now + self._max_skew_s)} ({_stamp(now)} + {self._max_skew_s / 60:g} min.)"
            raise SignatureError(
                "InvalidSignatureException", f"Signature not yet current: {stamp} is still later than {limit}"
            )

    def _read_signer(self, described: str) -> _Signer:
        algorithm, _, rest = described.strip().partition(" ")
        fields = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
        if algorithm != _ALGORITHM or "Credential" not in fields or "SignedHeaders" not in fields:
            raise _incomplete("Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters.")
        parts = fields["Credential"].split("/")
        names = tuple(fields["SignedHeaders"].split(";"))
        if len(parts) != 5 or parts[4] != "aws4_request":
            raise _incomplete("Credential must have 5 elements, ending in 'aws4_request'.")
        if "host" not in names or "x-amz-date" not in names:
            raise SignatureError("InvalidSignatureException", "'Host' and 'X-Amz-Date' must be signed headers")
        access_key, date, region, service, _ = parts
        if access_key != self._access_key:
            raise SignatureError(
                "UnrecognizedClientException", "The security token included in the request is invalid."
            )
        if (region, service) != (self._region, SERVICE):
            raise SignatureError(
                "InvalidSignatureException", f"Credential should be scoped to '{self._region}/{SERVICE}'"
            )
        key = signing_key(self._secret_key, date, region)
        return _Signer(key, "/".join(parts[1:]), date, names, ";".join(names))


def signing_key(secret_key: str, date: str, region: str) -> bytes:
    key = ("AWS4" + secret_key).encode()
    for part in (date, region, SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def canonical_path(path: str) -> str:
    """The path as it is signed: encoded once more, as every service but S3 wants it."""
    return quote(path, safe="/-_.~")


def canonical_query(query: str) -> str:
    if not query:
        return ""
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parse_qsl(query, True))
    return "&".join(f"{name}={value}" for name, value in pairs)


def _incomplete(message: str) -> SignatureError:
    return SignatureError("IncompleteSignatureException", message)


def _trimmed(value: str) -> str:
    return " ".join(value.split()) if "  " in value else value.strip()


@lru_cache(maxsize=64)
def _seconds(stamp: str) -> float | None:
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%SZ")
