"""Signature Version 4 for one method of the ``@connections`` API, made for thousands of requests a second.

The form is AWS's (docs.aws.amazon.com/IAM, "Create a signed AWS API request") and the result is botocore's,
byte for byte; a test compares them. What does not change between two requests of the same second (date,
scope, host, credentials) is laid out once a second, the signing key is derived once a day and credential, and
the HMAC starts from its two keyed blocks, which costs a third of a fresh ``hmac``.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from functools import lru_cache
from hmac import digest
from typing import Protocol
from urllib.parse import quote

SERVICE = "execute-api"
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_BLOCK = 64  # SHA-256's block, to which HMAC (RFC 2104) pads its key
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class Credentials(Protocol):
    """What botocore's ``get_frozen_credentials`` returns."""

    @property
    def access_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...
    @property
    def token(self) -> str | None: ...


class Signer:
    """Signs ``{method} {base_path}/@connections/{id}`` for one host.

    ``credentials`` is asked again every second and after ``refresh``; the session token, if there is one, is sent
    and signed. Not thread-safe.
    """

    def __init__(
        self,
        method: str,
        *,
        host: str,
        base_path: str,
        region: str,
        credentials: Callable[[], Credentials],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._method = method
        self._host = host
        self._path = f"{base_path}/@connections/".encode()
        self._canonical_path = quote(f"{base_path}/@connections/", safe="/-_.~").encode()
        self._region = region
        self._credentials = credentials
        self._clock = clock
        self._second = -1.0
        self._canonical_head = self._canonical_tail = self._to_sign = b""
        self._request_head = self._request_tail = b""
        self._inner = self._outer = hashlib.sha256()

    def refresh(self) -> None:
        """Read the clock and the credentials anew for the next request."""
        self._second = -1.0

    def payload(self, body: bytes) -> tuple[bytes, bytes]:
        """A body's hash, and what follows the signature: once for all the requests that share the body."""
        length = b"" if self._method == "GET" else b"\r\ncontent-length: %d" % len(body)
        return hash_payload(body), length + b"\r\n\r\n" + body

    def head(self, connection: str, payload_hash: bytes) -> bytes:
        """The request line and every header up to the signature, with no line end after it.

        ``payload_hash`` is ``hash_payload`` of the body that will follow.
        """
        second = self._clock() // 1
        if second != self._second:
            self._lay_out(second)
        path, canonical = _encode_id(connection)
        request = self._canonical_head + canonical + self._canonical_tail + payload_hash
        inner = self._inner.copy()
        inner.update(self._to_sign + hashlib.sha256(request).hexdigest().encode())
        outer = self._outer.copy()
        outer.update(inner.digest())
        return self._request_head + path + self._request_tail + outer.hexdigest().encode()

    def _lay_out(self, second: float) -> None:
        credentials = self._credentials()
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        day = moment[:8]
        scope = f"{day}/{self._region}/{SERVICE}/aws4_request"
        headers = {"host": self._host, "x-amz-date": moment}
        if credentials.token:
            headers["x-amz-security-token"] = credentials.token
        names = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        self._canonical_head = f"{self._method}\n".encode() + self._canonical_path
        self._canonical_tail = f"\n\n{lines}\n{names}\n".encode()
        self._to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n".encode()
        self._request_head = f"{self._method} ".encode() + self._path
        sent = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._request_tail = (
            f" HTTP/1.1\r\n{sent}authorization: AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature="
        ).encode()
        key = signing_key(credentials.access_key, credentials.secret_key, day, self._region).ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(key.translate(_INNER))
        self._outer = hashlib.sha256(key.translate(_OUTER))
        self._second = second


def hash_payload(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


@lru_cache(maxsize=8)
def signing_key(access_key: str, secret_key: str, day: str, region: str) -> bytes:
    """The key of a day (``YYYYMMDD``): derived once, since four HMACs a request are half a signature's cost."""
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, SERVICE, "aws4_request"):
        key = digest(key, part.encode(), "sha256")
    return key


def _encode_id(connection: str) -> tuple[bytes, bytes]:
    """The id in the path and in the canonical request, which encodes twice for every service but S3."""
    raw = connection.encode()
    if not raw.translate(None, _UNRESERVED).strip(b"="):  # every id that API Gateway has given out: base64url
        return raw.replace(b"=", b"%3D"), raw.replace(b"=", b"%253D")
    path = quote(connection, safe="-._~")
    return path.encode(), quote(path, safe="-_.~").encode()
