"""What can be chosen of the laptop cloud."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from localcloud.feed.tape import DEFAULT_START
from localcloud.gateway.throttle import GatewayLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A port of 0 is any free one; ``feed`` is "recorded", "live" or "none".

    ``tracing`` is one of xray.rules.CHOICES. Where ``xray_port`` is taken, another is.
    """

    port: int = 0
    management_port: int = 0
    redis_port: int = 0
    postgres_port: int = 0
    aws_port: int = 0
    feed_port: int = 0
    xray_port: int = 0
    tracing: str = "template"
    feed: str = "recorded"
    speed: float = 3600.0
    begins: datetime = DEFAULT_START
    poll_s: float | None = None
    workers: Mapping[str, int] = field(default_factory=dict)
    timeouts_s: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    limits: GatewayLimits = field(default_factory=GatewayLimits)
    inject_latency_s: float = 0.0
    on_log: Callable[[str, str], None] | None = None
    record_calls: Path | None = None

    @property
    def poll_period_s(self) -> float:
        """The live API changes once a minute at most; a tape that runs fast is worth looking at more often."""
        return self.poll_s or (60.0 if self.feed == "live" else 2.0)
