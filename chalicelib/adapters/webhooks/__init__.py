"""ports.WebhookSender: Standard Webhooks over HTTPS, to public addresses only."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from http.client import HTTPException, HTTPResponse, RemoteDisconnected

from chalicelib.adapters.webhooks.addresses import (
    Resolve,
    UnresolvedError,
    all_public,
    resolve_within,
    system_resolve,
)
from chalicelib.adapters.webhooks.connection import Deadline, PinnedConnection
from chalicelib.domain.webhooks import BadUrlError, Target, parse_url
from chalicelib.errors import BadEndpointError
from chalicelib.ports.endpoints import Answer
from chalicelib.telemetry.outside import WEBHOOK, outside

TIMEOUT_S = 10.0  # for all of it: the name, the connection, TLS, the request and the head of the answer
CHECK_S = 3.0  # a user waits for it
ADDRESSES_TRIED = 3
READ_BYTES = 4096  # of an answer's body; the rest is not waited for
BODY_S = 2.0
TEXT_LENGTH = 200
MAX_RETRY_AFTER_S = 86_400.0


class RefusedTargetError(Exception):
    """A URL, or what its name resolves to, is none that may be sent to."""


class HttpWebhooks:
    """ports.WebhookSender.

    Guarantees: connects to the very address that was found to be public, so that a name which changes its answer gains
    nothing; follows no redirect and uses no proxy; is over within ``timeout_s``, however slowly it is answered, and has
    read some kilobytes at most.
    """

    def __init__(
        self,
        *,
        to_private: bool = False,
        resolve: Resolve = system_resolve,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = TIMEOUT_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``to_private`` allows http and every address: for receivers on the developer's machine only."""
        self._to_private = to_private
        self._resolve = resolve
        self._given_tls = tls
        self._timeout_s = timeout_s
        self._monotonic = monotonic

    def check(self, url: str) -> None:
        try:
            self._addresses(self._target(url), Deadline(CHECK_S, monotonic=self._monotonic))
        except (RefusedTargetError, UnresolvedError, TimeoutError) as error:
            raise BadEndpointError(str(error), pointer="/url") from None

    def send(self, url: str, body: bytes, *, message_id: str, secrets: Sequence[str], at: datetime) -> Answer:
        deadline = Deadline(self._timeout_s, monotonic=self._monotonic)
        started = self._monotonic()
        with outside(WEBHOOK, "POST"):
            answer = self._try(url, body, _headers(body, message_id, secrets, at), deadline, at)
        return replace(answer, duration_ms=round((self._monotonic() - started) * 1000))

    def _try(self, url: str, body: bytes, headers: dict[str, str], deadline: Deadline, at: datetime) -> Answer:
        try:
            target = self._target(url)
            addresses = self._addresses(target, deadline)
            return self._post(target, addresses, body, headers, deadline, at)
        except (RefusedTargetError, UnresolvedError) as error:
            return Answer(False, error=str(error))
        except TimeoutError:
            return Answer(False, error=f"no answer within {self._timeout_s:g} s")
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", "") or error.reason or "unknown"
            return Answer(False, error=f"TLS failed: {reason}")
        except RemoteDisconnected:
            return Answer(False, error="the connection was closed without an answer")
        except (HTTPException, ValueError) as error:  # ValueError: what http.client says of a length that is none
            return Answer(False, error=f"the answer is not HTTP: {type(error).__name__}")
        except OSError as error:
            return Answer(False, error=f"no connection: {error.strerror or type(error).__name__}")

    def _target(self, url: str) -> Target:
        try:
            return parse_url(url, any_scheme=self._to_private)
        except BadUrlError as error:
            raise RefusedTargetError(str(error)) from None

    def _addresses(self, target: Target, deadline: Deadline) -> Sequence[str]:
        if target.is_address:
            found: Sequence[str] = [target.host]
        else:
            found = resolve_within(self._resolve, target.host, target.port, deadline.left())
        if not self._to_private and not all_public(found):
            what = "this address" if target.is_address else f"an address of {target.host}"
            raise RefusedTargetError(f"{what} is not public: webhooks go to public addresses of the Internet only")
        return found

    def _post(
        self,
        target: Target,
        addresses: Sequence[str],
        body: bytes,
        headers: dict[str, str],
        deadline: Deadline,
        at: datetime,
    ) -> Answer:
        connection = self._connect(target, addresses[:ADDRESSES_TRIED], deadline)
        try:
            connection.request("POST", target.path, body=body, headers=headers)
            response = connection.getresponse()
            return _judged(response, _read_some(response, connection, deadline), at)
        finally:
            connection.hang_up()

    def _connect(self, target: Target, addresses: Sequence[str], deadline: Deadline) -> PinnedConnection:
        """To the first that answers; each has an equal share of the time. Nothing was sent to the others."""
        tls = self._tls if target.scheme == "https" else None
        for left in range(len(addresses), 0, -1):
            address = addresses[-left]
            connection = PinnedConnection(target.host, target.port, address, tls=tls, deadline=deadline)
            try:
                connection.connect(within_s=deadline.left() / left)
            except OSError:
                if left == 1:
                    raise
            else:
                return connection
        raise UnresolvedError(f"the name {target.host} has no address")

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Made on first use: it reads the system's certificates, which takes some 20 ms."""
        if self._given_tls is not None:
            return self._given_tls
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def _headers(body: bytes, message_id: str, secrets: Sequence[str], at: datetime) -> dict[str, str]:
    from standardwebhooks import Webhook

    text = body.decode()
    return {
        "content-type": "application/json",
        "user-agent": "defi-stream-webhooks/1",
        "connection": "close",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(message_id, at, text) for secret in secrets),
    }


def _read_some(response: HTTPResponse, connection: PinnedConnection, deadline: Deadline) -> bytes:
    """The beginning of a body: the status has decided already, so that nothing here can fail the delivery."""
    try:
        connection.shorten(min(BODY_S, deadline.left()))
        return response.read1(READ_BYTES)
    except (OSError, HTTPException, ValueError):
        return b""


def _judged(response: HTTPResponse, body: bytes, at: datetime) -> Answer:
    status, text = response.status, printable(body)
    if 200 <= status < 300:
        return Answer(True, status, text=text)
    error = f"answered {status}" + (": redirects are not followed" if 300 <= status < 400 else "")
    return Answer(False, status, error, text, _retry_after_s(response.getheader("retry-after", ""), at))


def printable(body: bytes) -> str:
    """Fit for a log: the first characters that can be seen, on one line."""
    text = " ".join(body.decode("utf-8", errors="replace").split())
    return "".join(each for each in text if each.isprintable())[:TEXT_LENGTH]


def _retry_after_s(value: str, at: datetime) -> float:
    """Seconds, or a date; 0 for neither. At most a day, whatever is asked for."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), MAX_RETRY_AFTER_S)
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):  # OverflowError: a year of twenty digits
        return 0
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(0.0, (until - at).total_seconds()), MAX_RETRY_AFTER_S)
