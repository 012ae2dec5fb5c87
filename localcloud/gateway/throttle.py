"""API Gateway's limits, and the token bucket that its account throttle is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """What the gateway enforces: the defaults are AWS's; tests lower them."""

    requests_per_s: float = 10_000  # account throttle, shared by REST, WebSocket messages and @connections
    burst: float = 5_000
    connects_per_s: float = 500
    connects_burst: float = 500
    idle_s: float = 600  # "Idle Connection Timeout", not adjustable on AWS
    max_age_s: float = 7_200  # "Connection duration for WebSocket API", not adjustable on AWS
    send_buffer_bytes: int = 1024 * 1024  # AWS publishes no number for "client side buffer is full"
    integration_timeout_s: float = 29.0
    in_flight_per_connection: int = 64
    clock_skew_s: float = 300.0  # of a signed request
    rest_body_bytes: int = 10 * 1024 * 1024
    compress_from_bytes: int = 1024  # MinimumCompressionSize of the template's REST API


class TokenBucket:
    """``burst`` tokens that refill at ``per_s``; an infinite rate never refuses."""

    def __init__(self, per_s: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = burst
        self._clock = clock
        self._at = clock()

    def take(self) -> bool:
        """Whether a request may pass now; taking a token if so."""
        if self._per_s == math.inf:
            return True
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
