"""Pages of other origins (the Fetch standard's CORS): of those that ALLOWED_ORIGINS lists, or of any if it is empty.

Answered by us and not by API Gateway's mock, which knows one origin or all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

TOLD = "ETag, Idempotency-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After"
SENT = "Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Api-Key"
KEPT_S = 7200  # the most that Chromium keeps


def headers(request: Any, allowed: Sequence[str]) -> dict[str, str]:
    """What lets a page read an answer; nothing for a page that may not."""
    if not allowed:
        return {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": TOLD}
    origin = request.headers.get("origin")
    if origin not in allowed:
        return {"Vary": "Origin"}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": TOLD, "Vary": "Origin"}


def preflight(request: Any, allowed: Sequence[str]) -> dict[str, str]:
    """The answer to OPTIONS. Who asks is not looked up: a browser sends no key with it."""
    shared = headers(request, allowed)
    if "Access-Control-Allow-Origin" not in shared:
        return shared
    del shared["Access-Control-Expose-Headers"]
    return {
        **shared,
        "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
        "Access-Control-Allow-Headers": SENT,
        "Access-Control-Max-Age": str(KEPT_S),
    }
