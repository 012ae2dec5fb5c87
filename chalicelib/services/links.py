"""Links in e-mails that do one thing without a login: confirm an address, unsubscribe it."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

from chalicelib.errors import BadEndpointError
from chalicelib.ports.endpoints import Endpoint, EndpointStore

Purpose = Literal["confirm", "unsubscribe"]
PREFIX = "ln_"  # by which logs know that it must not be read there
CONFIRM_WITHIN = timedelta(days=2)
MAX_LENGTH = 1024
_MAC = hashlib.sha256
_MAC_LENGTH = 32


class Links:
    """Guarantees: a token is good for one purpose and one endpoint, as long as that endpoint exists; one that confirms
    ends after two days. It is signed with the endpoint's own secret, since it must outlive the rotation of any other:
    who got an e-mail years ago can still unsubscribe.
    """

    def __init__(self, *, endpoints: EndpointStore, public_url: str, now: Callable[[], datetime]) -> None:
        self._endpoints = endpoints
        self._public_url = public_url.rstrip("/")
        self._now = now

    def url(self, purpose: Purpose, endpoint: Endpoint) -> str:
        return f"{self._public_url}/v1/{purpose}?token={self.token(purpose, endpoint)}"

    def token(self, purpose: Purpose, endpoint: Endpoint) -> str:
        ends = int((self._now() + CONFIRM_WITHIN).timestamp()) if purpose == "confirm" else 0
        said = f"{purpose}\n{ends}\n{endpoint.id}\n{endpoint.user}".encode()
        return PREFIX + urlsafe_b64encode(_mac(endpoint, said) + said).rstrip(b"=").decode()

    def read(self, purpose: Purpose, token: str) -> Endpoint:
        """Whose token it is. Raises BadEndpointError, which does not tell whether there is such an endpoint."""
        bad = BadEndpointError("this link is not, or no longer, good: ask for a new one")
        mac, said = _parts(token)
        try:
            named, ends, endpoint_id, user = said.decode().split("\n", 3)
            expired = 0 < int(ends) <= self._now().timestamp()
        except ValueError:
            raise bad from None
        endpoint = self._endpoints.find(user, endpoint_id) if user and endpoint_id else None
        # A webhook's user knows its secret, and would sign a link to confirm a receiver that never answered.
        if endpoint is None or endpoint.kind != "email" or not hmac.compare_digest(mac, _mac(endpoint, said)):
            raise bad
        if named != purpose or expired:
            raise bad
        return endpoint


def _mac(endpoint: Endpoint, said: bytes) -> bytes:
    """Of an e-mail address's only secret, which is never rotated and never shown."""
    return hmac.digest(endpoint.secrets[-1].value.encode(), said, _MAC)


def _parts(token: str) -> tuple[bytes, bytes]:
    """The signature and what is signed; both empty for what is no token at all."""
    if not token.startswith(PREFIX) or len(token) > MAX_LENGTH:
        return b"", b""
    try:
        raw = urlsafe_b64decode(token.removeprefix(PREFIX) + "==")
    except ValueError:
        return b"", b""
    return raw[:_MAC_LENGTH], raw[_MAC_LENGTH:]
