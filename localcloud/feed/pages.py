"""One encoded answer and how it is handed out: validators, freshness, compression."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from email.utils import formatdate

import msgspec
from aiohttp import web

from localcloud.feed.windows import Window

COMPRESS_FROM_BYTES = 256
OPEN = {"Access-Control-Allow-Origin": "*"}


@dataclass(frozen=True, slots=True)
class Page:
    """An answer for as long as its window lasts: the same bytes and the same strong ETag to whoever asks."""

    window: Window
    body: bytes
    packed: bytes | None
    etag: str

    @classmethod
    def of(cls, answer: object, window: Window) -> Page:
        body = msgspec.json.encode(answer)
        packed = gzip.compress(body, 1, mtime=0) if len(body) >= COMPRESS_FROM_BYTES else None
        return cls(window, body, packed, hashlib.sha256(body).hexdigest()[:32])

    def response(self, request: web.Request, now: float, speed: float) -> web.Response:
        """The answer, or 304 to a client that has it. ``now`` is the tape's, which is the clock of the headers."""
        packed = self.packed if "gzip" in request.headers.get("Accept-Encoding", "") else None
        headers = {
            **OPEN,
            "Date": formatdate(int(now), usegmt=True),
            "Expires": formatdate(self.window.end, usegmt=True),
            "Cache-Control": f"public, max-age={self.window.max_age(now, speed)}",
            "ETag": f'"{self.etag}-gzip"' if packed else f'"{self.etag}"',
            "Vary": "Accept-Encoding",
        }
        known = request.headers.get("If-None-Match", "")
        if known.strip() == "*" or self.etag in known:
            return web.Response(status=304, headers=headers)
        if packed:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=packed or self.body, headers=headers, content_type="application/json")
