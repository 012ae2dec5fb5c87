"""One conditional GET, with retries inside a time budget and bounds on everything that comes back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urljoin, urlsplit, urlunsplit

import urllib3

from chalicelib.adapters.defillama.headers import fresh_for_s, http_date, retry_after_s
from chalicelib.errors import SourceError
from chalicelib.telemetry.outside import DEFILLAMA, outside

TRIES = 3
BACKOFF_BASE_S = 0.5
BACKOFF_CAP_S = 8.0
CONNECT_TIMEOUT_S = 5.0
MAX_REDIRECTS = 3  # big answers are redirected (307) to object storage
MAX_BODY_BYTES = 64 * 1024 * 1024  # /protocols is 11 MB; nothing honest comes near this
READ_BYTES = 64 * 1024

PRO_HOST = "pro-api.llama.fi"  # its key is the first segment of the path

_HEADERS = {
    "accept": "application/json",
    "accept-encoding": "gzip",
    # Cloudflare in front of the API has answered 403 to clients that look like none
    "user-agent": "Mozilla/5.0 (compatible; defi-stream)",
}


def redact(url: str) -> str:
    """The URL without a Pro key, user or query: fit for logs, errors and storage."""
    parts = urlsplit(url)
    segments = parts.path.split("/")
    if (parts.hostname or "").lower() == PRO_HOST and len(segments) > 1:
        segments[1] = "***"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, "/".join(segments), "", ""))


class ThrottledError(SourceError):
    """429, also after waiting: more requests only make it worse."""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer; ``body`` is None when the source says that nothing changed (304)."""

    body: bytes | None
    etag: str | None
    date: datetime | None
    fresh_for_s: float | None


class Fetcher:
    """Guarantees: status before body; at most TRIES tries and never past ``deadline``; at most MAX_BODY_BYTES
    decompressed; http(s) only, also after a redirect; no key in an error's text or in urllib3's log.
    """

    def __init__(
        self,
        *,
        http: urllib3.PoolManager,
        sleep: Callable[[float], None],
        random: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._http = http
        self._sleep = sleep
        self._random = random
        self._now = now

    def get(self, url: str, *, etag: str | None, deadline: float) -> Page:
        """GET by ``deadline`` (``time.monotonic()``).

        Raises SourceError, ``temporary`` if asking later may help, with ``retry_after`` if the source gave one.
        """
        for attempt in range(1, TRIES + 1):
            try:
                with outside(DEFILLAMA, "GET"):
                    return self._follow(url, etag, deadline)
            except SourceError as error:
                wait = error.retry_after
                if wait is None:  # full jitter: clients that failed together do not come back together
                    wait = self._random() * min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2 ** (attempt - 1))
                if not error.temporary or attempt == TRIES or time.monotonic() + wait >= deadline:
                    raise
                self._sleep(wait)
        raise AssertionError("unreachable: the last try returns or raises")

    def _follow(self, url: str, etag: str | None, deadline: float) -> Page:
        target, place = url, redact(url)  # errors name what was asked for: another host may repeat the key in its path
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._once(target, place, etag, deadline)
            if isinstance(answer, Page):
                return answer
            target = _redirected(target, answer, place)
        raise SourceError(f"GET {place}: more than {MAX_REDIRECTS} redirects")

    def _once(self, url: str, place: str, etag: str | None, deadline: float) -> Page | str:
        """One request: the page, or where it was redirected to."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise SourceError(f"GET {place}: out of time", temporary=True)
        headers = _HEADERS if etag is None else {**_HEADERS, "if-none-match": etag}
        timeout = urllib3.Timeout(connect=min(CONNECT_TIMEOUT_S, left), read=left)
        try:
            response = self._http.request(
                "GET", url, headers=headers, timeout=timeout, retries=False, redirect=False, preload_content=False
            )
            try:
                return self._answer(response, place, etag, deadline)
            finally:
                response.close()  # the connection of an answer read to its end is back in the pool by now
        except (urllib3.exceptions.LocationParseError, urllib3.exceptions.URLSchemeUnknown):
            raise SourceError(f"GET {place}: not a URL") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            # urllib3's own texts may quote the URL, and the URL may hold the key: only its kind is told
            raise SourceError(f"GET {place}: {type(error).__name__}", temporary=True) from None

    def _answer(self, response: urllib3.BaseHTTPResponse, place: str, etag: str | None, deadline: float) -> Page | str:
        status, headers = response.status, response.headers
        if status == 200:
            return self._page(_read(response, place, deadline), headers, None)
        if status == 304 and etag is not None:
            response.drain_conn()
            return self._page(None, headers, etag)
        if status in (301, 302, 307, 308) and headers.get("location"):
            return str(headers["location"])
        message = f"GET {place}: status {status}"
        if status in (408, 425, 429) or status >= 500:
            kind = ThrottledError if status == 429 else SourceError
            raise kind(message, temporary=True, retry_after=retry_after_s(headers, self._now()))
        raise SourceError(message)

    def _page(self, body: bytes | None, headers: Mapping[str, str], etag: str | None) -> Page:
        fresh = fresh_for_s(headers, self._now())
        return Page(body, headers.get("etag") or etag, http_date(headers.get("date")), fresh)


def _redirected(url: str, location: str, place: str) -> str:
    try:
        target = urljoin(url, location)
        scheme = urlsplit(target).scheme
    except ValueError:
        scheme = ""
    if scheme not in ("http", "https") or (url.startswith("https:") and scheme == "http"):
        raise SourceError(f"GET {place}: redirected to something that is not https")
    return target


def _read(response: urllib3.BaseHTTPResponse, place: str, deadline: float) -> bytes:
    """The decompressed body. Reads what is there, piece by piece: a source that drips cannot outlast the deadline."""
    body = bytearray()
    while piece := response.read1(READ_BYTES, decode_content=True):
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise SourceError(f"GET {place}: more than {MAX_BODY_BYTES} bytes")
        if time.monotonic() > deadline:
            raise SourceError(f"GET {place}: out of time", temporary=True)
    return bytes(body)


def keep_keys_out_of_logs(urls: list[str]) -> None:
    """Quieten urllib3 where a key is at stake: at DEBUG, and in some warnings, it logs whole URLs."""
    if any(redact(url) != url for url in urls):
        logging.getLogger("urllib3").setLevel(logging.ERROR)
