"""The static page: what CloudFront and S3 do on AWS."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from aiohttp import web

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-cache",  # keep a copy, but ask each time: the ETag answers
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self'; img-src 'self' data:; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".webmanifest": "application/manifest+json"}


def vendored_files() -> dict[str, Path]:
    """The page's third-party files, from the package that carries them."""
    import uplot

    static = Path(uplot.__file__).parent / "static"
    return {name: static / name for name in ("uPlot.iife.js", "uPlot.min.css")}


class Site:
    """Serves the files under ``root``, ``/`` as index.html, and ``/vendor/NAME`` from ``vendor``.

    Nothing outside ``root`` and ``vendor`` can be read: not by ``..``, encoded or not, by a link, or a hidden name.
    """

    def __init__(self, root: Path, vendor: Mapping[str, Path]) -> None:
        self._root = root.resolve()
        self._vendor = vendor

    async def handle(self, request: web.Request, *, prefix: str = "") -> web.Response:
        """The file of a request; ``prefix`` is the part of its path that is not of this site."""
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="Method Not Allowed", headers={**HEADERS, "Allow": "GET, HEAD"})
        file = self.find(request.raw_path.partition("?")[0].removeprefix(prefix))
        if file is None:
            return web.Response(status=404, text="Not Found", headers=HEADERS)
        content = await asyncio.to_thread(file.read_bytes)
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = {**HEADERS, "ETag": etag}
        known = request.headers.get("If-None-Match", "")
        if known == "*" or etag in [tag.strip().removeprefix("W/") for tag in known.split(",")]:
            return web.Response(status=304, headers=headers)
        kind, charset = _type(file)
        return web.Response(body=content, headers=headers, content_type=kind, charset=charset)

    def find(self, path: str) -> Path | None:
        """The file of a percent-encoded path, or None."""
        parts = unquote(path).split("/")[1:]
        if parts[:1] == ["vendor"] and len(parts) > 1:
            file = self._vendor.get("/".join(parts[1:]))
            return file if file is not None and file.is_file() else None
        if parts[-1] == "":
            parts[-1] = "index.html"
        if any(part.startswith(".") or not part or "\\" in part or "\0" in part for part in parts):
            return None
        file = self._root.joinpath(*parts).resolve()
        return file if file.is_relative_to(self._root) and file.is_file() else None


def _type(file: Path) -> tuple[str, str | None]:
    kind = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    text = kind.startswith("text/") or kind in ("application/json", "application/manifest+json", "image/svg+xml")
    return kind, "utf-8" if text else None
