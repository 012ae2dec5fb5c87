"""How much a caller may still ask for: the headers ``RateLimit-Policy`` and ``RateLimit`` of the IETF's draft.

(draft-ietf-httpapi-ratelimit-headers: quota ``q`` in ``w`` seconds; ``r`` left, all again in ``t`` seconds.)
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.services.callers import Quota


def headers(quota: Quota | None) -> dict[str, str]:
    if quota is None:
        return {}
    return {
        "RateLimit-Policy": f'"minute";q={quota.per_minute};w=60',
        "RateLimit": f'"minute";r={quota.left};t={ceil(quota.full_s)}',
    }
